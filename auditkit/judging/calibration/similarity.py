"""How alike two models answer, point by point: what every calibrated score is made of.

On one point two models are alike by the mean of what DeepCore's two similarities compare: 1 where
they give the same label, and the cosine of their centred log-probabilities. Where labels alone are
revealed the first is all there is. DeepCore compares a suspect with the owner only; here any two
models are compared, so that a suspect can be weighed against every reference model.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from auditkit.core.access import Access
from auditkit.core.answers import LEAST_PROBABILITY, Answers
from auditkit.core.arrays import DoubleArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Replies:
    """Answers of models to all points in the order of asking, as far as an access level shows."""

    labels: IntArray  # (models, points), -1 where there is no answer
    directions: FloatArray | None = None
    """(models, points, classes) unit vectors of centred log-probabilities; None for labels only."""

    def __len__(self) -> int:
        return len(self.labels)


def replies(models: Sequence[Answers], access: Access) -> Replies:
    """What models would have shown at this level; more than was revealed can't be shown."""
    shown = [answers.capped(access) for answers in models]
    labels = np.stack([answers.labels for answers in shown])
    scores = [answers.scores for answers in shown if answers.scores is not None]
    if access is Access.LABEL or len(scores) < len(shown):
        return Replies(labels)
    return Replies(labels, _directions(labels, np.stack(scores)))


def _directions(labels: IntArray, scores: FloatArray) -> FloatArray:
    """0 where there is no answer."""
    rows = np.maximum(scores, np.float32(np.log(LEAST_PROBABILITY)))
    rows = rows - rows.mean(axis=-1, keepdims=True)
    rows /= np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)
    result: FloatArray = np.where((labels >= 0)[..., None], rows, 0).astype(np.float32)
    return result


def alike(first: Replies, second: Replies, point: int) -> DoubleArray:
    """(a, b) float64 in -1..1: how alike each of the first answers the point to each of the second.

    Models that did not answer the point are alike to nobody.
    """
    left, right = first.labels[:, point, None], second.labels[:, point]
    same: DoubleArray = ((left == right) & (left >= 0)).astype(np.float64)
    if first.directions is None or second.directions is None:
        return same
    rows = first.directions[:, point].astype(np.float64)
    return (same + rows @ second.directions[:, point].astype(np.float64).T) / 2
