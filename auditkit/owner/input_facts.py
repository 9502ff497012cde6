"""What is known of the owner's input: from the user, from the model's file, or from the samples."""

from collections.abc import Mapping

import numpy as np

from auditkit.core.arrays import Json, Rows
from auditkit.core.errors import InputSpecError
from auditkit.core.points import InputSpec
from auditkit.core.requests import InputFacts

Range = tuple[tuple[float, ...], tuple[float, ...]]
"""Least and greatest values: of the whole input, or of each feature."""
Declared = dict[str, tuple[Json, ...]]
"""Numbers that a file declares of its input: shape, lower, upper, mean, std."""


def declared_numbers(facts: Mapping[str, Json]) -> Declared:
    """Return the numbers that a file declares of its input.

    Raises:
        InputSpecError: They are no numbers; somebody else wrote the file.
    """
    known = ("shape", "lower", "upper", "mean", "std")
    try:
        return {
            key: tuple(np.atleast_1d(np.asarray(facts[key], np.int64 if key == "shape" else float)))
            for key in known
            if key in facts
        }
    except (TypeError, ValueError) as error:
        raise InputSpecError(
            f"the file's own input facts must be numbers or lists of numbers, got {dict(facts)!r}"
        ) from error


def input_spec(
    shape: tuple[int, ...],
    bounds: Range,
    facts: InputFacts,
    declared: Declared,
) -> InputSpec:
    """Build the spec; mean and std are the user's if given, otherwise the file's.

    Raises:
        InputSpecError: Shape, range, mean and std don't fit together.
    """
    mean = facts.mean or declared.get("mean", ())
    std = facts.std or declared.get("std", ())
    try:
        return InputSpec(tuple(int(s) for s in shape), *bounds, _floats(mean), _floats(std))
    except ValueError as error:
        raise InputSpecError(
            f"{error}; see --input-shape, --input-range, --mean and --std"
        ) from error


def _floats(values: tuple[Json, ...]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def input_bounds(facts: InputFacts, declared: Declared, arranged: Rows | None) -> Range | None:
    """Return the input's range, or None if nothing tells it."""
    if facts.range:
        return (facts.range[0],), (facts.range[1],)
    if "lower" in declared and "upper" in declared:
        return _floats(declared["lower"]), _floats(declared["upper"])
    if arranged is None:
        return None
    if arranged.dtype == np.uint8:
        # Bytes don't tell the scale that the model takes. 0..1 is the usual one for images, and
        # --input-range says so where it is another.
        return (0.0,), (1.0,)
    low, high = float(arranged.min()), float(arranged.max())
    if arranged.ndim == 4:
        # Images in 0..1 need not reach both ends. Others, normalised ones for instance, keep the
        # range that they were seen to have.
        return ((0.0,), (1.0,)) if low >= 0 and high <= 1 else ((low,), (high,))
    return _feature_bounds(arranged)


def _feature_bounds(rows: Rows) -> Range:
    """Return each feature's own range, since the columns of a table have scales of their own."""
    flat = rows.reshape(len(rows), -1).astype(np.float32)
    lower, upper = flat.min(axis=0), flat.max(axis=0)
    # A constant feature gets a little room; a range of width 0 would be divided by later.
    upper = np.where(upper > lower, upper, lower + np.maximum(np.abs(lower), 1) * 1e-3)
    return _floats(tuple(lower)), _floats(tuple(upper))
