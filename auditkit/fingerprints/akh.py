"""Natural inputs that the owner gets wrong (AKH; Godinot et al.: QuRD, AAAI 2025).

Whoever makes the same mistakes is a copy. Where there are too few mistakes, the rest are mixed
inputs, as in the paper: a patch of one sample in another, on which the owner contradicts the label
of the larger part. Departure: no flips are added, since many tasks are not symmetric.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from auditkit.core.errors import FingerprintError
from auditkit.fingerprints.base import FEWEST, Findings, Method, Need, Request

__all__ = ["akh"]


@dataclass(frozen=True, slots=True)
class Settings:
    """Where natural mistakes don't suffice."""

    patch: float = 0.5  # side of the patch that is mixed in, as a share of the image's
    tries: int = 20  # mixed inputs looked at for each one wanted


def find_mistakes(request: Request, settings: Settings) -> Findings:
    """Samples that the owner gets wrong, in random order; mixed ones where they are too few.

    Raises:
        FingerprintError: Fewer than 20 mistakes are found.
    """
    generator = torch.Generator().manual_seed(request.seed)
    points, truth = request.naturals()
    order = torch.randperm(len(points), generator=generator).to(points.device)
    mistakes = _wrong(request, points[order], truth[order])[: request.count]
    natural = len(mistakes)
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
    count = settings.tries * request.count
    first, second = (
        torch.randint(len(points), (count,), generator=generator).to(points.device)
        for _ in range(2)
    )
    height, width = (max(1, round(settings.patch * side)) for side in points.shape[-2:])
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
