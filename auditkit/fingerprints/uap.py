"""Samples with and without the owner's universal perturbation (UAP; Peng et al., CVPR 2022).

One change of the input that misleads the owner on most samples shows where its boundaries run all
over the task; a copy is moved by it alike. Departures: the perturbation is found by gradient steps
on batches of samples, bounded in every element, where the paper accumulates DeepFool steps. No
encoder is trained: that takes tens of copies and independent models, so the cosine of decision
distances compares the responses in its place. The paper spreads points by clusters of features,
this file over the owner's classes.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from auditkit.core.access import Access
from auditkit.core.errors import FingerprintError
from auditkit.fingerprints.base import FEWEST, Findings, Method, Need, Request
from auditkit.owner.ascent import margins
from auditkit.owner.classifier import snapped

__all__ = ["uap"]


@dataclass(frozen=True, slots=True)
class Settings:
    """How the perturbation is found; ours, since the paper's come from DeepFool."""

    eps: float = 0.2  # greatest change, as a share of the input's range; 0.1 fools few grey images
    steps: int = 200
    batch: int = 64
    rate: float = 0.05  # of a step, as a share of eps


def find_moved(request: Request, settings: Settings) -> Findings:
    """Sample and sample with the perturbation in turns, one of each class at a time.

    Raises:
        FingerprintError: There are too few samples for 20 points.
    """
    generator = torch.Generator().manual_seed(request.seed)
    samples, _ = request.naturals()
    wanted = min(len(samples), request.count // 2)
    if 2 * wanted < FEWEST:
        raise FingerprintError(
            f"{len(samples)} samples give too few pairs (at least {FEWEST // 2} are needed); "
            "give more samples"
        )
    samples = samples[torch.randperm(len(samples), generator=generator).to(samples.device)]
    labels = request.owner.answers(samples).argmax(1)
    change = _universal(request, settings, samples, labels, generator)
    chosen = _in_turns(labels)[:wanted]
    points = torch.stack([samples[chosen], _moved(request, samples[chosen], change)], dim=1)
    answers = request.owner.answers(_moved(request, samples, change)).argmax(1)
    fooled = round(float((answers != labels).float().mean()), 4)
    return request.weighed_by_relations(points.flatten(0, 1), {"samples fooled": fooled})


def _moved(request: Request, samples: Tensor, change: Tensor) -> Tensor:
    """Samples with this change, kept within the input's range and on the 8-bit grid."""
    lower, upper = (request.owner.tensor(edge) for edge in request.owner.spec.bounds())
    return snapped(torch.clamp(samples + change, lower, upper), request.owner.spec)


def _universal(
    request: Request,
    settings: Settings,
    samples: Tensor,
    labels: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """(*shape): the change after which the owner's own label wins on as few samples as possible."""
    owner = request.owner
    lower, upper = (owner.tensor(edge) for edge in owner.spec.bounds())
    reach = settings.eps * (upper - lower)
    change = torch.zeros(samples.shape[1:], device=samples.device)
    for step in range(settings.steps):
        if step % 20 == 0:
            request.progress("finding the universal perturbation", step, settings.steps)
        rows = torch.randint(len(samples), (settings.batch,), generator=generator)
        rows = rows.to(samples.device)
        change.requires_grad_()
        scores = owner.scores(torch.clamp(samples[rows] + change, lower, upper))
        (slope,) = torch.autograd.grad(_left(scores, labels[rows]), change)
        moved = change.detach() - settings.rate * reach * slope.sign()
        change = torch.clamp(moved, -reach, reach)
    return change


def _left(scores: Tensor, labels: Tensor) -> Tensor:
    """Mean margin of the owner's label, as far as it still wins: who is fooled counts no more."""
    return margins(scores, labels).clamp_min(-1).mean()


def _in_turns(labels: Tensor) -> Tensor:
    """Rows in their order, one of each class at a time."""
    turn = torch.zeros_like(labels)
    for label in labels.unique():
        turn[labels == label] = torch.arange(int((labels == label).sum()), device=labels.device)
    return torch.argsort(turn, stable=True)


uap = Method(
    find_moved,
    Settings,
    "Peng, Li, Chen, Zhang, Zhu, Xue: Fingerprinting deep neural networks globally via universal "
    "adversarial perturbations (CVPR 2022), arXiv 2202.08602",
    needs=(Need.SAMPLES,),
    lead="decision_distance",
    access=Access.PROBABILITIES,
)
