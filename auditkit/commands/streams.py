"""What a command prints to: a full disk or a closed output ends it in one line."""

import contextlib
import errno
import os
import sys

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)
"""How writing fails where there is no room, or nothing to write to."""
FIRST = 3
"""Number of the first descriptor that is none of the three streams."""


def make_usable() -> None:
    """Give streams that were closed something to stand for them.

    Otherwise the next file that is opened, such as a journal, would become the standard output, and
    be written into by whatever prints.
    """
    if sys.stdout is None:
        with contextlib.suppress(OSError):
            while os.open(os.devnull, os.O_RDONLY) < FIRST - 1:
                pass
            # For reading only: who prints is to notice that nobody can read it.
            sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def is_of_output(error: OSError) -> bool:
    """Return whether an error comes from printing, and not from a file that has a name."""
    return error.errno in FULL and error.filename is None


def give_up(error: OSError) -> None:
    """Say on stderr that nothing more can be printed, and print nothing more."""
    with contextlib.suppress(OSError, AttributeError):
        sys.stderr.write(
            f"auditkit: the result can't be printed: {error.strerror}; free the disk, or write it "
            "to a file with -o\n"
        )
        sys.stderr.flush()
    # What is left in the buffers would fail again when Python ends, with a second message.
    with contextlib.suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
