"""What one model said, using no more than an access level shows."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditkit.core.access import DECIMALS, TOP_K, Access, usable
from auditkit.core.arrays import BoolArray, FloatArray, IntArray, frozen
from auditkit.core.errors import QueryError


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What one model said about one family of points."""

    labels: IntArray  # (n,): classes, -1 where there was no usable answer
    scores: FloatArray | None = None  # (n, classes): log-probabilities; None for labels only

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", frozen(self.labels, np.int64))
        if self.labels.ndim != 1:
            raise ValueError(f"labels must be (n,), got {self.labels.shape}")
        if self.scores is not None:
            object.__setattr__(self, "scores", frozen(self.scores, np.float32))
            if self.scores.ndim != 2 or len(self.scores) != len(self.labels):
                raise ValueError(
                    f"scores must be ({len(self.labels)}, classes), got {self.scores.shape}"
                )
            if not np.isfinite(self.scores[self.answered]).all():
                raise ValueError("scores of answered points must be finite")

    @property
    def answered(self) -> BoolArray:
        """(n,) bool."""
        return self.labels >= 0


LEAST_PROBABILITY = 1e-7


def joined(replies: list[NDArray[Any]]) -> NDArray[Any]:
    """The replies to consecutive batches as one.

    Raises:
        QueryError: They differ in kind or in the number of classes, or hold no usable answer.
    """
    shapes = {reply.shape[1:] for reply in replies}
    if len(shapes) > 1:
        raise QueryError(f"the suspect answers now in one form, now in another: {sorted(shapes)}")
    whole = np.concatenate(replies)
    if not usable(whole).any():
        raise QueryError(f"none of {len(whole)} answers is finite (NaN, infinity or no class)")
    return whole


def answers_of(whole: NDArray[Any], revealed: Access, used: Access) -> Answers:
    """Labels, and log-probabilities as far as `used` allows; unusable rows are unanswered."""
    rows = usable(whole)
    if whole.ndim == 1:
        return Answers(np.where(rows, whole, -1))
    if used is Access.ROUNDED:
        whole = _rounded(whole, revealed)
        revealed = Access.PROBABILITIES
    labels = np.full(len(whole), -1, np.int64)
    labels[rows] = whole[rows].argmax(axis=1)
    if used is Access.LABEL:
        return Answers(labels)
    scores = np.full(whole.shape, np.nan, np.float32)
    scores[rows] = _log_probabilities(whole[rows], revealed)
    if used is Access.TOP_K:
        scores[rows] = _top_only(scores[rows])
    return Answers(labels, scores)


def _rounded(whole: FloatArray, revealed: Access) -> FloatArray:
    shown = np.exp(_log_probabilities(whole, revealed)) if revealed is Access.LOGITS else whole
    rounded: FloatArray = np.round(shown, DECIMALS)
    return rounded


def _log_probabilities(rows: FloatArray, revealed: Access) -> FloatArray:
    if revealed is Access.LOGITS:
        shifted = rows - rows.max(axis=1, keepdims=True)
        result: FloatArray = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        return result
    cut = np.maximum(rows, LEAST_PROBABILITY)
    if revealed is Access.TOP_K:  # what is left of 1 belongs to classes that are not listed
        unlisted: FloatArray = np.log(cut)
        return unlisted
    log: FloatArray = np.log(cut / cut.sum(axis=1, keepdims=True))
    return log


def _top_only(rows: FloatArray) -> FloatArray:
    """The three best classes as they are, the rest of the probability spread evenly."""
    count = rows.shape[1]
    if count <= TOP_K:
        return rows
    best = np.argsort(-rows, axis=1, kind="stable")[:, :TOP_K]
    top = np.take_along_axis(rows, best, axis=1)
    rest = np.maximum(1 - np.exp(top).sum(axis=1, keepdims=True), LEAST_PROBABILITY)
    result = np.broadcast_to(np.log(rest / (count - TOP_K)), rows.shape).copy()
    np.put_along_axis(result, best, top, axis=1)
    return result.astype(np.float32)
