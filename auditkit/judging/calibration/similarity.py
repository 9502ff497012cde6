"""How alike two models answer each point: the kernel from which every calibrated score is learnt.

On one point the likeness of two models is the mean of the two things that DeepCore's similarities
compare: whether the labels are the same (1 or 0), and the cosine of the centred log-probabilities.
If only labels are revealed, it is the first alone. DeepCore compares a suspect with the owner only;
here any two models are compared, so that a score can learn from all reference models.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from auditkit.core.access import Access
from auditkit.core.answers import LEAST_PROBABILITY, Answers
from auditkit.core.arrays import DoubleArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Replies:
    """The answers of several models to all points, in the order of asking, at one access level."""

    labels: IntArray
    """(models, points) int64; -1 is no answer."""
    directions: FloatArray | None = None
    """(models, points, classes) centred log-probabilities scaled to unit length, 0 where there is
    no answer; None if only labels are used."""

    def __len__(self) -> int:
        return len(self.labels)


def replies(models: Sequence[Answers], access: Access) -> Replies:
    """Return the answers of several models as if each revealed no more than `access`.

    If one of them reveals labels without scores, labels are returned for all.
    """
    shown = [answers.capped(access) for answers in models]
    labels = np.stack([answers.labels for answers in shown])
    scores = [answers.scores for answers in shown if answers.scores is not None]
    if access is Access.LABEL or len(scores) < len(shown):
        return Replies(labels)
    return Replies(labels, _directions(labels, np.stack(scores)))


def _directions(labels: IntArray, scores: FloatArray) -> FloatArray:
    """Return unit vectors of centred log-probabilities, (models, points, classes) float32.

    Args:
        labels: (models, points); rows with -1 become 0.
        scores: (models, points, classes) log-probabilities.
    """
    rows = np.maximum(scores, np.float32(np.log(LEAST_PROBABILITY)))
    rows = rows - rows.mean(axis=-1, keepdims=True)
    rows /= np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)
    result: FloatArray = np.where((labels >= 0)[..., None], rows, 0).astype(np.float32)
    return result


def alike(first: Replies, second: Replies, point: int) -> DoubleArray:
    """Return the likeness of each of the first models to each of the second on one point.

    A model that did not answer the point has likeness 0 to every model.

    Args:
        first: Answers of a models.
        second: Answers of b models to the same points, at the same access level.
        point: The row of the point.

    Returns:
        (a, b) float64 in -1..1.
    """
    left, right = first.labels[:, point, None], second.labels[:, point]
    same: DoubleArray = ((left == right) & (left >= 0)).astype(np.float64)
    if first.directions is None or second.directions is None:
        return same
    # float64, because thousands of these are added up and the sum's inverse decides a verdict.
    rows = first.directions[:, point].astype(np.float64)
    return (same + rows @ second.directions[:, point].astype(np.float64).T) / 2
