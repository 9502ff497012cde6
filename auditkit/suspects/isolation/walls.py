"""What a worker may not do: the walls are raised, and then each is tried.

A wall counts as held only where what it forbids was tried and failed. Kernels, containers and
processors differ in what they let an ordinary process forbid itself.
"""

import contextlib
import enum
import mmap
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from auditkit.suspects.isolation import seccomp

try:
    import landlockpy
    from landlockpy import AccessFS, Ruleset, Scope
except ImportError:  # it is for Linux alone
    landlockpy = None  # type: ignore[assignment]
try:
    import resource
except ImportError:  # Windows has no such limits, and suspects get no worker there
    resource = None  # type: ignore[assignment]

CORES = os.cpu_count() or 1
ROOM = (1 << 30) + CORES * (160 << 20)
"""Bytes of addresses beside the memory that is used: libraries, and for each thread a stack and an
arena."""
READ_BY_LIBRARIES = (
    *("/usr", "/lib", "/lib64", "/opt", "/etc/ld.so.cache", "/etc/localtime", "/etc/ssl"),
    *("/proc/cpuinfo", "/proc/meminfo", "/sys/devices", "/sys/fs/cgroup"),
    *("/dev/null", "/dev/zero", "/dev/urandom"),
)
CARDS = (
    *("/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools", "/dev/nvidia-modeset"),
    *("/dev/nvidia-caps", "/dev/nvidia-caps-imex-channels", "/dev/dxg"),
    *(f"/dev/nvidia{n}" for n in range(16)),
)
"""Devices of NVIDIA's cards, which CUDA writes to."""
# What the driver needs is told by nobody; others found it by tracing it (docs/decisions/0013).
READ_BY_CUDA = (
    *("/proc/self", "/proc/devices", "/proc/modules", "/proc/stat", "/proc/filesystems"),
    *("/proc/driver/nvidia", "/proc/driver/nvidia-uvm", "/proc/sys/vm", "/sys/bus/pci"),
    *("/sys/module", "/etc/nvidia", "/run/nvidia-persistenced"),
)
THREADS = "/proc/self/task"
"""CUDA writes the names of its threads there, and does not start if it can't."""


class Wall(enum.StrEnum):
    """Something that a worker can't do."""

    WRITING = "writing"
    """Write, make, change or remove any file."""
    READING = "reading"
    """Read files other than the suspect's and those of Python and its libraries."""
    NETWORK = "network"
    COMMANDS = "commands"
    """Start another process."""
    SIGNALS = "signals"
    """End or stop other processes."""
    MEMORY = "memory"
    """Use more memory than it is given."""


SAFE = frozenset({Wall.WRITING, Wall.NETWORK, Wall.COMMANDS, Wall.SIGNALS})
"""Walls behind which code of a stranger can be run."""


def half_of_memory() -> int:
    """Return half of this machine's memory, or of what its container may use, in bytes."""
    most = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):  # "max" is no number
        most = min(most, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return most // 2


def has_card() -> bool:
    """Return whether this machine has a card that CUDA may use."""
    return any(Path(card).exists() for card in CARDS)


def raise_walls(readable: Sequence[str], memory: int, *, card: bool) -> None:
    """Raise every wall that this machine has, for the rest of the process's life.

    Args:
        readable: Files and folders that may be read, besides those of Python and its libraries.
        memory: Bytes that may be used from now on, besides what is in use.
        card: Whether a card may be used. CUDA takes far more addresses than memory, names its
            threads, and listens on a socket that nobody can reach.
    """
    _limit(memory, card=card)
    _shut_files([*readable, *_of_python(), *READ_BY_LIBRARIES], card=card)
    seccomp.restrict(card=card)


def held(memory: int) -> frozenset[Wall]:
    """Return the walls that hold, by trying what they forbid; `memory` as `raise_walls` has it."""
    return frozenset(wall for wall, attempt in _attempts(memory).items() if _fails(attempt))


def _limit(memory: int, *, card: bool) -> None:
    _set(resource.RLIMIT_CORE, 0)
    used, addresses = _in_use()
    _set(resource.RLIMIT_DATA, used + memory)
    # CUDA sets addresses aside for all of the card's memory, and makes nameless files.
    if not card:
        _set(resource.RLIMIT_AS, addresses + memory + ROOM)
    _set(resource.RLIMIT_FSIZE, memory if card else 0)
    with contextlib.suppress(OSError):  # whatever is not limited: the kernel ends this one first
        Path("/proc/self/oom_score_adj").write_text("1000")


def _set(what: int, value: int) -> None:
    _, most = resource.getrlimit(what)
    value = value if most == resource.RLIM_INFINITY else min(value, most)
    resource.setrlimit(what, (value, value))


def _in_use() -> tuple[int, int]:
    """Return the bytes of this process's data and of its addresses."""
    found = dict.fromkeys(("VmData", "VmSize"), 0)
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name in found:
            found[name] = int(rest.split()[0]) << 10
    return found["VmData"], found["VmSize"]


def _shut_files(readable: Sequence[str], *, card: bool) -> None:
    if landlockpy is None:
        return
    with contextlib.suppress(landlockpy.LandlockError, OSError):
        # Everything that the kernel can forbid is forbidden, and then some is allowed.
        ruleset = Ruleset(scoped=Scope.ABSTRACT_UNIX_SOCKET | Scope.SIGNAL)
        for path in readable:
            _allow(ruleset, path, AccessFS.READ_FILE)
        if card:
            _allow_cuda(ruleset)
        ruleset.restrict()


def _allow_cuda(ruleset: "Ruleset") -> None:
    for path in READ_BY_CUDA:
        _allow(ruleset, path, AccessFS.READ_FILE)
    for path in CARDS:
        _allow(ruleset, path, AccessFS.READ_FILE | AccessFS.WRITE_FILE | AccessFS.IOCTL_DEV)
    # Kept open for the process's life. The rule is for this very folder, which the kernel forgets
    # when it is short of memory, and makes anew under the same name.
    os.open(THREADS, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    _allow(ruleset, THREADS, AccessFS.READ_FILE | AccessFS.WRITE_FILE | AccessFS.TRUNCATE)


def _allow(ruleset: "Ruleset", path: str, access: "AccessFS") -> None:
    """Allow a file, or what is in a folder, if it is there."""
    if Path(path).is_dir():
        access |= AccessFS.READ_DIR
    with contextlib.suppress(OSError):
        ruleset.allow_path(path, access)


def _of_python() -> list[str]:
    """Return the folders of Python and its packages."""
    return [sys.prefix, sys.base_prefix, *sys.path]


def _attempts(memory: int) -> dict[Wall, Callable[[], object]]:
    return {
        Wall.WRITING: _write,
        Wall.READING: lambda: list(Path("/").iterdir()),
        Wall.NETWORK: lambda: socket.socket().close(),
        Wall.COMMANDS: _fork,
        Wall.SIGNALS: lambda: os.kill(os.getppid(), 0),
        Wall.MEMORY: lambda: mmap.mmap(-1, memory + ROOM, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS),
    }


def _fails(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except (OSError, MemoryError, ValueError):
        return True
    return False


def _write() -> None:
    """Make an empty file where anybody may."""
    for folder in ("/tmp", "/var/tmp", "/dev/shm", "."):  # noqa: S108 - it is refused or removed
        with contextlib.suppress(OSError):
            handle, path = tempfile.mkstemp(dir=folder)
            os.close(handle)
            Path(path).unlink()
            return
    raise PermissionError


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)
    os.wait()
