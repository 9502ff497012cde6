"""How long-running work reports its progress."""

import sys
import time
from collections.abc import Callable
from typing import TextIO, TypeAlias

Progress = Callable[[str, int, int], None]
"""Called with the name of a stage, how much of it is done, and how much there is in all."""


def silent(_stage: str, _done: int, _total: int) -> None:
    """Ignore progress: the library itself never prints."""


EVERY = 15.0
"""Seconds between two lines on the same stage: few enough for a log of hours."""


class Lines:
    """Tells progress as a line now and then, for logs and notebooks.

    A stage is told when it begins, then every `EVERY` seconds. What is over at once is not told: a
    stage has to take `soon` seconds first.
    """

    def __init__(self, stream: TextIO, soon: float = 0.0) -> None:
        self._stream, self._soon = stream, soon
        self._started = time.monotonic()
        self._told: tuple[str, float] | None = None

    def __call__(self, stage: str, done: int, total: int) -> None:
        """See `Progress`."""
        now = time.monotonic()
        if now < self._started + self._soon:
            return
        if self._told is not None and self._told[0] == stage and now < self._told[1] + EVERY:
            return
        self._told = (stage, now)
        seconds = now - self._started
        self._stream.write(f"auditkit: {stage}, {done} of {total} ({seconds:.0f} s)\n")
        self._stream.flush()


Told: TypeAlias = Progress | bool
"""A function that is told how far the work is; True: lines on stderr; False: nothing."""


def told(progress: Told) -> Progress:
    """Return who is told how far the work is."""
    if isinstance(progress, bool):
        return Lines(sys.stderr) if progress else silent
    return progress
