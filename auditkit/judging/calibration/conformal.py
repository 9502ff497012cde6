"""Rank p-values against reference models, valid for any number of models and any score.

Assume that n reference models and an innocent suspect are exchangeable, and let L be the number of
references that score at least as high as the suspect. If the score was fixed without the
references, p = (1 + L) / (n + 1) is valid (Vovk, Gammerman, Shafer 2005; a permutation test). Here
the references also teach the score. So each reference is compared with the suspect by the score
learnt without that reference; it was learnt without the suspect too and can't favour either of the
two. The n + 1 models thus play a tournament, in which at most 2 k - 1 players lose at most k - 1
games (Barber, Candes, Ramdas, Tibshirani 2021, jackknife+, theorem 1). Hence
P(L <= k - 1) <= (2 k - 1) / (n + 1), and

    p = (1 + 2 L) / (n + 1)

is valid. For a suspect that beats every reference, both formulas give 1 / (n + 1), so learning on
the same references costs nothing there. Ties count against the claim.
"""

from typing import NamedTuple

from auditkit.judging.calibration.intervals import upper_bound

LEVELS = (0.001, 0.005, 0.01, 0.05, 0.1)
"""Significance levels in common use; a report names the smallest one that can be claimed."""


class Support(NamedTuple):
    """The claims that a number of reference models of one kind supports."""

    models: int
    floor: float
    """Smallest possible p-value: 1 / (n + 1)."""
    level: float | None
    """Smallest of `LEVELS` at which a claim is possible; None if even the largest is not."""
    bound_95: float
    """If no reference exceeds a bar, at most this share of such models does, with 95 % confidence.
    Unlike the p-value, it holds for the given references, not on average over sets of them."""
    bound_99: float
    """The same with 99 % confidence."""


def p_value(losses: int, models: int) -> float:
    """Return the p-value of losing to that many reference models, in (0, 1].

    It bounds how often a model of the references' kind would lose to as few of them.

    Args:
        losses: How many references the suspect does not beat, each by the score learnt without it.
        models: How many references of that kind there are.

    Raises:
        ValueError: `losses` is negative or larger than `models`.
    """
    if not 0 <= losses <= models:
        raise ValueError(f"losses must lie within 0..{models}, got {losses}")
    return min(1.0, (1 + 2 * losses) / (models + 1))


def floor(models: int) -> float:
    """Return the smallest p-value that a number of reference models supports."""
    return p_value(0, models)


def needed(level: float) -> int:
    """Return how many reference models a claim at this level needs: 99 for 1 %."""
    # 1 / 0.07 is no whole number, and rounding may have gone down.
    models = max(round(1 / level) - 1, 0)
    return models if floor(models) <= level + 1e-12 else models + 1


def support(models: int) -> Support:
    """Return which claims a number of reference models of one kind supports."""
    level = next((level for level in LEVELS if floor(models) <= level + 1e-12), None)
    return Support(
        models=models,
        floor=floor(models),
        level=level,
        bound_95=upper_bound(0, models, 0.95),
        bound_99=upper_bound(0, models, 0.99),
    )
