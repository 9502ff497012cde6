"""Reads ordinary files as a whole, and nothing else: a pipe could wait, and a device never end."""

import errno
import os
import stat
from pathlib import Path

NEVER_WAIT = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def contents(path: Path, largest: int) -> bytes:
    """Return the bytes of an ordinary file.

    Args:
        path: The file; links are followed.
        largest: Bytes that are read at most.

    Raises:
        OSError: It can't be read, is larger, or is a folder, a pipe or a device.
        ValueError: The name holds a NUL character.
    """
    data = beginning(path, largest + 1)
    if len(data) > largest:
        size = max(path.stat().st_size, len(data))
        raise OSError(errno.EFBIG, f"it has {size} bytes, more than the {largest} that are read")
    return data


def beginning(path: Path, most: int) -> bytes:
    """Return the first bytes of an ordinary file, `most` of them or all.

    Raises:
        OSError: It can't be read, or is a folder, a pipe or a device.
        ValueError: The name holds a NUL character.
    """
    # Opened without waiting, since opening a pipe waits for whoever writes to it; what was opened
    # is looked at, since a name may stand for something else a moment later.
    with os.fdopen(os.open(path, os.O_RDONLY | NEVER_WAIT), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is a pipe or a device, wanted a file")
        data = file.read(most)
    # Some files of the kernel wait for something to happen.
    if data is None:
        raise OSError(errno.EINVAL, "it holds nothing yet, wanted a whole file")
    return data
