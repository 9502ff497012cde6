"""Frames over a pipe: a head of JSON, and raw arrays behind it.

What a worker sends is a stranger's. Its frames are checked before memory is set aside for them, and
they are never pickles, since reading one of those can run code.
"""

import contextlib
import json
import os
import select
import struct
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from auditkit.core.arrays import DType, JsonObject, Rows

LENGTH = struct.Struct("<Q")
PIPE = 1 << 20
"""Bytes that a pipe holds: the most that Linux gives to everybody."""
LONGEST_HEAD = 1 << 24
"""Largest head in bytes: a network has thousands of layers and outputs, not millions."""
MOST_BYTES = 4 << 30
"""Largest sum of the arrays of one frame, in bytes."""
MOST_ARRAYS = 20_000
MOST_AXES = 32
KINDS = "biufU"
"""Kinds of numpy types that cross: numbers, and text of a fixed length for labels with names."""
LONGEST_TEXT = 1024
"""Characters of one such text."""


class FrameError(Exception):
    """The other side sent something that is no frame."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One message."""

    head: JsonObject
    arrays: tuple[Rows, ...] = ()


class Channel:
    """One end of two pipes."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading, self._writing = reading, writing
        for end in (reading, writing):
            os.set_blocking(end, False)  # a silent other side must not hold us for ever
            _widen(end)

    def send(self, frame: Frame, seconds: float | None = None) -> None:
        """Write a frame.

        Args:
            frame: Arrays of the kinds in `KINDS`; objects become text.
            seconds: How long the other side may take to read it; None: any time.

        Raises:
            TimeoutError: It did not read in time.
            OSError: The other side has gone.
        """
        arrays = [_plain(array) for array in frame.arrays]
        told = [[array.dtype.str, list(array.shape)] for array in arrays]
        head = json.dumps({"head": frame.head, "arrays": told}).encode()
        until = _until(seconds)
        for part in (LENGTH.pack(len(head)), head, *(_bytes(array) for array in arrays)):
            self._write(memoryview(part), until)

    def receive(self, seconds: float | None = None) -> Frame:
        """Read a frame.

        Args:
            seconds: How long it may take until the frame has come as a whole; None: any time.

        Raises:
            TimeoutError: It did not come in time.
            EOFError: The other side has gone.
            FrameError: What came is no frame, or a larger one than is taken.
        """
        until = _until(seconds)
        (length,) = LENGTH.unpack(self._read(LENGTH.size, until))
        if length > LONGEST_HEAD:
            raise FrameError(f"a head of {length} bytes")
        try:
            told = json.loads(bytes(self._read(length, until)))
            head, kinds = told["head"], [_kind(*one) for one in told["arrays"]]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise FrameError(f"no head: {type(error).__name__}") from error
        if not isinstance(head, dict) or len(kinds) > MOST_ARRAYS:
            raise FrameError(f"a head of {type(head).__name__} and {len(kinds)} arrays")
        sizes = [dtype.itemsize * int(np.prod(shape, dtype=object)) for dtype, shape in kinds]
        if sum(sizes) > MOST_BYTES:
            raise FrameError(f"arrays of {sum(sizes)} bytes, at most {MOST_BYTES} are taken")
        arrays = [
            np.frombuffer(self._read(size, until), dtype).reshape(shape)
            for size, (dtype, shape) in zip(sizes, kinds, strict=True)
        ]
        return Frame(head, tuple(arrays))

    def close(self) -> None:
        """Close both pipes; a second call does nothing."""
        for end in (self._reading, self._writing):
            with contextlib.suppress(OSError):
                os.close(end)
        self._reading = self._writing = -1

    def _write(self, left: memoryview, until: float | None) -> None:
        while left:
            try:
                left = left[os.write(self._writing, left) :]
            except BlockingIOError:
                _ready(self._writing, select.POLLOUT, until)

    def _read(self, size: int, until: float | None) -> bytearray:
        found = bytearray(size)
        left = memoryview(found)
        while left:
            try:
                count = os.readv(self._reading, [left])
            except BlockingIOError:
                _ready(self._reading, select.POLLIN, until)
                continue
            if not count:
                raise EOFError
            left = left[count:]
        return found


def _widen(end: int) -> None:
    """Let a pipe hold more, where the system can: both sides wait for each other less often."""
    # Neither the module nor the constant is there on all systems.
    with contextlib.suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(end, fcntl.F_SETPIPE_SZ, PIPE)


def _until(seconds: float | None) -> float | None:
    return None if seconds is None else time.monotonic() + seconds


def _ready(end: int, event: int, until: float | None) -> None:
    """Wait until a pipe can be read or written."""
    poll = select.poll()
    poll.register(end, event)
    left = None if until is None else max(until - time.monotonic(), 0.0) * 1000
    if not poll.poll(left):
        raise TimeoutError


def _plain(array: Rows) -> Rows:
    found = np.asarray(array)
    if found.dtype.kind == "O":
        found = found.astype(np.str_)
    if found.dtype.kind == "U" and found.dtype.itemsize > 4 * LONGEST_TEXT:
        found = found.astype(f"<U{LONGEST_TEXT}")
    if found.dtype.kind not in KINDS:
        raise TypeError(f"an array of {found.dtype} can't be sent")
    return np.ascontiguousarray(found)


def _bytes(array: Rows) -> bytes | memoryview:
    # A view of an empty array can't be cast, and one of text has no format that memoryview knows.
    return array.reshape(-1).view(np.uint8).data if array.size and array.dtype.itemsize else b""


def _kind(dtype: str, shape: Sequence[int]) -> tuple[DType, tuple[int, ...]]:
    found = np.dtype(dtype)
    if found.kind not in KINDS or found.subdtype or found.itemsize > 4 * LONGEST_TEXT:
        raise ValueError(f"an array of {dtype!r}")
    if len(shape) > MOST_AXES or not all(type(n) is int and 0 <= n < 1 << 62 for n in shape):
        raise ValueError(f"an array of shape {shape!r}")
    return found, tuple(shape)


@contextlib.contextmanager
def pipes() -> Iterator[tuple[int, int, int, int]]:
    """Yield both ends of two pipes; those that are still open at the end are closed."""
    ends = (*os.pipe(), *os.pipe())
    try:
        yield ends
    finally:
        for end in ends:
            with contextlib.suppress(OSError):
                os.close(end)
