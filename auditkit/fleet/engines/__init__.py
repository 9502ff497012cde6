"""Where the suspects of a scan are examined: each engine is one file.

An engine gives suspects to workers and tells what becomes of them. What is tried again and what is
refused is the scan's matter (`auditkit.fleet.scan`), so that it is the same on every engine.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from auditkit.core.errors import FleetError
from auditkit.core.requests import Engine, Machines
from auditkit.fleet.tasks import Event, Setup, Task


class Crew(Protocol):
    """The workers of one scan."""

    @property
    def busy(self) -> int:
        """How many suspects are with workers."""

    @property
    def idle(self) -> int:
        """How many more can be taken now."""

    def processes(self) -> list[int]:
        """Return the numbers of the workers' processes on this machine."""

    def give(self, task: Task) -> None:
        """Let a worker examine a suspect; called only while `idle` is not 0.

        Raises:
            FleetError: No worker can be started.
        """

    def wait(self, seconds: float) -> Iterator[Event]:
        """Yield what workers say, once somebody says something or the time is over.

        Raises:
            FleetError: A worker can't start, or says that the scan can't go on.
        """

    def close(self) -> None:
        """End all workers, and with them whatever they examine; a second call does nothing."""


class Place(Protocol):
    """An engine that is ready."""

    slots: int
    """Workers that it has room for at once."""
    memory: int
    """Bytes that a suspect's file may use if half of the memory is divided among so many."""

    def crew(self, setup: Setup, count: int, recycle: int) -> Crew:
        """Return the workers of a scan, none of them started.

        Args:
            setup: What each is told.
            count: Most suspects that are examined at once, 1 or more.
            recycle: How many of them one worker examines before another takes its place.
        """


@contextmanager
def opened(machines: Machines, workers: int | None, device: str) -> Iterator[Place]:
    """Open an engine, and close it at the end.

    Args:
        machines: Which one.
        workers: Suspects that are examined at once; None: as many as there is room for.
        device: Where they are run.

    Raises:
        MissingRuntimeError: It needs a package that is not installed.
        FleetError: It can't be reached, has no room, or there are no workers on Windows.
    """
    if sys.platform == "win32":
        raise FleetError("auditkit scan needs Linux or macOS; auditkit check runs here")
    if machines.engine is Engine.RAY:
        from auditkit.core.cluster import joined
        from auditkit.fleet.engines.ray import OnRay

        with joined(machines) as cluster:
            yield OnRay(cluster)
    else:
        from auditkit.fleet.engines.local import Local, room

        yield Local(workers or room(device))
