"""What a harness is, and how its inputs are tried one after the other.

A harness states one property: whatever a stranger sends is refused with one of auditkit's own
errors, in one line, or becomes a value that means what it says; there is no other exception, and
no input takes long.
"""

import signal
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Protocol

from auditkit.core.errors import AuditkitError

SECONDS = 5.0
"""Longest time that one input may take."""


class Wrong(Exception):  # noqa: N818 - it is a finding and not a failure of the harness
    """An input was taken for something that it does not say."""


class TooSlow(BaseException):
    """An input took longer than `SECONDS`; no handler of what is tried takes it for its own."""


class Target(Protocol):
    """What a harness tries; made once."""

    def draw(self, chance: Random) -> object:
        """Return an input; the same one for the same `Random`."""

    def attempt(self, given: object) -> None:
        """Read an input; return if it was read and means what it says.

        Raises:
            AuditkitError: It is refused.
            Wrong: It was read as something that it does not say.
            Exception: Anything else is a defect.
        """


@dataclass(frozen=True, slots=True)
class Harness:
    """Inputs of one kind, and what reads them."""

    name: str
    begin: Callable[[Path], Target]
    """Makes what is tried, in an empty folder."""


@dataclass(frozen=True, slots=True)
class Defect:
    """An input for which the property does not hold."""

    number: int
    """Draws the same input again with the same seed."""
    what: str


@dataclass(slots=True)
class Result:
    """What came of the inputs of one harness."""

    inputs: int = 0
    refused: int = 0
    read: int = 0
    slowest: float = 0.0
    """Seconds of the slowest input."""
    seconds: float = 0.0
    """Seconds of the whole run."""
    defects: list[Defect] = field(default_factory=list)


def run(harness: Harness, folder: Path, inputs: int, seed: int = 0, first: int = 0) -> Result:
    """Try inputs one after the other; no defect ends the run.

    Args:
        harness: What is tried.
        folder: Where it may write.
        inputs: How many inputs are drawn.
        seed: Another one draws others.
        first: Number of the first input.
    """
    target, result, chance = harness.begin(folder), Result(), Random(0)  # noqa: S311
    begun = time.monotonic()
    for number in range(first, first + inputs):
        # Each input has a seed of its own, so that one is drawn again without those before it.
        chance.seed(seed << 40 | number)
        given = target.draw(chance)
        started = time.perf_counter()
        _tried(target, given, number, result)
        result.slowest = max(result.slowest, time.perf_counter() - started)
        result.inputs += 1
    result.seconds = time.monotonic() - begun
    return result


def _tried(target: Target, given: object, number: int, result: Result) -> None:
    try:
        with _limited(), warnings.catch_warnings(action="error"):
            target.attempt(given)
    except AuditkitError as error:
        result.refused += 1
        if "\n" in str(error) or not str(error):
            result.defects.append(Defect(number, f"not one line: {str(error)[:200]!r}"))
    except (Exception, TooSlow) as error:
        result.defects.append(Defect(number, f"{type(error).__name__}: {str(error)[:200]!r}"))
    else:
        result.read += 1


@contextmanager
def _limited() -> Iterator[None]:
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _late(_number: int, _frame: object) -> None:
    raise TooSlow(f"longer than {SECONDS:g} s")


@contextmanager
def watched() -> Iterator[None]:
    """Let inputs that take too long be noticed; in the main thread only."""
    before = signal.signal(signal.SIGALRM, _late)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, before)
