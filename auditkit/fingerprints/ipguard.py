"""Points at the decision boundary (IPGuard: Cao, Jia, Gong, AsiaCCS 2021).

A sample that the owner puts in class i is pushed towards another class j until j leads i by k, with
i still ahead of all others. Departures: all points move in one batch, each with its own Adam state;
i is the owner's label whether it is right or not; a sample is used again, with another j, where
samples are fewer than points; points that don't arrive fill up where too few do, closest first.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from auditkit.core.errors import FingerprintError
from auditkit.fingerprints.base import FEWEST, Findings, Method, Need, Request
from auditkit.owner.classifier import snapped

__all__ = ["ipguard"]

LEAST, RANDOM = "least", "random"


@dataclass(frozen=True, slots=True)
class Settings:
    """The paper's, as its re-implementations have them."""

    k: float = 5.0  # lead of j over i in logits; DeepJudge's, MetaFinger's and QuRD's 10
    rate: float = 0.01  # Adam's, as a share of the input range; RemovalNet's, others 0.001
    steps: int = 1000  # the paper's
    target: str = LEAST  # the paper's least likely class; or random
    surplus: float = 1.25  # starts for each point wanted


@dataclass(frozen=True, slots=True, eq=False)
class _Starts:
    """Where points come from and go to."""

    points: Tensor  # (n, *shape)
    sources: Tensor  # (n,) the owner's labels
    targets: Tensor  # (n,) never the same


def find_boundary_points(request: Request, settings: Settings) -> Findings:
    """Points between two classes: those that arrived in random order, then the closest others.

    Raises:
        FingerprintError: There are fewer than 20 samples to start at, or the target is unknown.
    """
    starts = _starts(request, settings)
    points = snapped(_walked(request, settings, starts), request.owner.spec)
    scores = request.owner.answers(points)
    arrived = _missing(scores, starts, 0.0) == 0
    missing = torch.where(arrived, 0.0, _missing(scores, starts, settings.k))
    best = torch.argsort(missing, stable=True)[: request.count]
    if len(best) < FEWEST:
        raise FingerprintError(
            f"there are only {len(best)} samples to start at (at least {FEWEST} are needed); "
            "give more samples"
        )
    lead = scores[best].topk(2, dim=1).values
    measured = {
        "arrived": int(arrived[best].sum()),
        "median lead": round(float((lead[:, 0] - lead[:, 1]).median()), 4),
    }
    return request.weighed_by_labels(points[best], measured)


def _starts(request: Request, settings: Settings) -> _Starts:
    """Samples in random order with the class that each is pushed to."""
    if settings.target not in (LEAST, RANDOM):
        raise FingerprintError(
            f"setting 'target' wants {LEAST} or {RANDOM}, got {settings.target!r}"
        )
    generator = torch.Generator().manual_seed(request.seed)
    points = request.naturals()[0]
    points = points[torch.randperm(len(points), generator=generator).to(points.device)]
    scores = request.owner.answers(points)
    sources = scores.argmax(1)
    if settings.target == RANDOM:
        scores = torch.rand(scores.shape, generator=generator).to(scores.device)
    others = scores.scatter(1, sources[:, None], math.inf).argsort(1)[:, :-1]
    wanted = math.ceil(settings.surplus * request.count)
    rounds = min(math.ceil(wanted / len(points)), others.shape[1])
    return _Starts(
        points.repeat(rounds, *(1,) * (points.ndim - 1))[:wanted],
        sources.repeat(rounds)[:wanted],
        others[:, :rounds].T.flatten()[:wanted],
    )


def _walked(request: Request, settings: Settings, starts: _Starts) -> Tensor:
    """Each point where its loss first reached 0, or where its steps ended."""
    owner = request.owner
    lower, upper = (owner.tensor(edge) for edge in owner.spec.bounds())
    reached = ((starts.points - lower) / (upper - lower)).clamp(0, 1)
    moving = reached.clone().requires_grad_()
    optimizer = torch.optim.Adam([moving], lr=settings.rate)
    alive = torch.arange(len(reached), device=reached.device)
    for step in range(settings.steps):
        if step % 20 == 0:
            request.progress("walking to the boundary", step, settings.steps)
        part = _Starts(starts.points[alive], starts.sources[alive], starts.targets[alive])
        scores = owner.scores(lower + moving[alive] * (upper - lower))
        missing = _missing(scores, part, settings.k)
        (moving.grad,) = torch.autograd.grad(missing.sum(), moving)
        optimizer.step()
        moving.data.clamp_(0, 1)
        alive = alive[missing > 0]
        if not len(alive):
            break
        reached[alive] = moving.detach()[alive]
    return torch.minimum(torch.maximum(lower + reached * (upper - lower), lower), upper)


def _missing(scores: Tensor, starts: _Starts, k: float) -> Tensor:
    """(n,) the paper's loss: 0 where the target leads the source by k and it leads the others."""
    source = scores.gather(1, starts.sources[:, None])[:, 0]
    target = scores.gather(1, starts.targets[:, None])[:, 0]
    both = torch.stack([starts.sources, starts.targets], 1)
    third = scores.scatter(1, both, -math.inf).amax(1)
    return (source - target + k).relu() + (third - source).relu()


ipguard = Method(
    find_boundary_points,
    Settings,
    "Cao, Jia, Gong: IPGuard (AsiaCCS 2021), arXiv 1910.12903",
    needs=(Need.SAMPLES,),
)
