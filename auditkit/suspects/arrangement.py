"""Points -> what a model takes: normalisation, layout, size and number type."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditkit.core.arrays import FloatArray
from auditkit.core.errors import SuspectMismatchError
from auditkit.core.points import InputSpec, normalised, pixels

Shape = tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Arrangement:
    """How points of a spec enter one suspect."""

    spec: InputSpec
    dtype: np.dtype[Any]
    size: tuple[int, int] | None = None
    """Height and width to resize to."""
    channels: int | None = None
    """Channel count to repeat or average to."""
    last: bool = False
    """Channels last."""
    shape: tuple[int, ...] | None = None
    """Of one input at the very end, where only the number of axes differs."""

    def __call__(self, points: FloatArray) -> NDArray[Any]:
        """(n, *spec.shape) float32 in the spec's bounds -> the suspect's batch."""
        if self.size is not None:
            points = _resized(points, self.size)
        if self.channels is not None:
            points = points.mean(axis=1, keepdims=True).repeat(self.channels, axis=1)
        as_bytes = self.dtype == np.uint8
        batch: NDArray[Any] = (
            pixels(points, self.spec) if as_bytes else normalised(points, self.spec)
        )
        if self.last:
            batch = np.moveaxis(batch, 1, -1)
        if self.shape is not None:
            batch = batch.reshape(len(batch), *self.shape)
        return np.ascontiguousarray(batch, dtype=self.dtype)


def arrange(spec: InputSpec, wanted: Shape, dtype: np.dtype[Any], *, resize: bool) -> Arrangement:
    """Find how points enter a suspect that wants inputs of this shape.

    Args:
        spec: Of the points.
        wanted: The suspect's shape of one input; None where any size will do.
        dtype: The suspect's number type: float16/32/64 get what the owner's model takes, uint8
            gets pixels.
        resize: Whether another size or channel count may be made to fit.

    Raises:
        SuspectMismatchError: Nothing fits; the message says what would.
    """
    if dtype.kind != "f" and dtype != np.uint8:
        raise SuspectMismatchError(
            f"the suspect takes {dtype} inputs, points are float numbers; "
            "token ids and other whole numbers can't be asked yet"
        )
    if _fits(spec.shape, wanted):
        return Arrangement(spec, dtype)
    if len(spec.shape) == 3 and _fits((*spec.shape[1:], spec.shape[0]), wanted):
        return Arrangement(spec, dtype, last=True)
    if wanted == (math.prod(spec.shape),):
        return Arrangement(spec, dtype, shape=(math.prod(spec.shape),))
    if len(spec.shape) == 3 and spec.shape[0] == 1 and _fits(spec.shape[1:], wanted):
        return Arrangement(spec, dtype, shape=spec.shape[1:])
    if resize and len(spec.shape) == len(wanted) == 3:
        return _with_resizing(spec, wanted, dtype)
    hint = (
        "add --resize to resize them"
        if len(spec.shape) == len(wanted) == 3
        else "it can't be asked"
    )
    raise SuspectMismatchError(
        f"the suspect takes inputs of shape {_shown(wanted)}, the points have {spec.shape}; {hint}"
    )


def _fits(shape: tuple[int, ...], wanted: Shape) -> bool:
    return len(shape) == len(wanted) and all(
        size in (None, given) for given, size in zip(shape, wanted, strict=True)
    )


def _shown(wanted: Shape) -> str:
    return "(" + ", ".join("any" if size is None else str(size) for size in wanted) + ")"


def _with_resizing(spec: InputSpec, wanted: Shape, dtype: np.dtype[Any]) -> Arrangement:
    last = wanted[0] not in (1, 3) and wanted[2] in (1, 3)
    channels, height, width = (wanted[2], *wanted[:2]) if last else wanted
    size = (height or spec.shape[1], width or spec.shape[2])
    other_channels = channels if channels not in (None, spec.shape[0]) else None
    if other_channels is not None and spec.mean:
        raise SuspectMismatchError(
            f"the suspect takes {channels} channels, the points have {spec.shape[0]} that are "
            "normalised one by one; it can't be asked"
        )
    return Arrangement(
        spec, dtype, None if size == spec.shape[1:] else size, other_channels, last=last
    )


def _resized(points: FloatArray, size: tuple[int, int]) -> FloatArray:
    """Bilinear, corners kept."""
    rows, columns = (
        np.linspace(0, old - 1, new) for old, new in zip(points.shape[2:], size, strict=True)
    )
    return _interpolated(_interpolated(points, rows, 2), columns, 3)


def _interpolated(points: FloatArray, places: NDArray[np.float64], axis: int) -> FloatArray:
    below = np.floor(places).astype(np.int64)
    above = np.minimum(below + 1, points.shape[axis] - 1)
    weight = (places - below).astype(np.float32)
    weight = weight.reshape(tuple(-1 if axis == i else 1 for i in range(points.ndim)))
    low, high = np.take(points, below, axis), np.take(points, above, axis)
    result: FloatArray = low * (1 - weight) + high * weight
    return result
