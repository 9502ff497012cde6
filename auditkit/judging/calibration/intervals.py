"""Exact confidence intervals for shares of models."""

from typing import NamedTuple

CONFIDENCE = 0.95


class Interval(NamedTuple):
    """An estimate with its confidence interval, all within 0..1."""

    value: float
    low: float
    high: float


def exact(count: int, total: int, confidence: float = CONFIDENCE) -> Interval:
    """Return `count / total` with its two-sided Clopper-Pearson interval.

    If `total` is 0, the value is NaN and the interval is 0..1.
    """
    # Imported here because scipy.stats is slow to import and most commands never need it.
    from scipy.stats import binomtest

    if not total:
        return Interval(float("nan"), 0.0, 1.0)
    interval = binomtest(count, total).proportion_ci(confidence, "exact")
    return Interval(count / total, float(interval.low), float(interval.high))


def upper_bound(count: int, total: int, confidence: float = CONFIDENCE) -> float:
    """Return the one-sided upper Clopper-Pearson bound of a share, 0..1.

    With count 0 among n it is `1 - (1 - confidence) ** (1 / n)`.
    """
    from scipy.stats import beta

    if count >= total:
        return 1.0
    return float(beta.ppf(confidence, count + 1, total - count))
