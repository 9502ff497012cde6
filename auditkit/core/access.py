"""What a suspect's replies reveal.

An adapter is never trusted, so every reply is checked here before anything is computed from it.
"""

import enum

import numpy as np

from auditkit.core.arrays import BoolArray, DoubleArray, FloatArray, IntArray, Json, Rows
from auditkit.core.errors import ReplyError


class Access(enum.StrEnum):
    """What a suspect reveals, from least to most."""

    LABEL = "label"
    TOP_K = "top-k"
    ROUNDED = "rounded"
    """Probabilities of two decimals."""
    PROBABILITIES = "probabilities"
    LOGITS = "logits"

    @property
    def rank(self) -> int:
        """The level as a number: 0 for labels to 4 for logits; each contains the lower ones."""
        return list(Access).index(self)


LARGEST_CLASS = 2**31 - 1
"""No classifier has this many classes, so larger numbers are taken for garbage."""
TOP_K = 3
"""How many of the best classes an API of access `top-k` is taken to list: the commonest number."""
IMPOSSIBLE = 30.0
"""How far below the best a class at minus infinity is put: e to the -30 is no probability."""
WHOLES = (100, 255, 1000)
"""What probabilities sum to where they are written in percent, as bytes or per mille."""
# Outputs of 8 bits use most of their range; as logits they would make every answer certain.
QUANTISED = 100
"""Whole numbers that reach this size are scores on a scale of their own, not logits."""
NEAR = 0.1
"""Share of the whole that rounding may at most take from a row's sum, or add to it."""
DECIMALS = 2
"""Decimals of probabilities at access `rounded`: the fewest that still say more than the label."""


def checked(reply: Json, count: int) -> Rows:
    """Check that a reply is one row of scores, or one label, for each point asked.

    Args:
        reply: Whatever an adapter returned.
        count: How many points were asked.

    Returns:
        (count, classes) float32 scores or (count,) int64 labels.

    Raises:
        ReplyError: The reply is anything else.
    """
    try:
        array = np.asarray(reply)
    except ValueError as error:
        raise ReplyError("got rows of different lengths, wanted as many scores for each") from error
    array = squeezed(array, count)
    fits = array.ndim == 1 or (array.ndim == 2 and array.shape[1] > 1)
    if not fits or array.dtype.kind not in "iuf" or len(array) != count:
        raise ReplyError(
            f"wanted ({count}, classes) scores or ({count},) labels, "
            f"got {array.dtype} of shape {array.shape}"
        )
    if array.ndim == 2:
        # Doubles beyond float32 become infinite and are treated as unusable, like any infinity.
        with np.errstate(over="ignore"):
            return _without_impossible(array.astype(np.float32))
    return _classes(array)


def _without_impossible(scores: FloatArray) -> FloatArray:
    """Return (n, classes) scores with classes at minus infinity far below all others.

    Such a class is masked, or its probability was rounded to 0 before the logarithm was taken. The
    other scores of the row count as they are.
    """
    masked = np.isneginf(scores)
    if not masked.any():
        return scores
    finite = np.where(masked, np.float32(np.inf), scores)
    lowest = np.minimum(finite.min(axis=1), scores.max(axis=1) - IMPOSSIBLE)
    result: FloatArray = np.where(masked, lowest[:, None], scores).astype(np.float32)
    return result


def squeezed(array: Rows, count: int) -> Rows:
    """Drop the axes of size 1, other than the one that counts the points.

    Fully convolutional nets answer (b, classes, 1, 1), ArgMax keeps its axis unless it is told not
    to, and a model that is asked about one point may drop the axis that counts the points.

    Args:
        array: Of any shape.
        count: How many points were asked.
    """
    points_first = array.shape[:1] == (count,)
    sizes = [size for size in array.shape[int(points_first) :] if size != 1]
    return array.reshape([count, *sizes] if points_first or count == 1 else sizes)


def _classes(numbers: Rows) -> IntArray:
    """Return (n,) int64 labels, with -1 for numbers that can't be a class."""
    # Labels often arrive as floats (JSON, CSV), so whole floats count and others are an error.
    exact = numbers.astype(np.float64)
    possible = (exact >= 0) & (exact <= LARGEST_CLASS)
    if not np.array_equal(exact[possible], np.round(exact[possible])):
        raise ReplyError(
            "got one number a point that is no class; a score for each class is needed, "
            "a single sigmoid score is not enough"
        )
    return np.where(possible, exact, -1).astype(np.int64)


def from_best(labels: Rows, scores: Rows, classes: int) -> Rows:
    """Turn lists of the best classes into full rows, with the remaining probability spread evenly.

    Args:
        labels: (b, k) class numbers.
        scores: (b, k) their probabilities.
        classes: How many classes the owner knows.

    Returns:
        (b, classes) float32; (b,) the best class alone where the scores are no probabilities.

    Raises:
        ReplyError: A class is listed twice, or is none of the owner's.
    """
    labels = np.stack([_classes(column) for column in labels.T], axis=1)
    ordered = np.sort(labels, axis=1)
    if (labels < 0).any() or (ordered[:, 1:] == ordered[:, :-1]).any():
        raise ReplyError("the list of best classes names one twice, or one that can't be")
    if labels.max(initial=0) >= classes:
        raise ReplyError(
            f"label spaces differ: the suspect lists class {labels.max()}, the owner knows 0 to "
            f"{classes - 1}",
            final=True,
        )
    rows = scores.astype(np.float64)
    rest = 1 - rows.sum(axis=1)
    # APIs round what they list, so a sum a little above 1 is still a list of probabilities.
    if not ((rows >= 0).all() and (rows <= 1 + 1e-2).all() and (rest >= -2e-2).all()):
        best: IntArray = np.take_along_axis(labels, scores.argmax(axis=1)[:, None], axis=1)[:, 0]
        return np.where(np.isfinite(rows).all(axis=1), best, -1)
    left = max(classes - labels.shape[1], 1)
    result = np.repeat(np.maximum(rest, 0)[:, None] / left, classes, axis=1)
    np.put_along_axis(result, labels, rows, axis=1)
    return result.astype(np.float32)


def usable(whole: Rows) -> BoolArray:
    """Return (n,) bool: which rows of scores are finite, or which labels are classes."""
    return np.asarray(np.isfinite(whole).all(axis=-1) if whole.ndim == 2 else whole >= 0)


def as_shares(whole: Rows) -> Rows:
    """Return checked replies with probabilities in percent, per mille or bytes as shares of 1.

    All rows must say so: a row of logits may sum to 100 by chance, but not every one.

    Args:
        whole: (n, classes) scores or (n,) labels.
    """
    if whole.ndim == 1:
        return whole
    rows = whole[usable(whole)].astype(np.float64)
    if not len(rows) or (rows < 0).any() or float(rows[0].sum()) < (1 - NEAR) * WHOLES[0]:
        return whole
    sums = rows.sum(axis=1)
    for one in WHOLES:
        off = _rounding(rows, _digits(rows)) + 1e-2 * one
        if rows.max() <= one + 0.5 and np.abs(sums - one).max() <= min(off, NEAR * one):
            shares: FloatArray = (whole / np.float32(one)).astype(np.float32)
            return shares
    return whole


def access_of(whole: Rows) -> Access:
    """Return the access level of checked replies.

    One-hot rows, and rows of one decimal, reveal no more than a label. Nor do quantised scores,
    whose scale nobody knows, and sigmoids, which are no probabilities of one class among others.

    Args:
        whole: (n, classes) scores or (n,) labels, at least one of them usable.
    """
    if whole.ndim == 1:
        return Access.LABEL
    whole = as_shares(whole)
    rows = whole[usable(whole)].astype(np.float64)
    listed = _listed(rows)
    if listed is not None:
        return Access.TOP_K if listed >= TOP_K else Access.LABEL
    digits = _digits(rows)
    off = float(np.abs(rows.sum(axis=1) - 1).max())
    inside = bool((rows >= 0).all() and (rows <= 1 + 1e-2).all())
    if not inside or off > 1e-2 + _rounding(rows, digits):
        quantised = digits == 0 and float(np.abs(rows).max()) >= QUANTISED
        return Access.LABEL if inside or quantised else Access.LOGITS
    if digits in (0, 1):
        return Access.LABEL
    return Access.ROUNDED if digits == DECIMALS else Access.PROBABILITIES


def _digits(rows: DoubleArray) -> int | None:
    """Return the number of decimals that all numbers are rounded to; None if they are not."""
    return next((digits for digits in (0, 1, 2, 3, 4) if _has_digits(rows, digits)), None)


def _rounding(rows: DoubleArray, digits: int | None) -> float:
    """Return how far rounding may move the sum of a row: by half a digit for each class.

    One-hot rows (0 digits) of shares are exact.
    """
    if digits is None or (not digits and rows.max() <= 1):
        return 0.0
    return float(0.5 * rows.shape[1] / 10**digits)


def _listed(rows: DoubleArray) -> int | None:
    """Count the classes that are listed where all others share one filled-in probability.

    Returns:
        None where no such list is seen; 0 where the listed probabilities are rounded, since what
        another model would have listed is not rounded, so only the label is comparable.
    """
    inside = (rows >= 0).all() and (rows.sum(axis=1) <= 1 + 2e-2).all()
    same = np.isclose(rows, rows.min(axis=1, keepdims=True), rtol=1e-5, atol=1e-12)
    listed = int((~same).sum(axis=1).max())
    if not inside or rows.shape[1] < TOP_K + 2 or (same.sum(axis=1) < 2).any() or not listed:
        return None
    if _has_digits(rows, DECIMALS) and np.abs(rows.sum(axis=1) - 1).max() < 2e-2:
        # These rows are rounded and no list: small probabilities were rounded to the same 0.
        return None
    return 0 if _has_digits(np.where(same, 0, rows), DECIMALS + 1) else listed


def _has_digits(rows: DoubleArray, digits: int) -> bool:
    """Return whether no number has more than `digits` decimals.

    The first row is looked at first: most replies are told by it, and the whole takes long where
    there are a thousand classes.
    """
    return _is_whole(rows[:1] * 10**digits) and _is_whole(rows * 10**digits)


def _is_whole(scaled: DoubleArray) -> bool:
    return bool((np.abs(scaled - np.round(scaled)) < 1e-3).all())
