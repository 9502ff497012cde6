"""Conferrable adversarial examples (CAE: Lukas, Zhang, Kerschbaum, ICLR 2021).

A sample is perturbed until extracted copies (surrogates) follow the owner to a wrong class and
independent models (references) don't. Departures: surrogates and references are auditkit's small
shadow models, not full trainings; the class to confer is the likeliest *other* than the owner's
first answer, since without that no sample left its class; instead of a threshold on conferrability
the best points are kept. The settings say what is taken from a re-implementation.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from auditkit.core.errors import FingerprintError
from auditkit.fingerprints.base import FEWEST, Findings, Method, Need, Request
from auditkit.owner.classifier import snapped
from auditkit.owner.standins import StandIn

__all__ = ["conferrable"]

BATCH = 64
"""Points perturbed together: what a processor's cache holds."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Bound and weights; shares are 0..1. "Theirs" is the TensorFlow re-implementation's."""

    eps: float = 0.15  # greatest change, as a share of the input range; theirs
    alpha: float = 3.0  # weight of conferrability; theirs is 1, with which half the samples stay
    beta: float = 1.0  # weight of leaving the owner's first answer; theirs
    gamma: float = 1.0  # weight of surrogates following the owner; theirs
    dropout: float = 0.3  # share of an ensemble left out of a step; the paper's
    steps: int = 50  # theirs is 100
    rate: float = 0.01  # Adam's, as a share of the range; theirs, 0.0005, doesn't reach the bound
    surplus: float = 1.25  # starts for each point wanted; ours


def find_conferrable(request: Request, settings: Settings) -> Findings:
    """Perturbed samples with another label than before, the most conferrable first.

    Raises:
        FingerprintError: The owner gets fewer than 20 samples right, so there are no starts.
    """
    starts = _starts(request, settings)
    if len(starts) < FEWEST:
        raise FingerprintError(
            f"the owner gets only {len(starts)} samples right (at least {FEWEST} are needed to "
            "start at); give more samples"
        )
    points = snapped(_perturbed(request, settings, starts), request.owner.spec)
    scores = request.owner.answers(points)
    flipped = scores.argmax(1) != request.owner.answers(starts).argmax(1)
    conferred = _conferrability(request, points, scores)
    best = torch.argsort(conferred + flipped, descending=True, stable=True)[: request.count]
    measured = {
        "flipped": int(flipped[best].sum()),
        "median conferrability": round(float(conferred[best].median()), 4),
        "surrogates": len(request.shadow_models().extracted),
        "references": len(request.shadow_models().independent),
    }
    return request.weighed_by_labels(points[best], measured)


def _starts(request: Request, settings: Settings) -> Tensor:
    """Samples that the owner gets right, in random order."""
    generator = torch.Generator().manual_seed(request.seed)
    points, truth = request.naturals()
    points = points[request.owner.answers(points).argmax(1) == truth]
    order = torch.randperm(len(points), generator=generator).to(points.device)
    return points[order[: math.ceil(settings.surplus * request.count)]]


def _perturbed(request: Request, settings: Settings, starts: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(request.seed)
    batches, perturbed = starts.split(BATCH), []
    for number, batch in enumerate(batches):
        perturbed.append(_batch_perturbed(request, settings, batch, generator))
        request.progress("perturbing samples", number + 1, len(batches))
    return torch.cat(perturbed)


def _batch_perturbed(
    request: Request, settings: Settings, starts: Tensor, generator: torch.Generator
) -> Tensor:
    owner, shadows = request.owner, request.shadow_models()
    lower, upper = (owner.tensor(edge) for edge in owner.spec.bounds())
    reach = settings.eps * (upper - lower)
    least, most = torch.maximum(starts - reach, lower), torch.minimum(starts + reach, upper)
    first = owner.answers(starts).softmax(1)
    points = starts.clone()
    shares = torch.zeros_like(starts)
    optimizer = torch.optim.Adam([shares], lr=settings.rate)
    for _ in range(settings.steps):
        points.requires_grad_()
        inputs = owner.inputs(points)
        surrogates = _mean(_left(shadows.extracted, settings.dropout, generator), inputs)
        references = _mean(_left(shadows.independent, settings.dropout, generator), inputs)
        loss = _loss(settings, first, owner.scores(points), surrogates, references)
        (slope,) = torch.autograd.grad(loss, points)
        shares.grad = slope * (upper - lower)
        optimizer.step()
        points = torch.minimum(torch.maximum(starts + shares * (upper - lower), least), most)
        shares.copy_((points - starts) / (upper - lower))
    return points


def _loss(
    settings: Settings, first: Tensor, scores: Tensor, surrogates: Tensor, references: Tensor
) -> Tensor:
    """Confer another class, leave the owner's first answer, let surrogates follow; summed."""
    logs = scores.log_softmax(1)
    conferred = surrogates * (1 - references)
    other = conferred.scatter(1, first.argmax(1, keepdim=True), 0.0).amax(1)
    return (
        settings.alpha * -_log(other).sum()
        + settings.beta * (first * logs).sum()
        - settings.gamma * (logs.exp() * _log(surrogates)).sum()
    )


def _log(shares: Tensor) -> Tensor:
    return (shares + 1e-7).log()


def _mean(nets: Sequence[StandIn], inputs: Tensor) -> Tensor:
    """(n, classes) mean probabilities."""
    return torch.stack([functional.softmax(net.scores(inputs), 1) for net in nets]).mean(0)


def _left(nets: Sequence[StandIn], dropout: float, generator: torch.Generator) -> Sequence[StandIn]:
    """Those that take part in a step: each with the same chance, but at least one."""
    order = torch.randperm(len(nets), generator=generator).tolist()
    kept = torch.rand(len(nets), generator=generator) >= dropout
    return [nets[row] for row in order if kept[row]] or [nets[order[0]]]


@torch.no_grad()
def _conferrability(request: Request, points: Tensor, scores: Tensor) -> Tensor:
    """(n,) 0..1: what all surrogates give the owner's label, times what no reference does."""
    shadows, inputs = request.shadow_models(), request.owner.inputs(points)
    conferred = _mean(shadows.extracted, inputs) * (1 - _mean(shadows.independent, inputs))
    return conferred.gather(1, scores.argmax(1, keepdim=True))[:, 0]


conferrable = Method(
    find_conferrable,
    Settings,
    "Lukas, Zhang, Kerschbaum: Deep Neural Network Fingerprinting by Conferrable Adversarial "
    "Examples (ICLR 2021), arXiv 1912.00888",
    needs=(Need.SAMPLES, Need.LABELS, Need.SHADOWS),
)
