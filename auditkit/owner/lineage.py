"""Lineage points: samples and mixtures on which students of the owner agree with it.

Distilled and extracted copies share none of the owner's weights, so they don't agree with it where
its confidence is extreme. They share its answers where natural inputs are ambiguous: on hard
samples, and between two samples. The owner alone doesn't show which of those tell students from
independent models, and small nets that learnt a few samples hardly do either. So it is measured on
*shadow models*: students of the owner, and independent models, some of which are students of others
(docs/decisions/0007-lineage.md). Models that helped to choose points never price a verdict, because
points were chosen that make *them* look more innocent than other models.
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
"""Shares of the first sample in a mixture of two. After these kinds of mixtures comes one of two
halves, then the first kind again."""
MOST = 20_000
"""Greatest number of candidates. With 38,000 instead of 10,000 the gap to the closest independent
model was wider with one draw of shadow models and narrower with another (0007-lineage.md)."""
SCOUTS = 6
"""Shadow models of each kind that are asked all candidates. The same points come out as if all
models were asked everything, for half of the questions (0007-lineage.md)."""
SHORTLIST = 4
"""The models after the scouts are asked one in so many candidates: the most promising ones."""
EAGERNESS = 25.0
"""Boosting weight exp(-25 * margin): a shadow model gets more weight the worse the points chosen so
far tell it from the other kind. With plain gaps the closest independent shadow model shared 0.62 to
0.73 of the points, with these weights 0.22 to 0.35 (0007-lineage.md)."""

Way = Callable[[Tensor, Tensor], Tensor]
"""Mixes two batches of samples (n, *shape) one by one."""


@dataclass(frozen=True, slots=True)
class Shadow:
    """A shadow model that can be asked."""

    student: bool
    """Whether it learnt from the owner's answers; otherwise it is independent of the owner."""
    labels: Callable[[FloatArray], IntArray]
    """Maps points (n, *shape) float32 of the owner's domain to (n,) classes, -1 for no answer."""


def lineage_points(
    owner: Owner,
    samples: Samples,
    shadows: Sequence[Shadow],
    count: int,
    seed: int,
    progress: Progress,
) -> Tensor:
    """Choose the candidates that together tell students from independent shadow models best.

    Points are chosen one by one. Each is the candidate with the widest gap between the weighted
    shares of students and of independent models that give the owner's label. As in boosting, models
    that the points so far tell badly weigh most.

    Args:
        owner: The model whose labels are compared.
        samples: Samples that are candidates, and that are mixed to make more.
        shadows: At least one of each kind.
        count: Number of points wanted.
        seed: Fixes the pairs that are mixed.
        progress: Called before each shadow model is asked.

    Returns:
        (count, *shape) float32, or fewer if there are fewer candidates; images are on the 8-bit
        grid.
    """
    points = candidates(owner, samples, seed)
    own = owner.answers(points).argmax(1).cpu().numpy()
    turns = _in_turns(shadows)
    agreed = np.empty((0, len(points)), bool)
    for number, shadow in enumerate(turns):
        progress("asking shadow models", number, len(turns))
        if number == 2 * SCOUTS:
            # At least `count` of them, or there would be nothing left to choose.
            kept = _widest(agreed, turns)[: max(count, len(points) // SHORTLIST)]
            points, own, agreed = points[kept], own[kept], agreed[:, kept]
        agreed = np.vstack([agreed, shadow.labels(points.cpu().numpy()) == own])
    return points[_telling(agreed, turns, count)]


def candidates(owner: Owner, samples: Samples, seed: int) -> Tensor:
    """Return (n, *shape), n up to `MOST`: shuffled samples, then mixtures of each with another."""
    generator = torch.Generator().manual_seed(seed)
    points = owner.tensor(samples.x)
    # Of many samples at most half of the candidates, so that each is mixed at least once.
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
    """Take the first half along the last axis from one sample, the rest from the other."""
    half = one.shape[-1] // 2
    return torch.cat([one[..., :half], other[..., half:]], dim=-1)


def _in_turns(shadows: Sequence[Shadow]) -> list[Shadow]:
    """Alternate between the kinds, so that the scouts are of both."""
    kinds = ([s for s in shadows if s.student], [s for s in shadows if not s.student])
    return [
        shadow for pair in itertools.zip_longest(*kinds) for shadow in pair if shadow is not None
    ]


def _widest(agreed: BoolArray, shadows: Sequence[Shadow]) -> IntArray:
    """Return all columns of `agreed`, the one with the widest gap between the kinds first.

    Args:
        agreed: (models, candidates): where a model gives the owner's label.
        shadows: The models, in the order of the rows; there may be more of them.
    """
    students = np.array([shadow.student for shadow in shadows[: len(agreed)]])
    gaps = agreed[students].mean(axis=0) - agreed[~students].mean(axis=0)
    rows: IntArray = np.argsort(-gaps, kind="stable")
    return rows


def _telling(agreed: BoolArray, shadows: Sequence[Shadow], count: int) -> IntArray:
    """Return up to `count` columns of `agreed` (models, candidates), in the order of choice."""
    signs = np.where([shadow.student for shadow in shadows], 1.0, -1.0)
    shares = np.zeros(len(shadows))
    chosen: list[int] = []
    for _ in range(min(count, agreed.shape[1])):
        weights = np.exp(-EAGERNESS * signs * shares / max(len(chosen), 1))
        # Normalised within each kind, so that the kind with more models doesn't decide alone.
        for kind in (signs > 0, signs < 0):
            weights[kind] /= weights[kind].sum()
        gaps = (signs * weights) @ agreed
        gaps[chosen] = -np.inf  # a point tells nothing new the second time
        chosen.append(int(gaps.argmax()))
        shares += agreed[:, chosen[-1]]
    return np.array(chosen, np.int64)
