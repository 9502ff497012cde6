"""How likely it is that weights which were made independently are as alike as these.

The hidden channels of a network have no order of their own: training from independent random
numbers gives every order of them with the same probability. So the owner's network with the rows of
a hidden layer exchanged is as likely an owner as the real one, and if the suspect is independent of
it, the real one is no more alike than those (Zhu et al., Independence tests for language models,
ICML 2025). The share of exchanges that are at least as alike is an exact p-value, whatever the
suspect is. It stays one where drawing ends as soon as so many were at least as alike (Besag and
Clifford, Sequential Monte Carlo p-values, Biometrika, 1991).
"""

import functools
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from auditkit.core.arrays import FloatArray, IntArray
from auditkit.core.weights import Layer, Outline, Sketch, cosines, directions, in_shape, kept_rows

DRAWS = 9_999
"""Random orders of the rows that each tensor is compared in."""
BLOCK = 1_000
"""Orders that are tried at once."""
ENOUGH = 100
"""Orders at least as alike after which no more are drawn. The share is known to a tenth then, and
independent models reach it in the first block, nine times of ten."""
MOST_ROWS = 64
"""Rows that are compared of one tensor; more would take longer and tell the same."""
ROUNDING = 1e-5
"""Sums of the same 64 cosines differ by less in another order; what is as near counts as alike."""
FEWEST_ROWS = 8
"""A tensor of fewer rows has too few orders."""


def chance(suspect: Iterable[Layer], sketch: Sketch, classes: int, seed: int = 0) -> float:
    """Return the p-value of the weights' likeness, if the suspect was made without the owner's.

    Only rows and columns that are where the owner's are count: a copy whose channels were reordered
    or cut out is not seen here, but by its likeness, for which a line-up of twins gives the rank.
    It does not hold where the order of channels is no accident: if both models come from a common
    ancestor, or were trained by the same code from the same random seed. Nor for layers that were
    not initialised alike in all rows; heads of attention and groups of convolutions are only nearly
    exchangeable.

    Args:
        suspect: The suspect's layers, inputs first.
        sketch: The owner's.
        classes: The owner's number of classes. A tensor with as many rows may be the last, whose
            rows have an order, and is left out.
        seed: Fixes the random orders.

    Returns:
        At least 1 / (DRAWS + 1), at most 1; 1 where no tensor can be compared.
    """
    layers = tuple(suspect)
    found = [
        _p_value(pairs, seed)
        for outline in sketch.outlines
        if _is_hidden(outline, classes) and (pairs := [*_pairs(outline, layers, sketch.seed)])
    ]
    return _together(found)


def _is_hidden(outline: Outline, classes: int) -> bool:
    # Where a layer has as many inputs as outputs, these may be the same channels, as in a residual
    # stream. Exchanging its rows alone is then no exchange of channels.
    rows, columns = outline.shape
    is_last = rows == classes or (outline.inputs == columns == classes)
    return rows >= FEWEST_ROWS and rows != outline.inputs and not is_last


def _pairs(outline: Outline, layers: Sequence[Layer], seed: int) -> Iterator[FloatArray]:
    """Yield (rows, rows) cosines with each of the suspect's tensors of this shape."""
    # Exchanging a part of the rows is an exchange as well.
    kept = kept_rows(seed, outline.shape[0])[:MOST_ROWS]
    owner = outline.directions[:MOST_ROWS].astype(np.float32)
    for layer in layers:
        for one in in_shape(layer, outline.shape):
            if one.inputs == outline.inputs:
                yield cosines(owner, directions(one.rows[kept], seed))


def _p_value(pairs: Sequence[FloatArray], seed: int) -> float:
    """Return the share of orders of the rows in which the best pair is at least as alike.

    It is exact if no more than `ENOUGH` such orders are found, and else that of the first `ENOUGH`.
    """
    # The largest over the suspect's tensors is taken in every order alike, so that choosing among
    # them costs nothing.
    real = max(float(np.trace(pair.astype(np.float64))) for pair in pairs)
    places = _orders(len(pairs[0]), seed)
    # Taking from a flat array is three times as fast as indexing by rows and columns, and a product
    # with ones adds up twice as fast as a sum.
    flat = [np.ascontiguousarray(pair).reshape(-1) for pair in pairs]
    ones = np.ones(len(pairs[0]), np.float32)
    found = 0
    for start in range(0, DRAWS, BLOCK):
        block = places[start : start + BLOCK]
        sums = np.max([pair.take(block) @ ones for pair in flat], axis=0)
        alike = np.flatnonzero(sums >= real - ROUNDING)
        if found + len(alike) >= ENOUGH:
            return ENOUGH / (start + int(alike[ENOUGH - found - 1]) + 1)
        found += len(alike)
    return (found + 1) / (DRAWS + 1)


@functools.lru_cache(maxsize=4)
def _orders(rows: int, seed: int) -> IntArray:
    """Return (DRAWS, rows) places in a flat (rows, rows) array: one in each row and column."""
    # Tensors of as many rows share the orders: their p-values need not be independent.
    every = np.tile(np.arange(rows), (DRAWS, 1))
    orders: IntArray = np.random.default_rng(seed).permuted(every, axis=1)
    return orders * rows + np.arange(rows)


def _together(values: Sequence[float]) -> float:
    """Combine p-values of tensors.

    Residual connections tie the channels of several layers together, so their p-values are
    dependent in an unknown way. Hommel's combination (Biometrical Journal, 1983) is valid under
    any dependence: it is small where one value is very small or most are small.
    """
    if not values:
        return 1.0
    ranks = np.arange(1, len(values) + 1)
    factor = float((1 / ranks).sum() * len(values))
    return min(1.0, factor * float((np.sort(values) / ranks).min()))
