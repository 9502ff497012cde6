"""Exact intervals for shares of models."""

from typing import NamedTuple

CONFIDENCE = 0.95


class Interval(NamedTuple):
    """A share or an area with its interval, all 0..1."""

    value: float
    low: float
    high: float


def exact(count: int, total: int, confidence: float = CONFIDENCE) -> Interval:
    """A share with its two-sided Clopper-Pearson interval; NaN within 0..1 of nothing."""
    from scipy.stats import binomtest

    if not total:
        return Interval(float("nan"), 0.0, 1.0)
    interval = binomtest(count, total).proportion_ci(confidence, "exact")
    return Interval(count / total, float(interval.low), float(interval.high))


def upper_bound(count: int, total: int, confidence: float = CONFIDENCE) -> float:
    """One-sided Clopper-Pearson bound: the true share is at most this, 0..1.

    With no exceedance among n references it is `1 - (1 - confidence) ** (1 / n)`.
    """
    from scipy.stats import beta

    if count >= total:
        return 1.0
    return float(beta.ppf(confidence, count + 1, total - count))
