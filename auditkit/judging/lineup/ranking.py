"""How far the owner stands out in a line-up: an exact rank, and a size.

If the suspect was made without the owner's model, the owner and its K twins are exchangeable to it.
For any likeness that treats all of them alike,

    p = (1 + number of twins that are at least as like the suspect) / (K + 1)

is an exact p-value, whatever the suspect's architecture, data or ancestor. Its smallest value is
1 / (K + 1). The size of the gap says more: z = (owner - mean of the twins) / (their standard
deviation * sqrt(1 + 1 / K)) has, for normal likenesses, Student's t distribution with K - 1 degrees
of freedom. That is an approximation: with skewed or heavy-tailed likenesses large gaps come more
often, with flat ones more rarely (`python -m experiments.lineup null`). Likenesses of real models
were seen to keep it (docs/decisions/0010-line-up.md).

The same idea: Zhu et al., Independence tests for language models (ICML 2025, arXiv 2502.12292);
Zhang et al. (SaTML 2025, arXiv 2409.19798).
"""

import numpy as np

from auditkit.core.arrays import DoubleArray


def standing(likeness: DoubleArray) -> DoubleArray:
    """Return z of each member among all the others, in any number of line-ups at once.

    Args:
        likeness: (…, n) of the suspect to the n members of a line-up, n >= 3.

    Returns:
        (…, n); 0 where all others are equal to the member, huge where they are equal among
        themselves alone.
    """
    others = likeness.shape[-1] - 1
    mean = (likeness.sum(axis=-1, keepdims=True) - likeness) / others
    squares = (likeness**2).sum(axis=-1, keepdims=True) - likeness**2
    variance = np.maximum(squares / others - mean**2, 0) * others / (others - 1)
    spread = np.sqrt(variance * (1 + 1 / others))
    # Below this, differences are rounding.
    least = 1e-9 * (1 + np.abs(likeness).max(axis=-1, keepdims=True))
    z: DoubleArray = (likeness - mean) / np.maximum(spread, least)
    return z


def rank_p(standings: DoubleArray) -> float:
    """Return the exact p-value of the first member's standing among the others', (0, 1].

    Ties count against the claim.
    """
    beaten_by = int((standings[1:] >= standings[0]).sum())
    return (1 + beaten_by) / len(standings)


def gap_p(z: float, twins: int, measures: int) -> float:
    """Return how often an innocent suspect would show so large a gap by any of several measures.

    Args:
        z: The largest standing of the owner over the measures.
        twins: K, the number of twins.
        measures: How many measures were looked at; their p-values are added up (Bonferroni).
    """
    from scipy.special import stdtr

    return min(1.0, measures * float(stdtr(twins - 1, -z)))
