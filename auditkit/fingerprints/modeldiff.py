"""ModelDiff: samples and their adversarial twins (Li et al., ISSTA 2021).

The answers of a copy change from sample to twin by as much as the owner's do, whatever its classes
are. Departures from the paper:

- Twins are made by projected gradient descent, as in QuRD (Godinot et al., AAAI 2025); the paper
  offers that beside a black-box search for diverse outputs.
- The descent is on the owner's margin, which has a slope even where the owner is very confident.
- More samples are tried than wanted, and pairs come first whose twin changes the owner's answer.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from auditkit.core.access import Access
from auditkit.core.errors import FingerprintError
from auditkit.core.points import FEWEST
from auditkit.fingerprints.base import Findings, Method, Need, Request
from auditkit.owner.ascent import domain, margins, signed_step
from auditkit.owner.batches import BATCH
from auditkit.owner.classifier import Owner, snapped

__all__ = ["modeldiff"]


@dataclass(frozen=True, slots=True)
class Settings:
    """How twins are made."""

    eps: float = 0.03  # greatest change, as a share of the input range; QuRD's
    steps: int = 10  # gradient steps; our choice
    # Length of all steps together, in multiples of eps. 2 leads from one edge of the allowed
    # change to the other, and twins start at a random place between them. Our choice.
    path_length: float = 2.5
    samples_per_pair: int = 4  # samples tried for each pair wanted; our choice


def find_pairs(request: Request, settings: Settings) -> Findings:
    """Find pairs of sample and twin; pairs come first that change the owner's answer.

    The points are sample, twin, sample, twin, …, so an even number of them.

    Raises:
        FingerprintError: There are too few samples for 20 points.
    """
    generator = torch.Generator().manual_seed(request.seed)
    samples, _ = request.naturals()
    wanted = request.count // 2
    order = torch.randperm(len(samples), generator=generator)[: settings.samples_per_pair * wanted]
    starts = samples[order.to(samples.device)]
    if 2 * min(len(starts), wanted) < FEWEST:
        raise FingerprintError(
            f"{len(samples)} samples give too few pairs (at least {FEWEST // 2} are needed); "
            "give more samples"
        )
    twins = torch.cat(
        [_twins(request.owner, batch, settings, generator) for batch in starts.split(BATCH)]
    )
    before, after = (request.owner.answers(points).argmax(1) for points in (starts, twins))
    moved = (before != after).int()
    chosen = torch.argsort(moved, descending=True, stable=True)[:wanted]
    points = torch.stack([starts[chosen], twins[chosen]], dim=1).flatten(0, 1)
    changed = round(float(moved[chosen].float().mean()), 4)
    return request.weighed_by_relations(points, {"twins that change the answer": changed})


def _twins(owner: Owner, starts: Tensor, settings: Settings, generator: torch.Generator) -> Tensor:
    """Return (n, *shape): points near the starts where the owner doubts its answer most."""
    whole = domain(owner)
    box = whole.near(starts, settings.eps)
    length = settings.path_length / settings.steps * (settings.eps * whole.span)
    labels = owner.answers(starts).argmax(1)
    # A random start within the allowed change, as is usual for projected gradient descent.
    noise = torch.rand(starts.shape, generator=generator).to(starts.device)
    points = box.lower + noise * box.span

    def doubt(points: Tensor) -> Tensor:
        return -margins(owner.scores(points), labels).sum()

    for _ in range(settings.steps):
        points = signed_step(doubt, points, length, box)
    return snapped(points, owner.spec)


modeldiff = Method(
    find_pairs,
    Settings,
    "Li, Zhang, Liu, Yang, Liu: ModelDiff (ISSTA 2021), arXiv 2106.08890",
    needs=(Need.SAMPLES,),
    # The distance between a pair's answers needs probabilities: labels only say 0 or 1.
    lead="decision_distance",
    access=Access.PROBABILITIES,
)
