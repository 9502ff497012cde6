"""How points become the batches that a suspect takes: normalisation, layout, size, number type.

This is one function over a `Port`, so that every kind of suspect is served alike.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from auditkit.adapters.base import Port, Shape, Values
from auditkit.core.arrays import DType, FloatArray, Rows
from auditkit.core.errors import SuspectMismatchError
from auditkit.core.points import InputSpec, normalised, pixels

LARGEST_BATCH = 1 << 30
"""Bytes. A suspect that wants more points than this at once is refused before memory is set aside:
a file may claim any number."""


@dataclass(frozen=True, slots=True)
class Arrangement:
    """How points of a spec enter one suspect."""

    spec: InputSpec
    dtype: DType
    as_they_lie: bool = False
    """Whether points are given as the bundle holds them."""
    size: tuple[int, int] | None = None
    """Height and width to resize to."""
    channels: int | None = None
    """Number of channels to repeat or average to."""
    last: bool = False
    """Whether channels come last."""
    shape: tuple[int, ...] | None = None
    """Shape of one input at the very end, where only the number of axes differs."""

    def __call__(self, points: FloatArray) -> Rows:
        """Turn points, (n, *spec.shape) float32 in the spec's bounds, into the suspect's batch."""
        if self.size is not None:
            points = _resized(points, self.size)
        if self.channels is not None:
            points = points.mean(axis=1, keepdims=True).repeat(self.channels, axis=1)
        batch = self._values(points)
        if self.last:
            batch = np.moveaxis(batch, 1, -1)
        if self.shape is not None:
            batch = batch.reshape(len(batch), *self.shape)
        return np.array(batch, dtype=self.dtype, order="C")  # a copy: suspects may write into it

    def _values(self, points: FloatArray) -> Rows:
        if self.as_they_lie:
            return points
        return (
            pixels(points, self.spec) if self.dtype == np.uint8 else normalised(points, self.spec)
        )


def arrange(spec: InputSpec, port: Port, *, resize: bool) -> Arrangement:
    """Find how points enter a suspect.

    Args:
        spec: Of the points, with the normalisation that is tried.
        port: What the suspect takes. Of its number types float16, float32 and float64 get what the
            owner's model takes, uint8 gets pixels.
        resize: Whether points may be resized to another size or number of channels.

    Raises:
        SuspectMismatchError: Nothing fits; the message says what would.
    """
    # First of all: a file may claim any size, and nothing is set aside in memory before this.
    _check_batch(spec, port)
    if port.dtype.kind != "f" and port.dtype != np.uint8:
        raise SuspectMismatchError(
            f"the suspect takes {port.dtype} inputs, points are float numbers; "
            "token ids and other whole numbers can't be asked yet"
        )
    if port.values is Values.PIXELS and not spec.is_image:
        raise SuspectMismatchError("the points are no images; they can't be sent as pictures")
    if port.values is Values.UNIT:
        # Scaling to 0..1 is a normalisation like any other, so it takes the place of the owner's.
        span = spec.upper[0] - spec.lower[0]
        spec = replace(spec, mean=(spec.lower[0],), std=(span,))
    plain = Arrangement(spec, port.dtype, as_they_lie=port.values is Values.POINTS)
    wanted = port.shape if port.shape is not None else _own_shape(spec, port)
    return _fitted(plain, wanted, port, resize=resize or port.fits_any_size)


def _check_batch(spec: InputSpec, port: Port) -> None:
    size = (port.batch or 0) * math.prod(spec.shape) * port.dtype.itemsize
    if size > LARGEST_BATCH:
        raise SuspectMismatchError(
            f"the suspect takes exactly {port.batch} points at once, {size / (1 << 30):,.0f} GiB; "
            "auditkit asks with 1 GiB at most; export it with a batch axis of any size"
        )


def _own_shape(spec: InputSpec, port: Port) -> Shape:
    return (*spec.shape[1:], spec.shape[0]) if port.channels_last else spec.shape


def _fitted(plain: Arrangement, wanted: Shape, port: Port, *, resize: bool) -> Arrangement:
    shape = plain.spec.shape
    # The owner's own shape comes first: where several arrangements fit, this is the likeliest.
    if _fits(shape, wanted) and not port.channels_last:
        return plain
    if len(shape) == 3 and _fits((*shape[1:], shape[0]), wanted):
        return replace(plain, last=True)
    # Nets of dense layers are often exported with flat inputs.
    if wanted == (math.prod(shape),):
        return replace(plain, shape=(math.prod(shape),))
    # Grey images are often stored without a channel axis.
    if len(shape) == 3 and shape[0] == 1 and _fits(shape[1:], wanted):
        return replace(plain, shape=shape[1:])
    are_images = len(shape) == len(wanted) == 3
    if resize and are_images:
        return _with_resizing(plain, wanted, port)
    hint = "add --resize to resize them" if are_images else "it can't be asked"
    raise SuspectMismatchError(
        f"the suspect takes inputs of shape {_shown(wanted)}, the points have {shape}; {hint}"
    )


def _fits(shape: tuple[int, ...], wanted: Shape) -> bool:
    return len(shape) == len(wanted) and all(
        size in (None, given) for given, size in zip(shape, wanted, strict=True)
    )


def _shown(wanted: Shape) -> str:
    return "(" + ", ".join("any" if size is None else str(size) for size in wanted) + ")"


def _with_resizing(plain: Arrangement, wanted: Shape, port: Port) -> Arrangement:
    spec = plain.spec
    last = port.channels_last or (wanted[0] not in (1, 3) and wanted[2] in (1, 3))
    channels, height, width = (wanted[2], *wanted[:2]) if last else wanted
    size = (height or spec.shape[1], width or spec.shape[2])
    if size[0] * size[1] * (channels or spec.shape[0]) * 4 > LARGEST_BATCH:
        raise SuspectMismatchError(
            f"the suspect takes inputs of shape {_shown(wanted)}; points are not made that large"
        )
    other_channels = channels if channels not in (None, spec.shape[0]) else None
    # A normalisation for three channels can't be applied to one, nor the other way round.
    if other_channels is not None and spec.mean:
        raise SuspectMismatchError(
            f"the suspect takes {channels} channels, the points have {spec.shape[0]} that are "
            "normalised one by one; it can't be asked"
        )
    same_size = size == spec.shape[1:]
    return replace(plain, size=None if same_size else size, channels=other_channels, last=last)


def _resized(points: FloatArray, size: tuple[int, int]) -> FloatArray:
    """Resize with pillow's bilinear filter, which is what most pipelines do to pictures."""
    from PIL import Image  # takes long to load, and only few suspects need it

    height, width = size
    planes = points.reshape(-1, *points.shape[2:])
    resized = [
        np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.BILINEAR))
        for plane in planes
    ]
    return np.stack(resized).reshape(*points.shape[:2], height, width)
