"""How alike two models answer, point by point: what every calibrated score is made of.

On one point two models are alike by the mean of what DeepCore's two similarities compare: 1 where
they give the same label, and the cosine of their centred log-probabilities. Where labels alone are
revealed the first is all there is. DeepCore compares a suspect with the owner only; here any two
models are compared, so that a suspect can be weighed against every reference model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditkit.core.access import Access
from auditkit.core.answers import Answers, answers_of
from auditkit.core.arrays import FloatArray, IntArray

Alike = NDArray[np.float64]
LEAST = 1e-7


@dataclass(frozen=True, slots=True, eq=False)
class Replies:
    """Answers of models to all points in the order of asking, as far as an access level shows."""

    labels: IntArray  # (models, points), -1 where there is no answer
    directions: FloatArray | None = None
    """(models, points, classes) unit vectors of centred log-probabilities; None for labels only."""

    def __len__(self) -> int:
        return len(self.labels)


def replies(
    models: Sequence[Mapping[str, Answers]],
    families: Sequence[str],
    order: IntArray,
    access: Access,
) -> Replies:
    """What models of full answers would have shown at this level.

    Args:
        models: Their answers by family; log-probabilities where they revealed any.
        families: Which, in the bundle's order.
        order: (n,) the order of asking over all families' points in a row.
        access: The level; more than was revealed can't be shown.
    """
    shown = [[degraded(answers[name], access) for name in families] for answers in models]
    labels = np.stack([np.concatenate([part.labels for part in parts])[order] for parts in shown])
    if access is Access.LABEL or any(part.scores is None for parts in shown for part in parts):
        return Replies(labels)
    scores = [np.concatenate([part.scores for part in parts])[order] for parts in shown]
    return Replies(labels, _directions(labels, np.stack(scores)))


def degraded(answers: Answers, access: Access) -> Answers:
    """The same answers with no more access than that."""
    if answers.scores is None or access is Access.LABEL:
        return Answers(answers.labels)
    whole = np.exp(answers.scores.astype(np.float64)).astype(np.float32)
    whole[~answers.answered] = np.nan
    return answers_of(whole, Access.PROBABILITIES, min(access, Access.PROBABILITIES, key=_rank))


def _rank(access: Access) -> int:
    return access.rank


def _directions(labels: IntArray, scores: FloatArray) -> FloatArray:
    """0 where there is no answer."""
    rows = np.maximum(scores, np.float32(np.log(LEAST)))
    rows = rows - rows.mean(axis=-1, keepdims=True)
    rows /= np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)
    result: FloatArray = np.where((labels >= 0)[..., None], rows, 0).astype(np.float32)
    return result


def alike(first: Replies, second: Replies, point: int) -> Alike:
    """(a, b) float64 in -1..1: how alike each of the first answers the point to each of the second.

    Models that did not answer the point are alike to nobody.
    """
    left, right = first.labels[:, point, None], second.labels[:, point]
    same: Alike = ((left == right) & (left >= 0)).astype(np.float64)
    if first.directions is None or second.directions is None:
        return same
    rows = first.directions[:, point].astype(np.float64)
    return (same + rows @ second.directions[:, point].astype(np.float64).T) / 2
