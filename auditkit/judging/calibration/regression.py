"""Kernel ridge regression of two kinds of models, with every model left out in turn."""

import numpy as np

from auditkit.core.arrays import BoolArray, DoubleArray


def left_out(likeness: DoubleArray, derived: BoolArray, ridge: float) -> DoubleArray:
    """Solve the kernel ridge regression with all models and without each of them.

    Args:
        likeness: (n, n) symmetric kernel matrix, at most about 1.
        derived: (n,) whether each model is derived from the owner.
        ridge: Above 0; a share of the likeness of a model to itself.

    Returns:
        (n + 1, n + 1) coefficients: column i is the solution without model i, the last column the
        one with all. The last row holds the intercepts.
    """
    kinds = np.array([(~derived).sum(), derived.sum()])
    # A ridge in proportion to the size of a model's kind makes both kinds count the same, whatever
    # their numbers: 99 innocents would otherwise outvote 20 copies.
    count = kinds[derived.astype(int)]
    system = np.ones((len(derived) + 1, len(derived) + 1))
    system[:-1, :-1] = likeness + np.diag(ridge * 2 * count)
    system[-1, -1] = 0  # the intercept is not penalised
    inverse = np.linalg.inv(system)
    whole = inverse @ np.append(np.where(derived, 1.0, -1.0), 0.0)
    without = whole[:, None] - inverse[:, :-1] * (whole[:-1] / np.diag(inverse)[:-1])
    result: DoubleArray = np.column_stack([without, whole])
    return result
