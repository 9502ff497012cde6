"""Samples and their adversarial twins (ModelDiff; Li et al., ISSTA 2021).

A copy is moved by the same twins by as much as the owner, whatever its classes are called.
Departures: twins are made by projected gradient descent as in QuRD (Godinot et al., AAAI 2025),
where the paper offers it beside a black-box search for diverse outputs; what descends is the
owner's margin, which has slopes also where the owner is quite sure; and more samples are tried than
wanted, so that pairs come first whose twin really changes the owner's answer.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from auditkit.core.access import Access
from auditkit.core.errors import FingerprintError
from auditkit.fingerprints.base import FEWEST, Findings, Method, Need, Request
from auditkit.owner.ascent import margins
from auditkit.owner.classifier import BATCH, Owner, snapped

__all__ = ["modeldiff"]


@dataclass(frozen=True, slots=True)
class Settings:
    """How twins are made."""

    eps: float = 0.03  # greatest change, as a share of the input's range (QuRD)
    steps: int = 10  # of gradient descent (ours)
    stride: float = 2.5  # length of all steps together, as a multiple of eps (ours)
    surplus: int = 4  # samples tried for each pair wanted (ours)


def find_pairs(request: Request, settings: Settings) -> Findings:
    """Sample and twin in turns; pairs that change the owner's answer first.

    Raises:
        FingerprintError: There are too few samples for 20 points.
    """
    generator = torch.Generator().manual_seed(request.seed)
    samples, _ = request.naturals()
    wanted = request.count // 2
    order = torch.randperm(len(samples), generator=generator)[: settings.surplus * wanted]
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
    """Points within eps of these, on which the owner's margin for its own answer is least."""
    lower, upper = (owner.tensor(edge) for edge in owner.spec.bounds())
    reach = settings.eps * (upper - lower)
    low, high = torch.maximum(starts - reach, lower), torch.minimum(starts + reach, upper)
    labels = owner.answers(starts).argmax(1)
    noise = torch.rand(starts.shape, generator=generator).to(starts.device)
    points = low + noise * (high - low)
    for _ in range(settings.steps):
        points.requires_grad_()
        (slope,) = torch.autograd.grad(margins(owner.scores(points), labels).sum(), points)
        step = settings.stride / settings.steps * reach * slope.sign()
        points = torch.clamp(points.detach() - step, low, high)
    return snapped(points, owner.spec)


modeldiff = Method(
    find_pairs,
    Settings,
    "Li, Zhang, Liu, Yang, Liu: ModelDiff (ISSTA 2021), arXiv 2106.08890",
    needs=(Need.SAMPLES,),
    lead="decision_distance",
    access=Access.PROBABILITIES,
)
