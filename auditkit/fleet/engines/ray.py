"""Suspects are examined as tasks of a Ray cluster, one task for each.

The bundles are in the cluster's memory, once. A suspect's file is read where its task runs, so its
folder must be shared by all nodes.
"""

import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from auditkit.adapters import identified
from auditkit.core.cluster import Began, Cluster, Gone, Over, Ref, Work, taken
from auditkit.core.errors import AuditkitError, FleetError
from auditkit.fleet.tasks import Done, Event, Lost, Said, Setup, Task
from auditkit.fleet.worker import Shelf, examined


@dataclass(frozen=True, slots=True)
class _Missing:
    """The task's node has no such file."""

    node: str
    file: str


class OnRay:
    """A Ray cluster as an engine."""

    def __init__(self, cluster: Cluster) -> None:
        self.slots, self.memory = cluster.slots, cluster.memory
        self._cluster = cluster

    def crew(self, setup: Setup, count: int, recycle: int) -> "_Crew":
        """See `Place.crew`."""
        return _Crew(self._cluster, setup, count, recycle)


class _Crew:
    """See `auditkit.fleet.engines.Crew`."""

    def __init__(self, cluster: Cluster, setup: Setup, count: int, recycle: int) -> None:
        self._cluster, self._count, self._recycle = cluster, count, recycle
        self._shelf = Shelf(setup.bundles)
        self._setup: Ref = cluster.put(setup)
        self._bundles: dict[int, Ref] = {}
        self._tasks: dict[Work, Task] = {}

    @property
    def busy(self) -> int:
        return len(self._tasks)

    @property
    def idle(self) -> int:
        return self._count - self.busy

    def processes(self) -> list[int]:
        return []

    def give(self, task: Task) -> None:
        bundles = {place: self._bundle(place) for place in task.bundles}
        file = _file(task.suspect) if task.refusal is None else ""
        work = self._cluster.begin(
            _examined, task, self._setup, bundles, file, reused=self._recycle
        )
        self._tasks[work] = task

    def wait(self, seconds: float) -> Iterator[Event]:
        for work, event in self._cluster.heard(self._tasks, seconds):
            yield from self._event(work, event)
        for work in [work for work in self._tasks if self._is_hung(work)]:
            self._cluster.give_up(work)
            yield Lost(self._tasks.pop(work).number, "being ended", hung=True)

    def close(self) -> None:
        for work in self._tasks:
            self._cluster.give_up(work)
        self._tasks.clear()

    def _bundle(self, place: int) -> Ref:
        """Put a bundle into the cluster's memory when the first task needs it."""
        if place not in self._bundles:
            try:
                self._bundles[place] = self._cluster.put(self._shelf.take(place))
            except FleetError:
                raise
            except AuditkitError as error:
                raise FleetError(str(error)) from error
        return self._bundles[place]

    def _event(self, work: Work, event: object) -> Iterator[Event]:
        if isinstance(event, Said):
            yield event
        elif isinstance(event, Over):
            yield Done(self._tasks.pop(work).number)
        elif isinstance(event, Gone):
            yield Lost(self._tasks.pop(work).number, event.why, hung=False)
        elif isinstance(event, _Missing):
            if Path(event.file).exists():  # else it has gone here as well
                raise FleetError(
                    f"the node {event.node} has no file {event.file!r}: --engine ray wants the "
                    "suspects' folders shared by all nodes, at the same path"
                )
        else:
            assert isinstance(event, Began)  # noqa: S101 - there is nothing else

    def _is_hung(self, work: Work) -> bool:
        """Return whether a task has started and been silent for too long since."""
        seconds = self._tasks[work].seconds
        return work.began and seconds is not None and time.monotonic() > work.heard + seconds


def _examined(
    task: Task, setup: Ref, bundles: dict[int, Ref], file: str
) -> Iterator[Said | _Missing]:
    """Examine a suspect, where its task runs."""
    if file and not Path(file).exists():
        yield _Missing(socket.gethostname(), file)
    yield from examined(task, taken(setup), lambda place: taken(bundles[place]))


def _file(suspect: str) -> str:
    """Return the file that a suspect is read from; empty: none that this machine has."""
    try:
        found = identified(suspect)
    except AuditkitError:
        return ""
    is_file = not found.kind.own_code and "://" not in found.source
    return found.source if is_file and Path(found.source).exists() else ""
