"""Which arrangements fit what a suspect says it takes, and how many points it takes at once.

This is one function over a `Port`, so that every kind of suspect is served alike. What a suspect
does not declare is tried, likeliest first, until it answers.
"""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from auditkit.adapters.base import FLOAT32, Port, Shape, Values
from auditkit.core.arrays import DType
from auditkit.core.errors import SuspectMismatchError
from auditkit.core.points import InputSpec
from auditkit.suspects.arrangement import Arrangement

LARGEST_BATCH = 1 << 30
"""Bytes. A suspect that wants more points than this at once is refused before memory is set aside:
a file may claim any number."""
ROOM = 1 << 23
"""Bytes of inputs that a suspect on this machine gets at once, unless it wants more. What a network
keeps of its inputs is many times their size, and no quicker for being more than caches hold."""
POWERS = (64, 32, 16, 8, 4, 2, 1)
"""Sizes of batches that are tried first: whoever fixes one mostly takes a power of two."""
LONGEST_SEARCH = 20.0
"""Seconds for which a file is tried in the other sizes below the largest."""
TYPES: tuple[DType, ...] = (FLOAT32, np.dtype(np.uint8), np.dtype(np.int64))
"""Number types that are tried where a suspect declares none."""


@dataclass(frozen=True, slots=True)
class Fit:
    """One way to ask a suspect: how points are arranged, and how many go into one request."""

    way: Arrangement
    size: int
    filled: bool = False
    """Whether a smaller batch is filled up to `size`."""


def fits(ways: Sequence[Arrangement], port: Port) -> Iterator[Fit]:
    """Yield each way of asking that a suspect may take, likeliest first.

    Args:
        ways: How points can be arranged for it.
        port: What it says of its batches.
    """
    largest = _at_once(ways[0].spec, port)
    if port.batch is not None or not port.local:
        yield from (_in_size(way, largest, filled=port.batch is not None) for way in ways)
        return
    roomy = min(largest, max(1, ROOM // _size(ways[0].spec)))
    yield from _with_any(ways, roomy, filled=False)
    # Filled up, since the size of the example may be fixed.
    for size in (largest, *(size for size in POWERS if size < largest)):
        yield from _with_any(ways, size, filled=True)
    end = time.monotonic() + LONGEST_SEARCH
    for size in range(3, largest if port.digest is not None else 0):
        if size not in POWERS and time.monotonic() < end:
            yield Fit(ways[0], size, filled=True)


def _with_any(ways: Sequence[Arrangement], size: int, *, filled: bool) -> Iterator[Fit]:
    """Yield the ways that are for so many points: one without a batch axis is for one."""
    for way in ways:
        if way.batch_axis is not None or size == 1:
            yield _in_size(way, size, filled=filled)


def _in_size(way: Arrangement, size: int, *, filled: bool) -> Fit:
    return Fit(way, size, filled) if way.batch_axis is not None else Fit(way, 1)


def _at_once(spec: InputSpec, port: Port) -> int:
    if port.batch is not None:
        return port.batch
    limit = port.at_once
    if port.largest_request is not None:
        limit = port.largest_request // _size(spec)
    return max(1, min(port.at_once, limit))


def _size(spec: InputSpec) -> int:
    """Return the bytes of one input."""
    return 4 * math.prod(spec.shape)


def arrangements(spec: InputSpec, port: Port, *, resize: bool) -> tuple[Arrangement, ...]:
    """Find how points can enter a suspect, likeliest first.

    Args:
        spec: Of the points, with the normalisation that is tried.
        port: What the suspect takes. Float types get what the owner's model takes, whole numbers
            get pixels.
        resize: Whether points may be resized to another size or number of channels.

    Raises:
        SuspectMismatchError: Nothing fits; the message says what would.
    """
    # First of all: a file may claim any size, and nothing is set aside in memory before this.
    _check_batch(spec, port)
    _check_values(spec, port)
    plain = Arrangement(spec, port.dtype or FLOAT32, values=port.values, batch_axis=port.batch_axis)
    if port.dtype is None:
        return _all_of(plain)
    wanted = port.shape if port.shape is not None else _own_shape(spec, port)
    resize = resize or port.fits_any_size
    return tuple(way.of(spec) for way in _fitted(plain, wanted, port, resize=resize))


def _check_batch(spec: InputSpec, port: Port) -> None:
    width = (port.dtype or FLOAT32).itemsize
    size = (port.batch or 0) * math.prod(spec.shape) * width
    if size > LARGEST_BATCH:
        raise SuspectMismatchError(
            f"the suspect takes exactly {port.batch} points at once, {size / (1 << 30):,.0f} GiB; "
            "auditkit asks with 1 GiB at most; export it with a batch axis of any size"
        )


def _check_values(spec: InputSpec, port: Port) -> None:
    dtype = port.dtype or FLOAT32
    if dtype.kind not in "iuf" or (dtype.kind != "f" and dtype != np.uint8 and not spec.is_image):
        raise SuspectMismatchError(
            f"the suspect takes {dtype} inputs, the points are no images that could be given as "
            "whole numbers; token ids can't be asked yet"
        )
    if port.values is Values.PIXELS and not spec.is_image:
        raise SuspectMismatchError("the points are no images; they can't be sent as pictures")


def _all_of(plain: Arrangement) -> tuple[Arrangement, ...]:
    """Return what a suspect that declares nothing may take: each layout in each number type."""
    spec = plain.spec
    types = TYPES if spec.is_image else TYPES[:1]
    layouts = [plain, *_relaid(plain)]
    alone = [replace(way, batch_axis=None) for way in layouts]
    ways = product(types, (*layouts, *alone))
    return tuple(replace(way, dtype=dtype) for dtype, way in ways)


def _relaid(plain: Arrangement) -> Iterator[Arrangement]:
    """Yield the usual layouts other than the owner's: channels last, none, flat."""
    shape = plain.spec.shape
    if len(shape) == 3:
        yield replace(plain, last=True)
    if len(shape) == 3 and shape[0] == 1:  # grey images are often stored without a channel axis
        yield replace(plain, shape=shape[1:])
    if len(shape) > 1:  # nets of dense layers are often exported with flat inputs
        yield replace(plain, shape=(math.prod(shape),))


def _own_shape(spec: InputSpec, port: Port) -> Shape:
    return (*spec.shape[1:], spec.shape[0]) if port.channels_last else spec.shape


def _fitted(plain: Arrangement, wanted: Shape, port: Port, *, resize: bool) -> list[Arrangement]:
    shape = plain.spec.shape
    # The owner's own shape comes first: where several arrangements fit, this is the likeliest.
    is_turned = port.channels_last and len(shape) == 3
    layouts = [*(() if is_turned else (plain,)), *_relaid(plain)]
    found = [way for way in layouts if _fits(_given(way), wanted)]
    if found:
        return found
    if port.batch is not None:  # what looks like the batch may be the first axis of one point
        whole = (port.batch, *wanted)
        alone = [replace(way, batch_axis=None) for way in layouts if _fits(_given(way), whole)]
        if alone:
            return alone
    are_images = len(shape) == len(wanted) == 3
    if resize and are_images:
        return [_with_resizing(plain, wanted, port)]
    hint = "add --resize to resize them" if are_images else "it can't be asked"
    raise SuspectMismatchError(
        f"the suspect takes inputs of shape {_shown(wanted)}, the points have {shape}; {hint}"
    )


def _given(way: Arrangement) -> tuple[int, ...]:
    """Return the shape of one point in this layout."""
    shape = way.spec.shape
    if way.shape is not None:
        return way.shape
    return (*shape[1:], shape[0]) if way.last else shape


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
    same_size = size == spec.shape[1:]
    return replace(plain, size=None if same_size else size, channels=other_channels, last=last)
