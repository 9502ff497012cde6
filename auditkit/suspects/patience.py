"""When a request is sent, and how often it is tried again."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from auditkit.core.errors import TransientError, UnreachableError

Result = TypeVar("Result")
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10.0
"""Seconds between two tries where the suspect does not say how long to wait. The pause doubles each
time, so that a server that is overloaded is not kept so."""
NOBODY_PATIENCE = 2.0
"""Seconds for which an address is tried where nobody has ever answered."""


class Pace:
    """Decides for all threads when the next request may start."""

    def __init__(self, rate: float | None) -> None:
        self._gap = 1 / rate if rate else 0.0
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Wait until it is this thread's turn."""
        with self._lock:
            start = max(self._next, time.monotonic())
            self._next = start + self._gap
        left = start - time.monotonic()
        # To sleep for no time gives the processor away, which on a busy machine takes milliseconds.
        if left > 0:
            time.sleep(left)

    def pause(self, seconds: float) -> None:
        """Let no request start for so long."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)


def patiently(
    call: Callable[[], Result], longest: float, pace: Pace, nobody: float | None = None
) -> Result:
    """Make a call, again and again for `longest` seconds while it fails for the moment.

    Args:
        call: What is tried.
        longest: Seconds for which it is tried.
        pace: When each try may start.
        nobody: Seconds for which it is tried while nobody is there; None: as long as otherwise.

    Raises:
        SuspectError: It fails for good; TransientError when the time is over.
    """
    started, pause = time.monotonic(), FIRST_PAUSE
    while True:
        pace.wait()
        try:
            return call()
        except TransientError as error:
            wait = pause if error.after is None else error.after
            if not isinstance(error, UnreachableError):
                nobody = None  # somebody is there
            limit = longest if nobody is None else nobody
            if time.monotonic() + wait > started + limit:
                raise TransientError(f"{error} (tried for {limit:.0f} s)", error.after) from error
        pace.pause(wait)
        pause = min(2 * pause, LONGEST_PAUSE)
