"""Natural points and mixtures on which what was taught by the owner follows it, and nobody else.

Distilled and extracted copies share none of the owner's weights, so they don't follow it to extreme
confidence. What they share is its opinion where natural inputs leave room for one: on hard samples,
and between two samples. Which of those tell can't be seen from the owner, and small nets that
learnt a few samples hardly know (docs/decisions/0007-lineage.md); it is measured on *shadow
models*: students of the owner, and independent models, students of others among them. What helped
to choose never prices a verdict.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from auditkit.core.arrays import BoolArray, FloatArray, IntArray
from auditkit.core.progress import Progress
from auditkit.owner.classifier import Owner, snapped
from auditkit.owner.samples import Samples

SHARES = (0.5, 0.7, 0.6)
"""Of the first sample in a mixture of two; after these, halves of two are put together."""


MOST = 20_000
"""Candidates."""


SCOUTS, SHORTLIST = 6, 4
"""Shadow models of each kind that are asked all candidates; the others are asked a fourth."""


EAGERNESS = 25.0
"""A model that the points so far tell by 0.1 less than another counts e^2.5 times as much."""


Way = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Shadow:
    """One model of known kind that can be asked."""

    student: bool
    """Of the owner; otherwise independent of it."""
    labels: Callable[[FloatArray], IntArray]
    """(n, *shape) float32 points of the owner's domain -> (n,) classes, -1 without an answer."""


def lineage_points(
    owner: Owner,
    samples: Samples,
    shadows: Sequence[Shadow],
    count: int,
    seed: int,
    progress: Progress,
) -> Tensor:
    """The candidates that together tell students from independent shadow models best.

    One after the other, each the one with the widest gap between the shares of students and of
    independent models that give the owner's label, where models count the more, the less the points
    so far tell them (as in boosting).

    Args:
        owner: Whose labels count.
        samples: What is mixed.
        shadows: At least one of each kind.
        count: How many points are wanted.
        seed: Of the pairs that are mixed.
        progress: Told after each shadow model.

    Returns:
        (count, *shape), or fewer where there are not so many, images on the 8-bit grid.
    """
    points = candidates(owner, samples, seed)
    own = owner.answers(points).argmax(1).cpu().numpy()
    turns = _in_turns(shadows)
    agreed = np.empty((0, len(points)), bool)
    for number, shadow in enumerate(turns):
        progress("asking shadow models", number, len(turns))
        if number == 2 * SCOUTS:
            kept = _widest(agreed, turns)[: max(count, len(points) // SHORTLIST)]
            points, own, agreed = points[kept], own[kept], agreed[:, kept]
        agreed = np.vstack([agreed, shadow.labels(points.cpu().numpy()) == own])
    return points[_telling(agreed, turns, count)]


def candidates(owner: Owner, samples: Samples, seed: int) -> Tensor:
    """(n, *shape) up to `MOST`: samples in random order, then mixtures of each with another."""
    generator = torch.Generator().manual_seed(seed)
    points = owner.tensor(samples.x)
    points = points[_shuffled(points, generator)][: MOST // 2]
    means: list[Way] = [partial(_mean, share=share) for share in SHARES]
    ways = itertools.islice(itertools.cycle([*means, _halved]), MOST // len(points) - 1)
    mixed = [way(points, points[_shuffled(points, generator)]) for way in ways]
    return snapped(torch.cat([points, *mixed]), owner.spec)


def _shuffled(points: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randperm(len(points), generator=generator).to(points.device)


def _mean(one: Tensor, other: Tensor, share: float) -> Tensor:
    return share * one + (1 - share) * other


def _halved(one: Tensor, other: Tensor) -> Tensor:
    """The first half along the last axis from one, the rest from the other."""
    half = one.shape[-1] // 2
    return torch.cat([one[..., :half], other[..., half:]], dim=-1)


def _in_turns(shadows: Sequence[Shadow]) -> list[Shadow]:
    """One of each kind after the other, so that the scouts are of both kinds."""
    kinds = ([s for s in shadows if s.student], [s for s in shadows if not s.student])
    return [
        shadow for pair in itertools.zip_longest(*kinds) for shadow in pair if shadow is not None
    ]


def _widest(agreed: BoolArray, shadows: Sequence[Shadow]) -> IntArray:
    """All columns, the one with the widest gap first."""
    students = np.array([shadow.student for shadow in shadows[: len(agreed)]])
    gaps = agreed[students].mean(axis=0) - agreed[~students].mean(axis=0)
    rows: IntArray = np.argsort(-gaps, kind="stable")
    return rows


def _telling(agreed: BoolArray, shadows: Sequence[Shadow], count: int) -> IntArray:
    """Columns in the order in which they are chosen."""
    signs = np.where([shadow.student for shadow in shadows], 1.0, -1.0)
    shares = np.zeros(len(shadows))
    chosen: list[int] = []
    for _ in range(min(count, agreed.shape[1])):
        weights = np.exp(-EAGERNESS * signs * shares / max(len(chosen), 1))
        for kind in (signs > 0, signs < 0):
            weights[kind] /= weights[kind].sum()
        gaps = (signs * weights) @ agreed
        gaps[chosen] = -np.inf
        chosen.append(int(gaps.argmax()))
        shares += agreed[:, chosen[-1]]
    return np.array(chosen, np.int64)
