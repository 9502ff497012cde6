"""How well values separate copies from innocents, with what the numbers can carry.

Every figure is over models, never over points: points of one model hang together.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
CONFIDENCE = 0.95


class Interval(NamedTuple):
    """A share or an area with its 95 % interval, all 0..1."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """One owner's suspects under one score: higher means more like the owner."""

    pirated: Values
    homologous: Values
    names: tuple[str, ...]
    """Of the homologous models: owners share them, and so must a bootstrap's draws."""


def auc(pirated: Values, homologous: Values) -> float:
    """Chance that a random copy scores above a random innocent; ties count half."""
    return float(_wins(pirated, homologous).mean())


def _wins(pirated: Values, homologous: Values) -> Values:
    above = pirated[:, None] > homologous[None]
    level = pirated[:, None] == homologous[None]
    wins: Values = above + 0.5 * level
    return wins


def mean_auc(groups: list[Group], draws: int, seed: int) -> Interval:
    """The mean over owners, with a percentile bootstrap over models.

    Homologous models are drawn together for all owners, since most are suspects of each.
    """
    wins = [_wins(group.pirated, group.homologous) for group in groups]
    value = float(np.mean([one.mean() for one in wins]))
    rng = np.random.default_rng(seed)
    everyone = sorted({name for group in groups for name in group.names})
    places = {name: place for place, name in enumerate(everyone)}
    drawn = rng.multinomial(len(everyone), np.full(len(everyone), 1 / len(everyone)), draws)
    sums = np.zeros(draws)
    for group, one in zip(groups, wins, strict=True):
        innocent = drawn[:, [places[name] for name in group.names]].astype(float)
        stolen = rng.multinomial(len(one), np.full(len(one), 1 / len(one)), draws)
        total = np.maximum(innocent.sum(1), 1) * stolen.sum(1)
        sums += ((stolen @ one) * innocent).sum(1) / total
    low, high = np.quantile(sums / len(groups), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(value, min(value, float(low)), max(value, float(high)))


def threshold_at(homologous: Values, rate: float) -> float:
    """The lowest bar that at most this share of the innocents passes (strictly above counts)."""
    allowed = int(np.floor(rate * len(homologous) + 1e-9))
    return float(np.sort(homologous)[::-1][allowed]) if allowed < len(homologous) else -np.inf


def detected(groups: list[Group], rate: float) -> tuple[int, int]:
    """Copies above their owner's bar, and all copies."""
    found = sum(int((g.pirated > threshold_at(g.homologous, rate)).sum()) for g in groups)
    return found, sum(len(group.pirated) for group in groups)


def exact(count: int, total: int) -> Interval:
    """A share with its Clopper-Pearson interval."""
    from scipy.stats import binomtest

    if not total:
        return Interval(np.nan, 0.0, 1.0)
    interval = binomtest(count, total).proportion_ci(CONFIDENCE, "exact")
    return Interval(count / total, float(interval.low), float(interval.high))


def missed_and_false(groups: list[Group], repeats: int, seed: int) -> tuple[float, float]:
    """Rates of copies missed and innocents accused when a bar is set before they are seen.

    The bar is the highest value of a random half of the innocents; the other half and the copies
    are judged by it. Means over owners and repeats.
    """
    rng = np.random.default_rng(seed)
    missed, false = [], []
    for group in groups:
        half = len(group.homologous) // 2
        mixed = rng.permuted(np.tile(group.homologous, (repeats, 1)), axis=1)
        bars = mixed[:, :half].max(axis=1, initial=-np.inf, keepdims=True)
        missed.append(float((group.pirated <= bars).mean()))
        false.append(float((mixed[:, half:] > bars).mean()))
    return float(np.mean(missed)), float(np.mean(false))
