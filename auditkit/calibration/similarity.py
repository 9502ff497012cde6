"""How alike two models answer, point by point: what every calibrated score is made of.

On one point two models are alike by the mean of what DeepCore's two similarities compare: 1 where
they give the same label, and the cosine of their centred log-probabilities. Where labels alone are
revealed the first is all there is. DeepCore compares a suspect with the owner only; here any two
models are compared, so that a suspect can be weighed against every reference model.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from auditkit.answers import answers_of
from auditkit.types import Access, Answers, Family, FloatArray, IntArray

Alike = NDArray[np.float64]
LEAST = 1e-7


class Replies:
    """One model's answers to all points in the order of asking, as far as an access level shows."""

    def __init__(self, labels: IntArray, scores: FloatArray | None) -> None:
        self.labels = labels  # (n,), -1 where there is no answer
        self.directions = None if scores is None else _directions(labels, scores)


def replies(
    answers: Mapping[str, Answers], families: Sequence[str], order: IntArray, access: Access
) -> Replies:
    """What a model of full answers would have shown at this level.

    Args:
        answers: By family; log-probabilities where the model revealed any.
        families: Which, in the bundle's order.
        order: (n,) the order of asking over all families' points in a row.
        access: The level; more than was revealed can't be shown.
    """
    shown = [degraded(answers[name], access) for name in families]
    labels = np.concatenate([part.labels for part in shown])[order]
    scores = [part.scores for part in shown if part.scores is not None]
    if access is Access.LABEL or len(scores) < len(shown):
        return Replies(labels, None)
    return Replies(labels, np.concatenate(scores)[order])


def degraded(answers: Answers, access: Access) -> Answers:
    """The same answers with no more access than that."""
    if answers.scores is None or access is Access.LABEL:
        return Answers(answers.labels)
    whole = np.exp(answers.scores.astype(np.float64)).astype(np.float32)
    whole[~answers.answered] = np.nan
    return answers_of(whole, Access.PROBABILITIES, min(access, Access.PROBABILITIES, key=_rank))


def owner_replies(families: Iterable[Family], order: IntArray, access: Access) -> Replies:
    """The owner's own."""
    whole = np.concatenate([family.outputs for family in families])
    answers = answers_of(whole[order], Access.LOGITS, min(access, Access.PROBABILITIES, key=_rank))
    return Replies(answers.labels, answers.scores)


def _rank(access: Access) -> int:
    return access.rank


def _directions(labels: IntArray, scores: FloatArray) -> FloatArray:
    """(n, classes) unit vectors of centred log-probabilities; 0 where there is no answer."""
    rows = np.maximum(scores, np.float32(np.log(LEAST)))
    rows = rows - rows.mean(axis=1, keepdims=True)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    result: FloatArray = np.where((labels >= 0)[:, None], rows, 0).astype(np.float32)
    return result


def alike(first: Sequence[Replies], second: Sequence[Replies], point: int) -> Alike:
    """(a, b) float64 in -1..1: how alike each of the first answers the point to each of the second.

    Models that did not answer the point are alike to nobody.
    """
    left, right = (np.array([one.labels[point] for one in side]) for side in (first, second))
    same = (left[:, None] == right) & (left[:, None] >= 0)
    if any(one.directions is None for one in (*first, *second)):
        labels_only: Alike = same.astype(np.float64)
        return labels_only
    rows = [np.stack([one.directions[point] for one in side if one.directions is not None])
            for side in (first, second)]  # fmt: skip
    cosines = rows[0].astype(np.float64) @ rows[1].astype(np.float64).T
    result: Alike = (same + cosines) / 2
    return result
