"""The score that reference models teach, fixed before any suspect is seen.

The score is a kernel ridge regression of a model's kind (1 derived, -1 independent; both kinds
weigh the same) on how alike it answers the reference models (`similarity`). Written out, a
suspect's score is a sum over points of a fixed worth for each possible answer; the regression
thereby also decides which points count and how families of points are balanced.

A suspect that is asked one by one is scored at fixed looks, each by a score of its own that was
learnt from the points so far. Scores at early looks are mostly chance. Therefore the distance from
independent models also counts plain agreement with the owner on core points there, in excess of the
references' usual agreement.

Cross-fitting: for each reference there is also a score learnt without it, and only by that score is
it compared with a suspect (`conformal` derives the p-values). All of these scores follow from one
matrix inverse: leaving out reference i changes the solution a of C a = y to
a - C^-1[:, i] a_i / C^-1[i, i].
"""

import math
from dataclasses import dataclass

import numpy as np

from auditkit.core.arrays import BoolArray, DoubleArray, IntArray
from auditkit.judging.calibration.regression import left_out
from auditkit.judging.calibration.similarity import Replies, alike

# Ridges of 0.3 to 30 times this were tried and found fewer students.
RIDGE = 1e-3
"""Ridge for many points, as a share of a model's likeness to itself."""
FEW = 60
"""Number of points at which the ridge is twice `RIDGE`; the fewer points, the noisier they are."""
# The looks are fixed, so that nobody can choose the moment at which a suspect looks worst.
FIRST, STEP, GROWTH = 10, 2, 1.1
"""The first look is after 10 points; each next one after 2 more or a tenth more, if later."""
# Every look adds a chance to come far by luck; with equal weights more looks would cost power.
SETTLING = 10
"""Early looks are weighted by sqrt(n / (n + SETTLING)), where n is the number of points so far."""
OWNER = 2.0
"""The owner's distance from independent models: its score is 1, theirs is -1."""
LEAST_WAY = 0.2
"""Least distance from an innocent to the owner that a clearance is divided by, so that an innocent
which answers almost like the owner does not make every small gap look wide."""
LEAST_ROOM = 1e-3
"""Least difference between full and usual agreement with the owner, so that none divides by 0."""
# Ten answers of 120 models teach a score little. With four fifths of plain agreement the median
# number of queries for modified copies fell from 93 to 18 (docs/decisions/0005-calibration.md).
PLAIN = 0.8
"""Share of plain agreement in the distance from independent models in a sequential audit."""


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """The learnt scores: for each look, one without each of n references and one with all."""

    models: Replies
    """The answers of the n references."""
    derived: BoolArray
    """(n,) whether each reference is derived from the owner."""
    looks: IntArray
    """(looks,) the number of points after which each look is taken, rising."""
    coefficients: DoubleArray
    """(looks, n, n + 1): column i is learnt without reference i, the last one with all."""
    constants: DoubleArray
    """(looks, n + 1): the intercepts that go with the coefficients."""
    own: DoubleArray
    """(looks, n): each reference's score by the column that was learnt without it."""
    owner: IntArray
    """(points,): the owner's labels where plain agreement with it counts, -1 elsewhere."""
    agreed: DoubleArray
    """(looks, n): each reference's share of agreement with `owner`, 0..1."""
    usual: DoubleArray
    """(looks, n): the mean share of agreement of the other homologous references, 0..1."""

    def of(self, suspects: Replies, asked: int) -> DoubleArray:
        """Return the suspects' scores at each look within the first `asked` points.

        Returns:
            (looks, suspects, n + 1): by the score learnt without each reference, then by the one
            learnt with all. About -1 for independent models and 1 for derived ones.
        """
        likeness = np.zeros((len(suspects), len(self.models)))
        scores, start = [], 0
        for number, look in enumerate(self.looks[self.looks <= asked]):
            for point in range(start, look):
                likeness += alike(suspects, self.models, point)
            weights, constants = self.coefficients[number], self.constants[number]
            scores.append(likeness / look @ weights + constants)
            start = look
        shape = (len(scores), len(suspects), len(self.derived) + 1)
        result: DoubleArray = np.array(scores).reshape(shape)
        return result

    def agreement(self, suspects: Replies, asked: int) -> DoubleArray:
        """Return the suspects' shares of agreement with the owner, (looks, suspects, 1), 0..1."""
        return _agreement(suspects, self.owner, self.looks[self.looks <= asked])[..., None]

    def from_homologous(self, scores: DoubleArray, agreement: DoubleArray) -> DoubleArray:
        """Return how far scores lie from those of independent models (homologous references).

        The distance has no unit: it is about 0 for independent models and about 2 for copies. It
        mixes the learnt score with plain agreement, of which more is usual on easier tasks.

        Args:
            scores: (looks, …, n): entry [k, …, i] is a model's score at the look number k, by the
                regression that was learnt without reference model i. A look is a number of points
                after which a suspect that is asked one by one is scored.
            agreement: Share of the points so far on which the model gives the owner's label, 0..1,
                in a shape that broadcasts against `scores`.

        Returns:
            (looks, …, n) distances.
        """
        learnt = 1 + scores
        if not (self.owner >= 0).any():
            return learnt
        usual = self.usual[: len(scores)].reshape(len(scores), *(1,) * (scores.ndim - 2), -1)
        plain = 2 * (agreement - usual) / np.maximum(1 - usual, LEAST_ROOM)
        result: DoubleArray = learnt + PLAIN * (plain - learnt)
        return result

    def weighed(self, distances: DoubleArray) -> DoubleArray:
        """Return (looks, …) distances at the first looks, each times sqrt(n / (n + SETTLING))."""
        looks = self.looks[: len(distances)].reshape(-1, *(1,) * (distances.ndim - 1))
        result: DoubleArray = distances * np.sqrt(looks / (looks + SETTLING))
        return result

    def furthest(self, scores: DoubleArray, agreement: DoubleArray) -> DoubleArray:
        """Return the largest weighted distance that models reached at any look.

        In the column of a homologous reference it is the distance from independent models, in that
        of a pirated one the distance from copies.

        Args:
            scores: (looks, …, n) scores at the first looks, by the score of each column.
            agreement: Shares of agreement with the owner, broadcast against `scores`.

        Returns:
            (…, n); -inf if there was no look yet.
        """
        # Ranking maxima keeps p-values valid however often one looks: the references' maxima are
        # taken over the same looks, so that stopping early costs no error.
        distances = np.where(self.derived, 1 - scores, self.from_homologous(scores, agreement))
        result: DoubleArray = self.weighed(distances).max(axis=0, initial=-np.inf)
        return result

    def own_furthest(self) -> DoubleArray:
        """Return `furthest` of the references, (n,), each by the score learnt without it."""
        return self.furthest(self.own, self.agreed)

    def clearance(self, reached: DoubleArray) -> DoubleArray:
        """Return (suspect - closest innocent) / (owner - closest innocent).

        It is negative if some homologous reference is closer to the owner than the suspect.

        Args:
            reached: (…, n) the suspects' `furthest`.

        Returns:
            (…), the smallest value over the homologous references.
        """
        # A share of the way that is left, not a distance: innocents come half of the way to some
        # owners and hardly any of it to others (docs/decisions/0005-calibration.md).
        own = self.own_furthest()[~self.derived]
        ways = np.maximum(OWNER - own, LEAST_WAY)
        result: DoubleArray = ((reached[..., ~self.derived] - own) / ways).min(axis=-1)
        return result


def look_schedule(points: int) -> IntArray:
    """Return the numbers of points after which a suspect is scored; the last one is `points`."""
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
) -> Score:
    """Learn the scores from at least two references of each kind.

    Args:
        models: The answers of the n references.
        derived: (n,) whether each reference is derived from the owner.
        looks: The numbers of points after which a suspect is scored, rising.
        owner: (points,) the owner's labels where plain agreement with it counts, -1 elsewhere.
    """
    count = len(derived)
    likeness, start = np.zeros((count, count)), 0
    coefficients = np.zeros((len(looks), count, count + 1))
    constants, own = np.empty((len(looks), count + 1)), np.empty((len(looks), count))
    for number, look in enumerate(looks):
        for point in range(start, look):
            likeness += alike(models, models, point)
        # The likeness is a mean over points, so that one ridge fits looks of any size.
        solved = left_out(likeness / look, derived, RIDGE * (1 + FEW / look))
        coefficients[number], constants[number] = solved[:-1], solved[-1]
        weights = coefficients[number, :, :count].T
        own[number] = (likeness / look * weights).sum(axis=1) + constants[number, :count]
        start = look
    agreed = _agreement(models, owner, looks)
    # A homologous reference is left out of its own usual agreement, as a suspect is.
    others = np.where(derived, (~derived).sum(), (~derived).sum() - 1)
    usual = agreed[:, ~derived].sum(axis=1, keepdims=True) - np.where(derived, 0.0, agreed)
    return Score(
        models=models,
        derived=derived,
        looks=looks,
        coefficients=coefficients,
        constants=constants,
        own=own,
        owner=owner,
        agreed=agreed,
        usual=usual / others,
    )


def _agreement(models: Replies, owner: IntArray, looks: IntArray) -> DoubleArray:
    """Return each model's share of agreement with the owner at each look, (looks, models), 0..1.

    Only points with an owner's label count; the share is 0 as long as a look has none of them.
    """
    counted = np.cumsum(owner >= 0)[looks - 1]
    same = np.cumsum((models.labels == owner) & (owner >= 0), axis=1)[:, looks - 1]
    shares: DoubleArray = (same / np.maximum(counted, 1)).T
    return shares
