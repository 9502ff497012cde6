"""How well a score separates pirated from homologous models, with confidence intervals.

The unit is the model, never the point: answers of one model to several points are dependent, and
intervals over points would be far too narrow.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from auditkit.core.arrays import DoubleArray

CONFIDENCE = 0.95
"""Of all intervals."""


class Interval(NamedTuple):
    """A rate or an AUC with its 95 % confidence interval; all three lie in 0..1."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Values of one owner's suspects by one score; a higher value means more like the owner."""

    pirated: DoubleArray
    homologous: DoubleArray
    names: tuple[str, ...]
    """Names of the homologous models, in the order of `homologous`."""


@dataclass(frozen=True, slots=True)
class Detection:
    """How many copies a threshold finds."""

    found: int
    copies: int


@dataclass(frozen=True, slots=True)
class ErrorRates:
    """Error rates of a threshold that was set before the models were seen, 0..1."""

    missed: float
    """Missed identification rate: share of copies at or below the threshold."""
    false: float
    """False identification rate: share of innocents above it."""


def auc(pirated: DoubleArray, homologous: DoubleArray) -> float:
    """Probability that a random copy scores above a random innocent; ties count half.

    This is the Mann-Whitney U statistic divided by the number of pairs.
    """
    return float(_wins(pirated, homologous).mean())


def _wins(pirated: DoubleArray, homologous: DoubleArray) -> DoubleArray:
    above = pirated[:, None] > homologous[None]
    level = pirated[:, None] == homologous[None]
    wins: DoubleArray = above + 0.5 * level
    return wins


def mean_auc(groups: list[Group], draws: int, seed: int) -> Interval:
    """AUC as mean over owners, with a percentile bootstrap interval over models.

    Args:
        groups: One for each owner.
        draws: Number of bootstrap samples.
        seed: Of the samples.
    """
    # The bootstrap draws homologous models once for all owners, because most of them are suspects
    # of every owner. Drawn for each owner apart, they would count as so many more models, and the
    # interval would be too narrow. Copies belong to one owner each.
    wins = [_wins(group.pirated, group.homologous) for group in groups]
    value = float(np.mean([one.mean() for one in wins]))
    rng = np.random.default_rng(seed)
    everyone = sorted({name for group in groups for name in group.names})
    places = {name: place for place, name in enumerate(everyone)}
    # Drawing n of n models with replacement is the same as drawing how often each occurs.
    drawn = rng.multinomial(len(everyone), np.full(len(everyone), 1 / len(everyone)), draws)
    sums = np.zeros(draws)
    for group, one in zip(groups, wins, strict=True):
        innocent = drawn[:, [places[name] for name in group.names]].astype(float)
        stolen = rng.multinomial(len(one), np.full(len(one), 1 / len(one)), draws)
        # An owner with few innocents may get none of them in a sample.
        total = np.maximum(innocent.sum(1), 1) * stolen.sum(1)
        sums += ((stolen @ one) * innocent).sum(1) / total
    # The interval always holds the estimate, which the percentiles of few models may not.
    low, high = np.quantile(sums / len(groups), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(value, min(value, float(low)), max(value, float(high)))


def threshold_at(homologous: DoubleArray, rate: float) -> float:
    """The lowest threshold that at most a share `rate` of the innocents exceeds.

    Only values strictly above a threshold count as found; -inf if all innocents may exceed it.
    """
    # Without the margin, 0.29 * 100 = 28.999999999999996 would allow 28 instead of 29.
    allowed = int(np.floor(rate * len(homologous) + 1e-9))
    return float(np.sort(homologous)[::-1][allowed]) if allowed < len(homologous) else -np.inf


def detected(groups: list[Group], rate: float) -> Detection:
    """Count the copies above their owner's threshold at a false positive rate of `rate`."""
    # Each owner has its own threshold, since values of different owners are on different scales.
    found = sum(int((g.pirated > threshold_at(g.homologous, rate)).sum()) for g in groups)
    return Detection(found, sum(len(group.pirated) for group in groups))


def exact(count: int, total: int) -> Interval:
    """The rate `count` / `total` with its exact (Clopper-Pearson) interval; NaN if `total` is 0."""
    from scipy.stats import binomtest  # scipy.stats takes long to load

    if not total:
        return Interval(np.nan, 0.0, 1.0)
    interval = binomtest(count, total).proportion_ci(CONFIDENCE, "exact")
    return Interval(count / total, float(interval.low), float(interval.high))


def missed_and_false(groups: list[Group], repeats: int, seed: int) -> ErrorRates:
    """Error rates of a threshold that is set on other innocents than those it is tested on.

    The threshold is the highest value of a random half of the innocents, as an auditor with that
    many reference models would set it. The other half and all copies are tested.

    Args:
        groups: One for each owner.
        repeats: Number of random halves for each owner.
        seed: Of the halves.

    Returns:
        Means over owners and repeats.
    """
    rng = np.random.default_rng(seed)
    missed, false = [], []
    for group in groups:
        half = len(group.homologous) // 2
        mixed = rng.permuted(np.tile(group.homologous, (repeats, 1)), axis=1)
        bars = mixed[:, :half].max(axis=1, initial=-np.inf, keepdims=True)
        missed.append(float((group.pirated <= bars).mean()))
        false.append(float((mixed[:, half:] > bars).mean()))
    return ErrorRates(float(np.mean(missed)), float(np.mean(false)))
