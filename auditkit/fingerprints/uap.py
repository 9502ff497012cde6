"""UAP: samples with and without the owner's universal perturbation (Peng et al., CVPR 2022).

A single perturbation that misleads the owner on most samples follows its decision boundaries all
over the task, and it misleads a copy in the same way. Departures from the paper:

- The perturbation is found by signed gradient steps on batches of samples and is bounded in every
  element; the paper accumulates DeepFool steps.
- No encoder of responses is trained, because that takes tens of copies and independent models. The
  cosine of decision distances compares the responses instead, which is a weaker reading of the
  paper (docs/decisions/0004-benchmark.md).
- Points are spread over the owner's classes; the paper spreads them over clusters of features.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from auditkit.core.access import Access
from auditkit.core.errors import FingerprintError
from auditkit.core.points import FEWEST
from auditkit.fingerprints.base import Findings, Method, Need, Request
from auditkit.owner.ascent import Box, domain, margins, signed_step
from auditkit.owner.classifier import snapped

__all__ = ["uap"]


@dataclass(frozen=True, slots=True)
class Settings:
    """How the perturbation is found; our numbers, since the paper's belong to DeepFool."""

    eps: float = 0.2  # greatest change, as a share of the input range; 0.1 fools few grey images
    steps: int = 200  # gradient steps
    batch: int = 64  # samples in a step
    rate: float = 0.05  # length of a step, as a share of eps


def find_moved(request: Request, settings: Settings) -> Findings:
    """Make pairs of a sample and the same sample perturbed, one pair of each class in turns.

    The points are sample, perturbed, sample, perturbed, …, so an even number of them.

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
    """Add the change to samples, within the input range and on the 8-bit grid."""
    return snapped(domain(request.owner).clamp(samples + change), request.owner.spec)


def _universal(
    request: Request,
    settings: Settings,
    samples: Tensor,
    labels: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """Return (*shape): a change after which the owner gives few samples the label from before."""
    owner, box = request.owner, domain(request.owner)
    reach = settings.eps * box.span
    change = torch.zeros(samples.shape[1:], device=samples.device)

    def doubt(change: Tensor) -> Tensor:
        rows = torch.randint(len(samples), (settings.batch,), generator=generator)
        rows = rows.to(samples.device)
        return -_left(owner.scores(box.clamp(samples[rows] + change)), labels[rows])

    for step in range(settings.steps):
        if step % 20 == 0:
            request.progress("finding the universal perturbation", step, settings.steps)
        change = signed_step(doubt, change, settings.rate * reach, Box(-reach, reach))
    return change


def _left(scores: Tensor, labels: Tensor) -> Tensor:
    """Return the mean margin of the labels from before, each of at least -1."""
    # Without the floor, the samples that are misled already would pull the perturbation further
    # and further, at the cost of those that are not.
    return margins(scores, labels).clamp_min(-1).mean()


def _in_turns(labels: Tensor) -> Tensor:
    """Return row numbers: the first row of each class, then the second of each, and so on."""
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
