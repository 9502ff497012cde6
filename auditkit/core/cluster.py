"""A Ray cluster as work sees it that is spread over one: tasks are begun, heard, and given up.

Ray is loaded here alone, and only when somebody asks for it. It places tasks and brings back what
they say; it repeats none. Whether a task that ended too early is begun again is for those to decide
who know what it was.
"""

import importlib.metadata
import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import chdir, contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from auditkit.core.errors import AuditkitError, FleetError, MissingRuntimeError
from auditkit.core.escape import first_line
from auditkit.core.requests import Machines

Ref = Any
"""What stands for a value in the cluster's memory; Ray has no types here."""
PATIENCE = 10.0
"""Seconds in which a cluster's head must take a connection."""
ENDINGS = {
    "OutOfMemoryError": "its node for want of memory",
    "NodeDiedError": "the end of its node",
    "WorkerCrashedError": "a crash",
}
"""What ended a task, by the name of Ray's error."""


@dataclass(frozen=True, slots=True)
class Began:
    """The task has found a machine and started."""


@dataclass(frozen=True, slots=True)
class Over:
    """The task is done."""


@dataclass(frozen=True, slots=True)
class Gone:
    """The task ended before it was done."""

    why: str


@dataclass(slots=True, eq=False)
class Work:
    """One task."""

    stream: Ref
    began: bool = False
    heard: float = 0.0
    """When it last said something, in the seconds of `time.monotonic`."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What a task needs to work as if it were where it was asked for."""

    folder: str
    """Working folder, for names without one."""
    path: tuple[str, ...]
    """Where modules are looked for after those of the node itself."""
    cards: bool
    """Whether the task may see the node's cards."""
    version: str
    """auditkit's."""

    @classmethod
    def here(cls, *, cards: bool) -> "Desk":
        """Return that of this process."""
        path = tuple(str(Path(one).absolute()) for one in sys.path if one)
        return cls(str(Path.cwd()), path, cards, _version())

    def take(self) -> None:
        """Prepare the process of a task.

        Raises:
            FleetError: The node has another version, or lacks the working folder.
        """
        node = socket.gethostname()
        if self.version != _version():
            raise FleetError(
                f"the node {node} has auditkit {_version()}, wanted {self.version} as on the "
                "machine that asks"
            )
        try:
            os.chdir(self.folder)
        except OSError as error:
            raise FleetError(
                f"the node {node} has no folder {self.folder!r}: --engine ray wants it shared by "
                "all nodes, at the same path"
            ) from error
        sys.path += [one for one in self.path if one not in sys.path]
        if not self.cards:  # Ray hides only cards that it has lent to others
            os.environ["CUDA_VISIBLE_DEVICES"] = ""


class Cluster:
    """A cluster that this process has joined."""

    def __init__(self, ray: ModuleType, machines: Machines) -> None:
        """Look around.

        Args:
            ray: The package, connected.
            machines: What each task is given.

        Raises:
            FleetError: No node has room for a task.
        """
        self._ray, self._gpus = ray, machines.gpus
        self._tasks: dict[int, Ref] = {}
        self._desk = Desk.here(cards=machines.gpus > 0)
        nodes = [one["Resources"] for one in ray.nodes() if one["Alive"]]
        rooms = [(_room(one, machines.gpus), int(one.get("memory", 0))) for one in nodes]
        self.slots = sum(room for room, _ in rooms)
        """How many tasks run at once on the nodes that there are now."""
        if not self.slots:
            wanted = f"1 CPU and {machines.gpus:g} GPUs" if machines.gpus else "1 CPU"
            raise FleetError(f"no node of the Ray cluster has {wanted}, which each task takes")
        self.memory = min(memory // 2 // room for room, memory in rooms if room)
        """Bytes that each task may use, if half of each node's memory is divided among them."""

    def put(self, value: object) -> Ref:
        """Put a value into the memory that all nodes share; tasks read it with `taken`."""
        return self._ray.put(value)

    def begin(
        self, steps: Callable[..., Iterator[object]], *arguments: object, reused: int = 0
    ) -> Work:
        """Begin a task; it waits where no node has room.

        Args:
            steps: A function of a module, called with the arguments; what it yields is heard.
            arguments: Anything that can be pickled.
            reused: Tasks after which Ray ends the process that ran them; 0: none is ended for that.
        """
        # What a process has loaded for one card does not find the next one's.
        task = self._task(1 if self._gpus else reused)
        return Work(task.remote(self._desk, steps, arguments))

    def heard(self, works: Iterable[Work], seconds: float) -> Iterator[tuple[Work, object]]:
        """Yield what one task says, `Over` or `Gone` last, or nothing if the time is over before.

        Raises:
            FleetError: The task could not even start.
            Exception: The task raised it.
        """
        by_stream = {work.stream: work for work in works}
        if not by_stream:
            return
        ready, _ = self._ray.wait(list(by_stream), timeout=seconds, fetch_local=False)
        for stream in ready:
            work = by_stream[stream]
            event = self._next(work)
            work.heard = time.monotonic()
            work.began = work.began or isinstance(event, Began)
            yield work, event

    def give_up(self, work: Work) -> None:
        """End a task, whatever it does."""
        with suppress(self._ray.exceptions.RayError):
            self._ray.cancel(work.stream, force=True)

    def _task(self, calls: int) -> Ref:
        """Return what Ray runs; made once, since each is sent to all nodes."""
        if calls not in self._tasks:
            self._tasks[calls] = self._ray.remote(
                num_cpus=1,
                num_gpus=self._gpus,
                num_returns="streaming",
                max_retries=0,  # else a task that ran out of memory is begun again for ever
                retry_exceptions=False,
                max_calls=calls,
            )(_working)
        return self._tasks[calls]

    def _next(self, work: Work) -> object:
        try:
            return self._ray.get(next(work.stream))
        except StopIteration:
            return Over()
        except self._ray.exceptions.RayTaskError as error:
            if work.began or isinstance(error.cause, AuditkitError):
                raise error.cause from None
            raise FleetError(
                "a node of the Ray cluster can't start a task: "
                f"{type(error.cause).__name__}: {first_line(error.cause)}; every node needs the "
                "same model-auditkit"
            ) from error
        except self._ray.exceptions.RayError as error:
            return Gone(ENDINGS.get(type(error).__name__, type(error).__name__))


@contextmanager
def joined(machines: Machines) -> Iterator[Cluster]:
    """Join a cluster, or start one of this machine where none is named; leave it at the end.

    What Ray prints meanwhile goes to stderr, since stdout is for reports.

    Raises:
        MissingRuntimeError: Ray is not installed.
        FleetError: There is no such cluster, or it has no room for a task.
    """
    # Nothing is told to Ray's makers unless the user says so.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ModuleNotFoundError as error:
        raise MissingRuntimeError(
            f"--engine ray needs {error.name!r}, which is not installed: "
            "pip install 'model-auditkit[ray]'"
        ) from error
    with redirect_stdout(sys.stderr):
        if ray.is_initialized():  # by whoever calls from Python
            yield Cluster(ray, machines)
            return
        _connect(ray, machines.address)
        try:
            yield Cluster(ray, machines)
        finally:
            ray.shutdown()


def taken(ref: Ref) -> Any:
    """Return a value that was put into the cluster's memory; called in tasks."""
    import ray

    return ray.get(ref)


def _connect(ray: ModuleType, address: str | None) -> None:
    named = address or os.environ.get("RAY_ADDRESS", "")
    _check_reachable(named)
    # Ray lets its workers look for modules in the folder that it was joined from, before all
    # others. That folder may be full of strangers' files.
    with tempfile.TemporaryDirectory() as empty, chdir(empty):
        try:
            ray.init(
                address=named or "local",  # else Ray looks for one, also for one that is dead
                include_dashboard=False,
                log_to_driver=False,
                logging_level="ERROR",
            )
        except (ray.exceptions.RayError, ConnectionError, RuntimeError, ValueError) as error:
            raise FleetError(
                f"the Ray cluster {named or 'of this machine'} can't be joined: {first_line(error)}"
            ) from error


def _check_reachable(address: str) -> None:
    """Look whether somebody listens at a cluster's address; Ray itself would wait for minutes."""
    if address in ("", "auto", "local"):  # Ray's words for a cluster of this machine
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or "://" in address:
        raise FleetError(
            f"--ray-address wants HOST:PORT of a cluster's head, got {address!r}; start the "
            "command on a machine of the cluster"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise FleetError(f"no Ray cluster answers at {address}: {first_line(error)}") from error


def _working(
    desk: Desk, steps: Callable[..., Iterator[object]], arguments: tuple[object, ...]
) -> Iterator[object]:
    """Do what a task is for, where it runs."""
    desk.take()
    yield Began()
    yield from steps(*arguments)


def _room(resources: dict[str, float], gpus: float) -> int:
    """Return how many tasks a node has room for."""
    room = int(resources.get("CPU", 0))
    return min(room, int(resources.get("GPU", 0) / gpus + 1e-6)) if gpus else room


def _version() -> str:
    return importlib.metadata.version("model-auditkit")
