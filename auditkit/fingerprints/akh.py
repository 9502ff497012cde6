"""AKH: the owner's own mistakes as a fingerprint (Godinot et al.: QuRD, AAAI 2025).

A suspect that makes the same mistakes as the owner is probably a copy of it, since independent
models make other mistakes. If the samples hold too few of them, mixed images fill up the rest, as
in the paper: a patch of one sample is pasted into another, and the mixture is used if the owner
contradicts the label of the larger part. Departure from the paper: flipped images are not added,
because a flipped image belongs to another class, or to none, in many tasks.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from auditkit.core.errors import FingerprintError
from auditkit.core.points import FEWEST
from auditkit.fingerprints.base import Findings, Method, Need, Request

__all__ = ["akh"]


@dataclass(frozen=True, slots=True)
class Settings:
    """How images are mixed if there are fewer natural mistakes than points wanted."""

    # Half of each side is a quarter of the area, so the label of the larger part stays the truth.
    patch: float = 0.5  # side of the pasted patch as a share of the image's side, 0..1
    tries: int = 20  # mixed images that are tried for each point wanted; most are no mistakes


def find_mistakes(request: Request, settings: Settings) -> Findings:
    """Find samples that the owner classifies wrongly, in random order, then mixed images.

    Raises:
        FingerprintError: Fewer than 20 mistakes are found.
    """
    generator = torch.Generator().manual_seed(request.seed)
    points, truth = request.naturals()
    order = torch.randperm(len(points), generator=generator).to(points.device)
    mistakes = _wrong(request, points[order], truth[order])[: request.count]
    natural = len(mistakes)
    # A patch is a rectangle of an image; table rows and series have nothing like it.
    if natural < request.count and points.ndim == 4:
        mixed = _mixed(request, settings, points, truth, generator)
        mistakes = torch.cat([mistakes, mixed])[: request.count]
    if len(mistakes) < FEWEST:
        raise FingerprintError(
            f"the owner gets only {len(mistakes)} samples wrong (at least {FEWEST} are needed); "
            "give more samples"
        )
    return request.weighed_by_labels(mistakes, {"natural mistakes": natural})


def _wrong(request: Request, points: Tensor, truth: Tensor) -> Tensor:
    return points[request.owner.answers(points).argmax(1) != truth]


def _mixed(
    request: Request,
    settings: Settings,
    points: Tensor,
    truth: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """Mix random pairs of images and keep the mixtures that the owner classifies wrongly."""
    count = settings.tries * request.count
    first, second = (
        torch.randint(len(points), (count,), generator=generator).to(points.device)
        for _ in range(2)
    )
    height, width = (max(1, round(settings.patch * side)) for side in points.shape[-2:])
    # Nothing is blended or scaled, so the mixture is on the 8-bit grid as both images are.
    mixed = points[first].clone()
    mixed[..., :height, :width] = points[second][..., :height, :width]
    return _wrong(request, mixed, truth[first])


akh = Method(
    find_mistakes,
    Settings,
    "Godinot, Le Merrer, Penzo, Taïani, Trédan: Queries, Representation & Detection (AAAI 2025), "
    "arXiv 2412.13021",
    needs=(Need.SAMPLES, Need.LABELS),
)
