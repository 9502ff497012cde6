"""Rank p-values against reference models: valid for any number of models and any score.

Let n reference models and an innocent suspect be exchangeable. If the score was fixed without the
references, p = (1 + L) / (n + 1) with L the references that score at least as high as the suspect
(Vovk, Gammerman, Shafer 2005; a permutation test). Here the references also teach the score, so
each reference is compared with the suspect by the score that was learnt without it, and a score
learnt without both can't favour either: the n + 1 models play a tournament. In a tournament at most
2 k - 1 players lose at most k - 1 games (Barber, Candes, Ramdas, Tibshirani 2021, jackknife+,
theorem 1), hence P(L <= k - 1) <= (2 k - 1) / (n + 1), and

    p = (1 + 2 L) / (n + 1)

is valid. Where the suspect beats every reference the price of learning is nothing: p is the same
floor of 1 / (n + 1). Ties count against whoever makes the claim.
"""

from typing import NamedTuple

from auditkit.judging.calibration.intervals import upper_bound

LEVELS = (0.001, 0.005, 0.01, 0.05, 0.1)
"""Levels that people ask for."""


class Support(NamedTuple):
    """What a number of reference models can carry."""

    models: int
    floor: float
    """Smallest p-value there is: 1 / (n + 1)."""
    level: float | None
    """Smallest of `LEVELS` at which anything can be claimed; None below them all."""
    bound_95: float
    """Where no reference exceeds a bar: 95 % sure that at most this share of such models does."""
    bound_99: float


def p_value(losses: int, models: int) -> float:
    """(0, 1]: how often an exchangeable model loses to so few of the reference models.

    Args:
        losses: References that the suspect does not beat, by scores learnt without them.
        models: All references of that kind.

    Raises:
        ValueError: More losses than models, or less than none.
    """
    if not 0 <= losses <= models:
        raise ValueError(f"losses must lie within 0..{models}, got {losses}")
    return min(1.0, (1 + 2 * losses) / (models + 1))


def floor(models: int) -> float:
    """The smallest p-value that so many reference models support."""
    return p_value(0, models)


def needed(level: float) -> int:
    """How many reference models a claim at this level takes: 99 for 1 %."""
    models = max(round(1 / level) - 1, 0)
    return models if floor(models) <= level + 1e-12 else models + 1


def support(models: int) -> Support:
    """What so many reference models can carry."""
    level = next((level for level in LEVELS if floor(models) <= level + 1e-12), None)
    bounds = (upper_bound(0, models, confidence) for confidence in (0.95, 0.99))
    return Support(models, floor(models), level, *bounds)
