"""SAC: samples whose relations to each other a copy keeps (Guan, Liang, He; NeurIPS 2022).

There are three kinds of inputs, and none of them needs gradients or shadow models:

- wrong (SAC-w): samples that the owner classifies wrongly, and mixed ones if they are too few. This
  is the default, since independent models give most mixed images the same labels as the owner.
- mixed (SAC-m): samples with a small patch of another sample near a corner (CutMix).
- jpeg (SAC-JC; arXiv 2412.20768): samples compressed as JPEG.

Departures from the papers:

- SAC-w keeps mistakes that extracted copies make too. Training those takes minutes, so here
  mistakes come first that few stand-ins share.
- Each mixed image has its patch at a place of its own; the authors' code draws one place for all.
- In a table row, a patch is a random fifth of the features.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from auditkit.core.arrays import JsonObject
from auditkit.core.errors import FingerprintError
from auditkit.core.points import FEWEST
from auditkit.fingerprints.base import Findings, Method, Need, Request
from auditkit.owner.classifier import snapped
from auditkit.owner.transports import compressed

__all__ = ["sac"]


@dataclass(frozen=True, slots=True)
class Settings:
    """The kind of inputs, and the numbers of the authors' code."""

    inputs: str = "wrong"  # "wrong", "mixed" or "jpeg"
    patch: float = 0.2  # side of the patch as a share of the image's side (SAC's cut_mix.py)
    # The patch's centre is no further than this from two edges, as a share of the image's side.
    # The code draws both coordinates outside the middle four sixths.
    zone: float = 1 / 6
    # JPEG quality, 1 to 95. SAC-JC names five; this is the lightest, and the one its code runs.
    quality: int = 25


@dataclass(frozen=True, slots=True, eq=False)
class _Inputs:
    """Points (n, *shape) of one kind, and what was measured of them."""

    points: Tensor
    measured: JsonObject = field(default_factory=dict)


def find_related(request: Request, settings: Settings) -> Findings:
    """Make points of the wanted kind, in random order; the owner's own mistakes come first.

    Raises:
        FingerprintError: There is no such kind, it does not fit the owner's input, or there are
            fewer than 20 points.
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
    made = KINDS[settings.inputs](request, settings, samples[order], truth[order], generator)
    return request.weighed_by_relations(made.points[: request.count], made.measured)


def _mixed(
    _request: Request,
    settings: Settings,
    samples: Tensor,
    _truth: Tensor,
    generator: torch.Generator,
) -> _Inputs:
    """Paste a patch of another sample into each sample."""
    # The samples are shuffled, so the neighbour is a random other sample, and never the same one.
    others = samples.roll(1, 0)
    if samples.ndim == 4:
        rows, columns = (
            _strips(len(samples), side, settings, generator) for side in samples.shape[2:]
        )
        patch = rows[:, None, :, None] & columns[:, None, None, :]
    else:
        patch = torch.rand(samples.shape, generator=generator) < settings.patch
    return _Inputs(torch.where(patch.to(samples.device), others, samples))


def _strips(count: int, side: int, settings: Settings, generator: torch.Generator) -> Tensor:
    """Return (count, side) bool: along each row, a strip around a random place near either end."""
    places = torch.arange(side)
    near = places[torch.minimum(places, side - 1 - places) < settings.zone * side]
    centres = near[torch.randint(len(near), (count,), generator=generator)]
    width = max(1, round(settings.patch * side))
    start = (centres - width // 2)[:, None]
    return (places >= start) & (places < start + width)


def _wrong(
    request: Request, settings: Settings, samples: Tensor, truth: Tensor, generator: torch.Generator
) -> _Inputs:
    """Return the owner's mistakes, those first that fewest stand-ins share, then mixed samples."""
    labels = request.owner.answers(samples).argmax(1)
    wrong = labels != truth
    # A stand-in shares a mistake if it gives the same wrong label, not merely a wrong one.
    mistakes, given = samples[wrong], labels[wrong]
    shared = torch.zeros(len(mistakes), device=samples.device)
    if len(mistakes):
        inputs = request.owner.inputs(mistakes)
        for stranger in request.strangers:
            shared += stranger.answers(inputs).argmax(1) == given
    mistakes = mistakes[torch.argsort(shared, stable=True)]
    fill = _mixed(request, settings, samples, truth, generator)
    count = min(len(mistakes), request.count)
    return _Inputs(torch.cat([mistakes, fill.points]), {"natural mistakes": count})


def _jpeg(
    request: Request,
    settings: Settings,
    samples: Tensor,
    _truth: Tensor,
    _generator: torch.Generator,
) -> _Inputs:
    """Compress samples as JPEG files and read them again."""
    spec = request.owner.spec
    if not spec.is_image or spec.shape[0] not in (1, 3):
        raise FingerprintError(
            f"sac:inputs=jpeg needs grey or colour images in 0..1 or 0..255, the owner takes "
            f"inputs of shape {spec.shape} between {min(spec.lower):g} and {max(spec.upper):g}"
        )
    points = compressed(samples[: request.count], spec.upper[0], "JPEG", settings.quality)
    return _Inputs(snapped(points, spec))


KINDS = {"wrong": _wrong, "mixed": _mixed, "jpeg": _jpeg}


sac = Method(
    find_related,
    Settings,
    "Guan, Liang, He: Are you stealing my model? Sample correlation for fingerprinting deep neural "
    "networks (NeurIPS 2022), arXiv 2210.15427",
    # Only the kind "wrong" looks at labels, but a method's needs can't depend on its settings.
    needs=(Need.SAMPLES, Need.LABELS),
    lead="correlation",
)
