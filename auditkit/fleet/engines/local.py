"""Suspects are examined by processes of this machine, each given one at a time and then the next.

A worker that dies or hangs costs its own suspect alone. Each computes with one thread, since there
are as many workers as cores, and ends after some suspects, since libraries keep memory.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path

from auditkit.core.errors import FleetError
from auditkit.fleet.tasks import Broken, Done, Event, Lost, Ready, Setup, Task
from auditkit.suspects.isolation.walls import half_of_memory, has_card

PACKAGES = Path(__file__).parents[3]
"""The folder in which this package lies."""
STARTED = "import sys, json; sys.path[:] = json.loads(sys.argv[2]); " + (
    "from auditkit.fleet.worker import serve; serve(int(sys.argv[1]))"
)
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
LAST_WORDS = 5.0
"""Seconds that a worker may take to end."""

ON_A_CARD = 4
"""Workers that share a card where nobody says how many: each starts CUDA for itself, which takes
some hundred megabytes of it."""
LEAST_MEMORY = 1 << 30
"""Bytes that each suspect's file may use at least, however many workers there are."""


class Local:
    """This machine as an engine."""

    def __init__(self, workers: int) -> None:
        """Divide the memory among so many workers."""
        self.slots = workers
        self.memory = max(half_of_memory() // workers, LEAST_MEMORY)

    def crew(self, setup: Setup, count: int, recycle: int) -> "_Crew":
        """See `Place.crew`."""
        return _Crew(setup, count, recycle)


@dataclass(slots=True, eq=False)
class _Hand:
    """One worker."""

    process: subprocess.Popen[bytes]
    line: Connection
    task: Task | None = None
    given: int = 0
    started: bool = False
    heard: float = 0.0
    """When it last said something or was given something."""

    @property
    def is_hung(self) -> bool:
        seconds = None if self.task is None else self.task.seconds
        return seconds is not None and time.monotonic() > self.heard + seconds


class _Crew:
    """See `auditkit.fleet.engines.Crew`."""

    def __init__(self, setup: Setup, count: int, recycle: int) -> None:
        self._setup, self._count, self._recycle = setup, count, recycle
        self._hands: list[_Hand] = []

    @property
    def busy(self) -> int:
        return sum(hand.task is not None for hand in self._hands)

    @property
    def idle(self) -> int:
        return self._count - self.busy

    def processes(self) -> list[int]:
        return [hand.process.pid for hand in self._hands]

    def give(self, task: Task) -> None:
        while True:
            free = [hand for hand in self._hands if hand.task is None]
            hand = free[0] if free else self._started()
            try:
                hand.line.send(task)
            except OSError:  # it ended while it had nothing to do
                self._drop(hand)
                continue
            hand.task, hand.given, hand.heard = task, hand.given + 1, time.monotonic()
            return

    def wait(self, seconds: float) -> Iterator[Event]:
        at_work = [hand for hand in self._hands if hand.task is not None]
        speaking = wait([hand.line for hand in at_work], seconds)
        for hand in at_work:
            if hand.line in speaking:
                yield from self._heard(hand)
        for hand in [hand for hand in self._hands if hand.is_hung]:
            yield self._lost(hand, hung=True)

    def close(self) -> None:
        for hand in self._hands:
            if hand.task is not None:
                hand.process.kill()
            hand.line.close()  # those without a task tidy up and end
        for hand in list(self._hands):
            self._drop(hand)

    def _started(self) -> _Hand:
        mine, theirs = socket.socketpair()
        path = [one or str(Path.cwd()) for one in sys.path]
        with theirs:
            try:
                process = subprocess.Popen(  # noqa: S603 - this interpreter
                    [
                        *(sys.executable, "-c", STARTED, str(theirs.fileno())),
                        json.dumps([*path, str(PACKAGES)]),
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,  # reports are the scan's
                    pass_fds=[theirs.fileno()],
                    env={**os.environ, **ONE_THREAD},
                    start_new_session=True,  # an interrupt is the scan's matter
                )
            except OSError as error:
                mine.close()
                raise FleetError(f"no worker can be started: {error.strerror}") from error
        hand = _Hand(process, Connection(mine.detach()))
        self._hands.append(hand)
        with contextlib.suppress(OSError):  # seen when it is given something
            hand.line.send(self._setup)
        return hand

    def _heard(self, hand: _Hand) -> Iterator[Event]:
        try:
            event = hand.line.recv()
        except (EOFError, OSError):
            yield self._lost(hand, hung=False)
            return
        hand.heard = time.monotonic()
        if isinstance(event, Broken):
            raise FleetError(event.why)
        if isinstance(event, Ready):
            hand.started = True
            return
        yield event
        if isinstance(event, Done):
            hand.task = None
            if hand.given >= self._recycle:
                self._drop(hand)

    def _lost(self, hand: _Hand, *, hung: bool) -> Lost:
        task = hand.task
        assert task is not None  # noqa: S101 - only those at work are heard
        if hung:
            hand.process.kill()
        status = self._drop(hand)
        if not hand.started:
            raise FleetError(f"no worker can be started: it ended with exit code {status}")
        ending = f"signal {-status}" if status < 0 else f"exit code {status}"
        return Lost(task.number, ending, hung)

    def _drop(self, hand: _Hand) -> int:
        """End a worker and forget it; returns its exit code."""
        self._hands.remove(hand)
        hand.line.close()
        try:
            return hand.process.wait(LAST_WORDS)
        except subprocess.TimeoutExpired:
            hand.process.kill()
            return hand.process.wait()


def room(device: str) -> int:
    """Return how many workers this machine has room for: one for each core, but few on a card."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(cores or 1, ON_A_CARD) if device != "cpu" and has_card() else cores or 1
