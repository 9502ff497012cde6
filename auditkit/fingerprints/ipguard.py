"""IPGuard: points at the owner's decision boundary (Cao, Jia, Gong, AsiaCCS 2021).

A sample that the owner puts into class i is pushed towards another class j until j leads i by k,
while i stays ahead of all other classes. Departures from the paper:

- All points move in one batch, each with an Adam state of its own.
- i is the owner's label, whether that is correct or not.
- If there are fewer samples than points wanted, a sample is used again with another j.
- If too few points arrive, those that came closest fill up the rest.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from auditkit.core.errors import FingerprintError
from auditkit.core.points import FEWEST
from auditkit.fingerprints.base import Findings, Method, Need, Request
from auditkit.owner.ascent import domain
from auditkit.owner.classifier import snapped

__all__ = ["ipguard"]

LEAST, RANDOM = "least", "random"


@dataclass(frozen=True, slots=True)
class Settings:
    """The paper's numbers, as far as its re-implementations tell them."""

    # Lead of class j over class i in logits. DeepJudge and MetaFinger use 5, QuRD uses 10.
    k: float = 5.0
    # Adam's learning rate as a share of the input range. RemovalNet's; others use 0.001.
    rate: float = 0.01
    steps: int = 1000  # the paper's
    target: str = LEAST  # class j: the paper's least likely one, or a random one
    starts_per_point: float = 1.25  # more starts than points, since some don't arrive; our choice


@dataclass(frozen=True, slots=True, eq=False)
class _Starts:
    """Where points start, and between which classes they go.

    Attributes:
        points: (n, *shape) samples.
        sources: (n,) int64 the owner's labels.
        targets: (n,) int64 other classes.
    """

    points: Tensor
    sources: Tensor
    targets: Tensor


def find_boundary_points(request: Request, settings: Settings) -> Findings:
    """Find points between two classes.

    Points that arrived come first, in random order, then the others, closest first.

    Raises:
        FingerprintError: There are fewer than 20 samples to start at, or the target is unknown.
    """
    starts = _starts(request, settings)
    points = snapped(_walked(request, settings, starts), request.owner.spec)
    scores = request.owner.answers(points)
    # Rounding to 8 bits takes back a little of the lead, so a point that still lies beyond the
    # boundary counts as arrived even if its lead is less than k now.
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
    """Draw samples in random order, each with the class that it is pushed to."""
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
    # Classes from the least likely on; the source sorts last, with an infinite score, and is cut
    # off, so that a second round through the samples takes the second least likely class.
    others = scores.scatter(1, sources[:, None], math.inf).argsort(1)[:, :-1]
    wanted = math.ceil(settings.starts_per_point * request.count)
    rounds = min(math.ceil(wanted / len(points)), others.shape[1])
    return _Starts(
        points.repeat(rounds, *(1,) * (points.ndim - 1))[:wanted],
        sources.repeat(rounds)[:wanted],
        others[:, :rounds].T.flatten()[:wanted],
    )


def _walked(request: Request, settings: Settings, starts: _Starts) -> Tensor:
    """Return (n, *shape): each point where its loss first reached 0, or where its steps ended."""
    owner = request.owner
    box = domain(owner)
    # Adam works on shares of the range, so that one learning rate suits every element.
    reached = ((starts.points - box.lower) / box.span).clamp(0, 1)
    moving = reached.clone().requires_grad_()
    optimizer = torch.optim.Adam([moving], lr=settings.rate)
    alive = torch.arange(len(reached), device=reached.device)
    for step in range(settings.steps):
        if step % 20 == 0:
            request.progress("walking to the boundary", step, settings.steps)
        part = _Starts(starts.points[alive], starts.sources[alive], starts.targets[alive])
        scores = owner.scores(box.lower + moving[alive] * box.span)
        missing = _missing(scores, part, settings.k)
        (moving.grad,) = torch.autograd.grad(missing.sum(), moving)
        optimizer.step()
        moving.data.clamp_(0, 1)
        alive = alive[missing > 0]
        if not len(alive):
            break
        # Adam's momentum carries arrived points on; what counts is where they were when they
        # arrived, so only points that are still on the way are copied.
        reached[alive] = moving.detach()[alive]
    # Scaling back may overshoot the edges of the range by a rounding error.
    return box.clamp(box.lower + reached * box.span)


def _missing(scores: Tensor, starts: _Starts, k: float) -> Tensor:
    """Return (n,): the paper's loss, 0 where j leads i by k and i leads all other classes."""
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
