"""The registered score: learnt from the reference models, fixed before any suspect is seen.

Kernel ridge regression of the reference models' kind (1 derived, -1 independent) on how alike they
answer (`similarity`), both kinds counting the same. What a point is worth, which points are worth
nothing, and how families of points are weighed against each other all come out of that: a suspect's
score is the sum of a fixed worth for each answer it can give. Who is asked one by one is scored at
fixed looks, each by a score of its own that was learnt from the points so far. At early looks that
is mostly chance, so how far somebody is from independent models is then measured by plain agreement
with the owner on core points as well, beyond the references' usual agreement.

Cross-fitting: for each reference there is also the score that was learnt without it, and only by
that one is it compared with a suspect (`conformal` has the p-values). All of them follow from one
matrix inverse: leaving out reference i changes the solution a of C a = y to
a - C^-1[:, i] a_i / C^-1[i, i].

Shadow models, which helped to choose the points, teach all of these scores and are compared with
nobody. Students of the owner and modified copies of it differ from independent models on different
points, and one weighing of the points is a compromise: at p <= 1 % it found all modified copies or
the students, not both (docs/decisions/0007-lineage.md). So each sort of derived shadow models gives
a lesson of its own, beside all references and independent ones, and the highest score counts.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditkit.core.arrays import BoolArray, IntArray
from auditkit.judging.calibration.similarity import Replies, alike

Array = NDArray[np.float64]
RIDGE, FEW = 1e-3, 60
"""Ridge for all points, as a share of a model's likeness to itself; doubled at so many points."""
FIRST, STEP, GROWTH = 10, 2, 1.1
"""Looks: after so many points, then after 2 more or a tenth more, whichever is later."""
SETTLING = 10
"""Points after which a look counts 0.7 of one after all: early scores are mostly chance."""
OWNER, LEAST_WAY = 2.0, 0.2
"""How far the owner is from independent models, and the least that is left of that way."""
NONE = np.zeros(0, np.int64)
LEAST_ROOM = 1e-3
"""Least distance between the references' usual agreement and a copy's."""
PLAIN = 0.8
"""Share of plain agreement in the distance of who is asked one by one; 0 where all is asked."""


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """One score for each look and each reference left out."""

    models: Replies  # of m models: the n references, then the shadows
    derived: BoolArray  # (n,)
    looks: IntArray  # (looks,) after how many points
    coefficients: Array  # (lessons, looks, m, n + 1): column i learnt without i, the last with all
    constants: Array  # (lessons, looks, n + 1)
    own: Array  # (looks, n): each reference's score by what was learnt without it
    owner: IntArray  # (points,): its labels where plain agreement with it counts, -1 elsewhere
    agreed: Array  # (looks, n): each reference's share of agreement with them, 0..1
    usual: Array  # (looks, n): the mean of the other homologous references' shares

    def of(self, suspects: Replies, asked: int) -> Array:
        """(looks, suspects, n + 1): their scores at each look within the first points asked."""
        likeness = np.zeros((len(suspects), len(self.models)))
        scores, start = [], 0
        for number, look in enumerate(self.looks[self.looks <= asked]):
            for point in range(start, look):
                likeness += alike(suspects, self.models, point)
            weights, constants = self.coefficients[:, number], self.constants[:, number, None]
            scores.append((likeness / look @ weights + constants).max(axis=0))
            start = look
        shape = (len(scores), len(suspects), len(self.derived) + 1)
        result: Array = np.array(scores).reshape(shape)
        return result

    def agreement(self, suspects: Replies, asked: int) -> Array:
        """(looks, suspects, 1): their share of agreement with the owner, 0..1."""
        return _agreement(suspects, self.owner, self.looks[self.looks <= asked])[..., None]

    def from_homologous(self, scores: Array, agreement: Array) -> Array:
        """(looks, …, n): distances from independent models, about 0 for them and 2 for copies.

        Args:
            scores: (looks, …, n) at the first so many looks, by the score of each column.
            agreement: Shares of agreement with the owner that broadcast against them.
        """
        learnt = 1 + scores
        if not (self.owner >= 0).any():
            return learnt
        usual = self.usual[: len(scores)].reshape(len(scores), *(1,) * (scores.ndim - 2), -1)
        plain = 2 * (agreement - usual) / np.maximum(1 - usual, LEAST_ROOM)
        result: Array = learnt + PLAIN * (plain - learnt)
        return result

    def weighed(self, distances: Array) -> Array:
        """(looks, …): distances at the first so many looks, the early ones counting less."""
        looks = self.looks[: len(distances)].reshape(-1, *(1,) * (distances.ndim - 1))
        result: Array = distances * np.sqrt(looks / (looks + SETTLING))
        return result

    def furthest(self, scores: Array, agreement: Array) -> Array:
        """(…, n) how far models ever came from each column's kind towards the other.

        Args:
            scores: (looks, …, n) at the first so many looks, by the score of each column.
            agreement: Shares of agreement with the owner that broadcast against them.
        """
        distances = np.where(self.derived, 1 - scores, self.from_homologous(scores, agreement))
        result: Array = self.weighed(distances).max(axis=0, initial=-np.inf)
        return result

    def own_furthest(self) -> Array:
        """(n,) the references' own, each by what was learnt without it."""
        return self.furthest(self.own, self.agreed)

    def clearance(self, reached: Array) -> Array:
        """(…) how clear of the closest homologous reference models stand, negative within them.

        In shares of the way that is left from there to the owner: where innocents come close of
        themselves, little is left, and less makes the difference.

        Args:
            reached: (…, n) how far they ever came.
        """
        own = self.own_furthest()[~self.derived]
        ways = np.maximum(OWNER - own, LEAST_WAY)
        result: Array = ((reached[..., ~self.derived] - own) / ways).min(axis=-1)
        return result


def look_schedule(points: int) -> IntArray:
    """After how many points somebody who is asked one by one is scored."""
    looks, look = [], FIRST
    while look < points:
        looks.append(look)
        look = max(look + STEP, math.ceil(GROWTH * look))
    return np.array([*looks, points], np.int64)


def learn(
    models: Replies,
    derived: BoolArray,
    looks: IntArray,
    owner: IntArray,
    shadows: IntArray = NONE,
) -> Score:
    """Learn the scores from at least two references of each kind.

    Args:
        models: Of the n references, then of the shadow models.
        derived: (n,) which of the references are derived from the owner.
        looks: After how many points, rising.
        owner: (points,) its labels where plain agreement with it counts, -1 elsewhere.
        shadows: (m - n,) what the shadow models are: 0 independent, 1, 2, … sorts of derived ones.
    """
    size, count = len(models), len(derived)
    kinds, lessons = np.concatenate([derived, shadows > 0]), _lessons(count, shadows)
    likeness, start = np.zeros((size, size)), 0
    coefficients = np.zeros((len(lessons), len(looks), size, count + 1))
    constants, own = np.empty((len(lessons), len(looks), count + 1)), np.empty((len(looks), count))
    for number, look in enumerate(looks):
        for point in range(start, look):
            likeness += alike(models, models, point)
        for lesson, rows in enumerate(lessons):
            part = likeness[np.ix_(rows, rows)] / look
            solved = left_out(part, kinds[rows], RIDGE * (1 + FEW / look))[:, [*range(count), -1]]
            coefficients[lesson, number, rows], constants[lesson, number] = solved[:-1], solved[-1]
        weights = coefficients[:, number, :, :count].transpose(0, 2, 1)
        scores = (likeness[:count] / look * weights).sum(axis=2) + constants[:, number, :count]
        own[number] = scores.max(axis=0)
        start = look
    agreed = _agreement(models, owner, looks)[:, :count]
    others = np.where(derived, (~derived).sum(), (~derived).sum() - 1)
    usual = agreed[:, ~derived].sum(axis=1, keepdims=True) - np.where(derived, 0.0, agreed)
    return Score(
        models,
        derived,
        looks,
        coefficients,
        constants,
        own,
        owner,
        agreed,
        usual / others,
    )


def _lessons(count: int, shadows: IntArray) -> list[IntArray]:
    """Rows that learn together: the references, independent shadows, one sort of derived ones."""
    sorts = sorted(set(shadows.tolist()) - {0}) or [0]
    places = count + np.arange(len(shadows))
    return [np.append(np.arange(count), places[np.isin(shadows, [0, one])]) for one in sorts]


def _agreement(models: Replies, owner: IntArray, looks: IntArray) -> Array:
    """(looks, models): share of the points that count, within each look; 0 where none does."""
    counted = np.cumsum(owner >= 0)[looks - 1]
    same = np.cumsum((models.labels == owner) & (owner >= 0), axis=1)[:, looks - 1]
    shares: Array = (same / np.maximum(counted, 1)).T
    return shares


def left_out(likeness: Array, derived: BoolArray, ridge: float) -> Array:
    """(n + 1, n + 1) coefficients: column i without reference i, the last with all.

    The last row is the constant.

    Args:
        likeness: (n, n) symmetric, at most about 1.
        derived: (n,)
        ridge: Above 0.
    """
    kinds = np.array([(~derived).sum(), derived.sum()])
    count = kinds[derived.astype(int)]  # one kind counts as much as the other, however many
    system = np.ones((len(derived) + 1, len(derived) + 1))
    system[:-1, :-1] = likeness + np.diag(ridge * 2 * count)
    system[-1, -1] = 0  # the constant is free
    inverse = np.linalg.inv(system)
    whole = inverse @ np.append(np.where(derived, 1.0, -1.0), 0.0)
    without = whole[:, None] - inverse[:, :-1] * (whole[:-1] / np.diag(inverse)[:-1])
    result: Array = np.column_stack([without, whole])
    return result
