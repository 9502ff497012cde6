"""What one model said to a sheet's points, using no more than an access level shows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from auditkit.core.access import DECIMALS, TOP_K, Access, as_shares, usable
from auditkit.core.arrays import BoolArray, FloatArray, IntArray, Rows, frozen
from auditkit.core.errors import QueryError

LEAST_PROBABILITY = 1e-7
"""APIs round below this, so smaller probabilities tell nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """One column: what one model said, a row for each point of a sheet, in its order."""

    labels: IntArray  # (n,): classes, -1 where there was no usable answer
    scores: FloatArray | None = None  # (n, classes): log-probabilities; None for labels only
    access: Access = Access.LABEL
    """What the model revealed, or what of that is used."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", frozen(self.labels, np.int64))
        if self.labels.ndim != 1:
            raise ValueError(f"labels must be (n,), got {self.labels.shape}")
        if self.scores is None:
            return
        object.__setattr__(self, "scores", frozen(self.scores, np.float32))
        if self.scores.ndim != 2 or len(self.scores) != len(self.labels):
            raise ValueError(
                f"scores must be ({len(self.labels)}, classes), got {self.scores.shape}"
            )
        if not np.isfinite(self.scores[self.answered]).all():
            raise ValueError("scores of answered points must be finite")

    @property
    def answered(self) -> BoolArray:
        """(n,) bool: which points got a usable answer."""
        return self.labels >= 0

    @property
    def classes(self) -> int | None:
        """The number of classes that the scores are for; None where there are labels only."""
        return None if self.scores is None else self.scores.shape[1]

    def at(self, rows: BoolArray | IntArray) -> "Answers":
        """Return the answers to some of the points.

        Args:
            rows: A mask of all points, such as a family's, or rows in the wanted order.
        """
        scores = None if self.scores is None else self.scores[rows]
        return Answers(self.labels[rows], scores, self.access)

    def first(self, count: int) -> "Answers":
        """Return the answers with all but the first `count` points unanswered."""
        asked = np.arange(len(self.labels)) < count
        scores = self.scores
        if scores is not None:
            scores = np.where(asked[:, None], scores, np.float32(np.nan))
        return Answers(np.where(asked, self.labels, -1), scores, self.access)

    def capped(self, access: Access) -> "Answers":
        """Return what would be left of these answers if no more than `access` were revealed."""
        if self.scores is None or access.rank >= self.access.rank:
            return self
        if access is Access.LABEL:
            return Answers(self.labels)
        rows, scores = self.answered, np.full(self.scores.shape, np.nan, np.float32)
        scores[rows] = _shown(self.scores[rows], access)
        labels = np.full(len(rows), -1, np.int64)
        labels[rows] = scores[rows].argmax(axis=1)  # rounding makes ties, and they would be seen
        return Answers(labels, scores, access)

    def relabelled(self, owners: IntArray) -> "Answers":
        """Return the same answers in the owner's class order.

        Args:
            owners: (classes,) the owner's class of each of this model's.
        """
        labels = np.where(self.answered, owners[self.labels], -1)
        if self.scores is None:
            return Answers(labels)
        scores = np.empty_like(self.scores)
        scores[:, owners] = self.scores
        return Answers(labels, scores, self.access)


def joined(replies: Sequence[Rows]) -> Rows:
    """Join the replies to consecutive batches.

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


def answers_of(whole: Rows, revealed: Access, used: Access) -> Answers:
    """Turn checked replies into a column of answers; a row that is not usable counts as unanswered.

    Args:
        whole: (n, classes) scores or (n,) labels.
        revealed: What these replies reveal.
        used: No more than this is used of them; not above `revealed`.
    """
    whole, rows = as_shares(whole), usable(whole)
    if whole.ndim == 1:
        return Answers(np.where(rows, whole, -1))
    labels = np.full(len(whole), -1, np.int64)
    if used is Access.ROUNDED and revealed is not Access.ROUNDED:
        shown = whole.copy()  # labels come from it too: rounding makes ties, and they are seen
        shown[rows] = _rounded(whole[rows], revealed)
        whole, revealed = shown, Access.ROUNDED
    labels[rows] = whole[rows].argmax(axis=1)
    if used is Access.LABEL:
        return Answers(labels)
    scores = np.full(whole.shape, np.nan, np.float32)
    scores[rows] = _log_probabilities(whole[rows], revealed)
    if used is Access.TOP_K:
        scores[rows] = _top_only(scores[rows])
    return Answers(labels, scores, used)


def _rounded(whole: Rows, revealed: Access) -> FloatArray:
    shown = np.exp(_log_probabilities(whole, revealed)) if revealed is Access.LOGITS else whole
    return _to_digits(shown)


def _to_digits(shares: FloatArray) -> FloatArray:
    rounded: FloatArray = np.round(shares, DECIMALS).astype(np.float32)
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


def _shown(scores: FloatArray, access: Access) -> FloatArray:
    """Return what a lower access level would show of (n, classes) log-probabilities."""
    if access is Access.ROUNDED:
        return _log_probabilities(_to_digits(np.exp(scores)), Access.PROBABILITIES)
    return _top_only(scores) if access is Access.TOP_K else scores


def _top_only(rows: FloatArray) -> FloatArray:
    """Keep the three best classes of each row and spread the remaining probability evenly."""
    count = rows.shape[1]
    if count <= TOP_K:
        return rows
    best = np.argsort(-rows, axis=1, kind="stable")[:, :TOP_K]
    top = np.take_along_axis(rows, best, axis=1)
    rest = np.maximum(1 - np.exp(top).sum(axis=1, keepdims=True), LEAST_PROBABILITY)
    result = np.broadcast_to(np.log(rest / (count - TOP_K)), rows.shape).copy()
    np.put_along_axis(result, best, top, axis=1)
    return result.astype(np.float32)
