"""Forks a worker for each suspect from a process that has loaded what opening needs.

Loading onnxruntime or torch takes longer than asking a small network. The process is started once,
with an environment that holds no secrets, and ends with the one that started it.
"""

import atexit
import contextlib
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from auditkit.core.errors import IsolationError
from auditkit.files.temporary import Folder
from auditkit.suspects.isolation.channel import Channel, pipes

PACKAGE = Path(__file__).parents[2]
"""The folder of auditkit."""
KEPT = (
    *("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"),
    *("MKL_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"),
)
"""Environment variables that workers see."""
MESSAGE = 256
"""Longest message in bytes between the two processes."""
PATIENCE = 300.0
"""Seconds that a worker may take to be there; loading torch for the first takes some."""
# auditkit is loaded from its own folder, also where that is not on the path or the auditor works in
# the one above it.
LAST_WORDS = 1.0
"""Seconds in which a process that forks no more must be seen to have ended."""
STARTED = (
    "import sys, json; from importlib import util; sys.path[:] = json.loads(sys.argv[2]); "
    "spec = util.spec_from_file_location('auditkit', sys.argv[3]); "
    "sys.modules['auditkit'] = found = util.module_from_spec(spec); spec.loader.exec_module(found);"
    "from auditkit.suspects.isolation.forks import serve; serve(int(sys.argv[1]))"
)


@dataclass(frozen=True, slots=True, eq=False)
class Worker:
    """A process that was forked for one suspect, as the auditor sees it."""

    channel: Channel
    process: int
    ended: int
    """Pipe on which its exit status comes."""

    def kill(self) -> None:
        """End it, whatever it does; a second call does nothing."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process, signal.SIGKILL)

    def status(self, seconds: float) -> int | None:
        """Return the status with which it ended: negative, a signal; None: it has not, in time."""
        poll = select.poll()
        poll.register(self.ended, select.POLLIN)
        said = os.read(self.ended, MESSAGE) if poll.poll(seconds * 1000) else b""
        return int(said) if said else None

    def close(self) -> None:
        """End it and close its pipes."""
        self.kill()
        self.channel.close()
        with contextlib.suppress(OSError):
            os.close(self.ended)


class Nursery:
    """The process that forks, as the auditor sees it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # An empty folder to work in: what is named without a folder is not found there.
        self._folder = Folder()
        mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # Where the auditor works, there may be anything; packages are elsewhere.
        path = [str(Path(one).absolute()) for one in sys.path if one and one != str(Path.cwd())]
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter
                [
                    *(sys.executable, "-I", "-c", STARTED, str(theirs.fileno())),
                    *(json.dumps(path), str(PACKAGE / "__init__.py")),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                cwd=self._folder.name,
                env={name: os.environ[name] for name in KEPT if name in os.environ},
                start_new_session=True,  # an interrupted audit ends it by closing the socket
            )
        self._socket = mine

    @property
    def is_alive(self) -> bool:
        """Whether it can still fork."""
        return self._process.poll() is None

    def has_ended(self, seconds: float) -> bool:
        """Wait so long for its end; return whether it came."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return not self.is_alive

    def load(self, adapter: str) -> None:
        """Have it load what workers of an adapter need; nobody waits for that."""
        with self._lock, contextlib.suppress(OSError):  # who forks is told that it has ended
            self._socket.send(f"{adapter}/".encode())

    def fork(self, adapter: str, suffix: str) -> Worker:
        """Return a new worker for a suspect of an adapter, with a name that ends in `suffix`.

        Raises:
            IsolationError: There is none in time.
        """
        with self._lock, pipes() as (reading, their_writing, their_reading, writing):
            ended, status = os.pipe()
            try:
                fds = [their_reading, their_writing, status]
                socket.send_fds(self._socket, [f"{adapter}/{suffix}".encode()], fds)
                self._socket.settimeout(PATIENCE)
                process = int(self._socket.recv(MESSAGE) or b"0")
            except (OSError, ValueError) as error:
                os.close(ended)
                raise IsolationError(f"no worker could be started: {error}") from error
            finally:
                os.close(status)
            if not process:
                os.close(ended)
                raise IsolationError("no worker could be started")
            return Worker(Channel(os.dup(reading), os.dup(writing)), process, ended)

    def close(self) -> None:
        """End the process and, with it, all of its workers."""
        self._socket.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        self._process.kill()
        self._process.wait()
        self._folder.cleanup()


def fork(adapter: str, suffix: str) -> Worker:
    """Return a new worker for a suspect of an adapter, with a name that ends so.

    Raises:
        IsolationError: There is none in time.
    """
    nursery = _nursery(os.getpid())
    if nursery.is_alive:
        try:
            return nursery.fork(adapter, suffix)
        except IsolationError:
            if not nursery.has_ended(LAST_WORDS):
                raise
    # It has ended, perhaps while it loaded a library. A fresh one is tried once.
    _nursery.cache_clear()
    return _nursery(os.getpid()).fork(adapter, suffix)


def load(adapter: str) -> None:
    """Begin to load what workers of an adapter need, where there are workers (on Linux)."""
    if sys.platform == "linux":
        _nursery(os.getpid()).load(adapter)


@functools.cache
def _nursery(_process: int) -> Nursery:
    # By the process's number: a fork of this process must not share the socket.
    made = Nursery()
    atexit.register(made.close)
    return made


def serve(control: int) -> None:
    """Load what each message names, and fork a worker if it brings pipes, until the auditor's gone.

    The process that asks has gone once its messages end.
    """
    from auditkit.suspects.isolation import worker

    asked = socket.socket(fileno=control)
    ended: dict[int, tuple[int, int]] = {}  # pidfd -> process, pipe for its status
    seen = set[str]()
    poll = select.poll()
    poll.register(asked, select.POLLIN)
    while True:
        for end, _ in poll.poll():
            if end != control:
                poll.unregister(end)
                _bury(end, *ended.pop(end))
                continue
            name, pipes_of_one, _, _ = socket.recv_fds(asked, MESSAGE, 3)
            if not name:
                with contextlib.suppress(OSError):  # the auditor's process may have been killed
                    Path.cwd().rmdir()
                return
            _prepare(name, seen)
            if not pipes_of_one:
                continue
            seen.add(name.decode().partition("/")[0])
            reading, writing, status = pipes_of_one
            process = os.fork()
            if not process:
                asked.close()
                for one in (status, *ended, *(pipe for _, pipe in ended.values())):
                    os.close(one)
                worker.run(reading, writing)
            os.close(reading)
            os.close(writing)
            watch = os.pidfd_open(process)
            ended[watch] = (process, status)
            poll.register(watch, select.POLLIN)
            with contextlib.suppress(OSError):  # the auditor's process was killed meanwhile
                asked.send(str(process).encode())


def _prepare(name: bytes, seen: Collection[str]) -> None:
    """Load what the workers of an adapter need, and what pays once there was one before."""
    from auditkit.adapters import adapter_kind

    with contextlib.suppress(Exception):  # the worker tells what is missing
        adapter, _, suffix = name.decode().partition("/")
        kind = adapter_kind(adapter)
        kind.prepare(suffix)
        if adapter in seen:
            kind.prepare_many()


def _bury(watch: int, process: int, status: int) -> None:
    """Tell how a worker ended."""
    os.close(watch)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    with contextlib.suppress(OSError):
        os.write(status, str(code).encode())
    os.close(status)
