"""Points -> what a model takes: normalisation, layout, size and number type."""

import functools
import hashlib
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditkit.container import write_whole
from auditkit.errors import SuspectMismatchError
from auditkit.types import (
    CONTROL,
    CORE,
    Family,
    Fingerprint,
    FloatArray,
    InputSpec,
    IntArray,
)

Shape = tuple[int | None, ...]


def normalised(points: FloatArray, spec: InputSpec) -> FloatArray:
    """(n, *shape) in the spec's bounds -> what the owner's model itself takes, float32."""
    if not spec.mean:
        return points
    axes = (1, -1) + (1,) * (points.ndim - 2)
    mean = np.array(spec.mean, np.float32).reshape(axes)
    std = np.array(spec.std, np.float32).reshape(axes)
    result: FloatArray = (points - mean) / std
    return result


def pixels(points: FloatArray, spec: InputSpec) -> NDArray[np.uint8]:
    """(n, *shape) in the spec's bounds -> 0..255, not normalised."""
    lower, upper = spec.bounds()
    result: NDArray[np.uint8] = np.rint((points - lower) / (upper - lower) * 255).astype(np.uint8)
    return result


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


def point_digest(point: FloatArray) -> str:
    """Hexadecimal SHA-256 of one point's little-endian float32 bytes."""
    return hashlib.sha256(np.ascontiguousarray(point, dtype="<f4").tobytes()).hexdigest()


@functools.lru_cache(maxsize=8)
def order_of(fingerprint: Fingerprint) -> IntArray:
    """`asking_order` of a fingerprint's families."""
    return asking_order(fingerprint.families)


def asking_order(families: Mapping[str, Family]) -> IntArray:
    """(n,) the order in which points are asked, of all families' points in a row.

    Core points first, since they tell most, then the others but controls; these are spread evenly
    between. Within a family it goes by the points' digests: as good as random, the same for
    everybody, and nothing that an accuser could choose.
    """
    rest = [name for name in families if name not in (CORE, CONTROL)]
    lines = ([CORE, *rest], [CONTROL] if CONTROL in families else [])
    times: dict[str, NDArray[np.float64]] = {}
    for line in lines:
        start, total = 0.5, sum(len(families[name]) for name in line)
        for name in line:
            digests = [point_digest(point) for point in families[name].points]
            times[name] = (start + np.argsort(np.argsort(digests))) / total
            start += len(digests)
    order: IntArray = np.argsort(np.concatenate([times[n] for n in families]), kind="stable")
    return order


def write_queries(path: Path, points: FloatArray, spec: InputSpec) -> None:
    """Write an npz of what to ask: `points`, `inputs`, `queries`, and `pixels` for images.

    Args:
        path: Written whole or not at all.
        points: (n, *shape) in the spec's bounds.
        spec: `inputs` are the points as the owner's model takes them; `pixels` are (n, h, w, c)
            uint8; `queries` are the points' digests, which an answer may repeat.
    """
    arrays: dict[str, NDArray[Any]] = {
        "points": points,
        "inputs": normalised(points, spec),
        "queries": np.array([point_digest(point) for point in points]),
    }
    if spec.is_image:
        arrays["pixels"] = np.moveaxis(pixels(points, spec), 1, -1)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    write_whole(Path(path), buffer.getvalue())
