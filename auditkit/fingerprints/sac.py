"""Samples whose relations to each other a copy keeps (SAC; Guan, Liang, He; NeurIPS 2022).

Three kinds of inputs, none of which needs gradients or shadow models:

- wrong (SAC-w): samples that the owner gets wrong, filled up with mixed ones where too few. The
  default, since labels of mixed images tell little: strangers give the same ones.
- mixed (SAC-m): a small patch near a corner of one sample, taken from another (CutMix).
- jpeg (SAC-JC; arXiv 2412.20768): samples compressed as JPEG.

Departures: SAC-w's paper keeps the mistakes that extracted copies make too; training those takes
minutes, so here mistakes that few stand-ins share come first. Each mixed image has a patch of its
own place, where the paper's code draws one place for all. Of table rows, a patch is a random fifth
of the features. Only "wrong" looks at labels, but they are always asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from auditkit.core.errors import FingerprintError
from auditkit.fingerprints.base import FEWEST, Findings, Method, Need, Request
from auditkit.owner.classifier import snapped
from auditkit.owner.transports import compressed

__all__ = ["sac"]


@dataclass(frozen=True, slots=True)
class Settings:
    """The numbers of the authors' code."""

    inputs: str = "wrong"  # or "mixed" or "jpeg"
    patch: float = 0.2  # side of the patch as a share of the image's (SAC, cut_mix.py)
    zone: float = 1 / 6  # its centre lies so near two edges, as a share of the image's side
    quality: int = 25  # of JPEG, 1 to 95: the lightest of SAC-JC's five, which its code runs


def find_related(request: Request, settings: Settings) -> Findings:
    """Points of the wanted kind, in random order; of mistakes, the owner's own first.

    Raises:
        FingerprintError: There is no such kind, it does not fit the input, or there are fewer than
            20 points.
    """
    if settings.inputs not in KINDS:
        raise FingerprintError(
            f"setting 'inputs' is one of {', '.join(KINDS)}, got {settings.inputs!r}"
        )
    generator = torch.Generator().manual_seed(request.seed)
    samples, truth = request.naturals()
    if min(len(samples), request.count) < FEWEST:
        raise FingerprintError(
            f"{len(samples)} samples give too few points (at least {FEWEST} are needed); "
            "give more samples"
        )
    order = torch.randperm(len(samples), generator=generator).to(samples.device)
    points, measured = KINDS[settings.inputs](
        request, settings, samples[order], truth[order], generator
    )
    return request.weighed_by_relations(points[: request.count], measured)


def _mixed(
    _request: Request,
    settings: Settings,
    samples: Tensor,
    _truth: Tensor,
    generator: torch.Generator,
) -> tuple[Tensor, Mapping[str, Any]]:
    """Each sample with a patch of another, which one is random."""
    others = samples.roll(1, 0)
    if samples.ndim == 4:
        rows, columns = (
            _strips(len(samples), side, settings, generator) for side in samples.shape[2:]
        )
        patch = rows[:, None, :, None] & columns[:, None, None, :]
    else:
        patch = torch.rand(samples.shape, generator=generator) < settings.patch
    return torch.where(patch.to(samples.device), others, samples), {}


def _strips(count: int, side: int, settings: Settings, generator: torch.Generator) -> Tensor:
    """(count, side) bool: a strip around a random place near either end."""
    places = torch.arange(side)
    near = places[torch.minimum(places, side - 1 - places) < settings.zone * side]
    centres = near[torch.randint(len(near), (count,), generator=generator)]
    width = max(1, round(settings.patch * side))
    start = (centres - width // 2)[:, None]
    return (places >= start) & (places < start + width)


def _wrong(
    request: Request, settings: Settings, samples: Tensor, truth: Tensor, generator: torch.Generator
) -> tuple[Tensor, Mapping[str, Any]]:
    """The owner's mistakes, from those that no stand-in shares on; then mixed samples."""
    labels = request.owner.answers(samples).argmax(1)
    wrong = labels != truth
    mistakes, given = samples[wrong], labels[wrong]
    shared = torch.zeros(len(mistakes), device=samples.device)
    if len(mistakes):
        inputs = request.owner.inputs(mistakes)
        for stranger in request.strangers:
            shared += stranger.answers(inputs).argmax(1) == given
    mistakes = mistakes[torch.argsort(shared, stable=True)]
    fill, _ = _mixed(request, settings, samples, truth, generator)
    return torch.cat([mistakes, fill]), {"natural mistakes": min(len(mistakes), request.count)}


def _jpeg(
    request: Request,
    settings: Settings,
    samples: Tensor,
    _truth: Tensor,
    _generator: torch.Generator,
) -> tuple[Tensor, Mapping[str, Any]]:
    """Samples as they look after JPEG."""
    spec = request.owner.spec
    if not spec.is_image or spec.shape[0] not in (1, 3):
        raise FingerprintError(
            f"sac:inputs=jpeg needs grey or colour images in 0..1 or 0..255, the owner takes "
            f"inputs of shape {spec.shape} between {min(spec.lower):g} and {max(spec.upper):g}"
        )
    points = compressed(samples[: request.count], spec.upper[0], "JPEG", settings.quality)
    return snapped(points, spec), {}


KINDS = {"wrong": _wrong, "mixed": _mixed, "jpeg": _jpeg}


sac = Method(
    find_related,
    Settings,
    "Guan, Liang, He: Are you stealing my model? Sample correlation for fingerprinting deep neural "
    "networks (NeurIPS 2022), arXiv 2210.15427",
    needs=(Need.SAMPLES, Need.LABELS),
    lead="correlation",
)
