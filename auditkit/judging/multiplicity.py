"""P-values corrected for the number of suspects in one report."""

from collections.abc import Sequence

import numpy as np


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted by Holm (1979), in the given order.

    Accusing every suspect whose adjusted p-value is at most p makes a false accusation anywhere in
    the batch with probability at most p. Each adjusted value lies between the p-value and 1.
    """
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    stepped = np.maximum.accumulate(np.asarray(p_values)[order] * factors)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(stepped, 1)
    return [float(p) for p in adjusted]


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted by Benjamini and Hochberg (1995), in the given order.

    If every suspect whose adjusted p-value is at most p is accused, the expected share of false
    accusations among all accusations is at most p. This is valid for p-values that depend on each
    other positively, as those of suspects that are compared with the same twins do.
    """
    from scipy.stats import false_discovery_control

    return [float(p) for p in false_discovery_control(p_values)] if len(p_values) else []
