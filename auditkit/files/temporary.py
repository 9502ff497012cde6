"""Temporary files and folders, and those that a killed process left behind.

Whoever makes one holds a lock of it, which the system lets go of when the process ends, however it
ends. A later run takes away what nobody holds; it removes no folder with anything in it.
"""

import contextlib
import errno
import functools
import os
import re
import tempfile
import time
import weakref
from collections.abc import Callable
from pathlib import Path

try:
    import fcntl
except ImportError:  # outside Unix nothing is held, and so nothing is taken away
    fcntl = None  # type: ignore[assignment]

PREFIX = "auditkit-"
SECONDS = 60.0
"""Age below which nothing is taken away: it may not be held yet, or be about to get its name."""
NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)
"""How file systems without hard links, as on memory cards, refuse one."""
FILE = re.compile(r"\..{1,64}\.auditkit-[a-z0-9_]{8}", re.DOTALL)
FOLDER = re.compile(r"auditkit-[a-z0-9_]{8}")
"""Names of what is made here."""


def new_file(path: Path) -> tuple[int, str]:
    """Make a file beside another that is about to take its name.

    Files like it that a killed process left are removed.

    Returns:
        An open descriptor, and the file's name.

    Raises:
        OSError: It can't be made.
    """
    _clean_beside(path.parent)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:64]}.{PREFIX}")
    hold(handle)
    return handle, name


class Folder:
    """An empty folder for the life of this process, or until `cleanup`."""

    def __init__(self, file: str = "") -> None:
        """Make it, and remove those that killed processes left.

        Args:
            file: Name of an empty file that lies in it; left ones with such a file are removed.
        """
        _clean(Path(tempfile.gettempdir()), FOLDER, lambda left: _remove(left, file))
        self._file = file
        self.name = tempfile.mkdtemp(prefix=PREFIX)
        self._handle = _opened(self.name)
        if self._handle is not None:
            hold(self._handle)
        if file:
            Path(self.name, file).touch()

    def cleanup(self) -> None:
        """Remove it; a second call does nothing."""
        with contextlib.suppress(OSError):
            _remove(Path(self.name), self._file)
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


class Held:
    """A folder that no other run may use meanwhile, until this object or its process ends."""

    def __init__(self, handle: int | None) -> None:
        if handle is not None:
            weakref.finalize(self, os.close, handle)

    @classmethod
    def of(cls, folder: Path) -> "Held | None":
        """Hold a folder; None if another run does.

        Raises:
            OSError: It can't be opened.
        """
        if fcntl is None:
            return cls(None)
        handle = os.open(folder, os.O_RDONLY)
        if hold(handle):
            return cls(handle)
        os.close(handle)
        return None


def hold(handle: int) -> bool:
    """Hold the lock of an open file or folder for as long as it is open.

    Returns:
        Whether nobody else holds it; true as well where there are no locks.
    """
    if fcntl is None:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


@functools.lru_cache(maxsize=64)
def _clean_beside(folder: Path) -> None:
    """Clean a folder once: some commands write thousands of files into one."""
    _clean(folder, FILE, lambda left: left.unlink())


def _clean(folder: Path, name: re.Pattern[str], remove: Callable[[Path], None]) -> None:
    if fcntl is None:
        return
    for left in _left(folder, name):
        with contextlib.suppress(OSError):
            handle = os.open(left, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                old = time.time() - os.fstat(handle).st_mtime > SECONDS
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if old:
                    remove(left)
            finally:
                os.close(handle)


def _left(folder: Path, name: re.Pattern[str]) -> list[Path]:
    try:
        return [Path(entry.path) for entry in os.scandir(folder) if name.fullmatch(entry.name)]
    except OSError:
        return []


def _remove(folder: Path, file: str) -> None:
    """Remove a folder that holds nothing, or nothing but an empty file of this name."""
    inside = folder / file
    if file and inside.is_file() and not inside.stat().st_size:
        inside.unlink()
    folder.rmdir()


def _opened(name: str) -> int | None:
    try:
        return os.open(name, os.O_RDONLY)
    except OSError:  # folders can't be opened everywhere
        return None


def write_new(path: Path, data: bytes, mode: int) -> None:
    """Write a file whole, and only where there is none.

    Raises:
        FileExistsError: There is one, of whatever kind.
        OSError: It can't be written.
    """
    handle, name = new_file(path)
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _named_anew(name, path)
    finally:
        Path(name).unlink(missing_ok=True)


def _named_anew(name: str, path: Path) -> None:
    # Unlike a rename, a link never replaces a file that came meanwhile.
    try:
        os.link(name, path)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        if path.exists():
            raise FileExistsError(error.errno, "it is there already") from error
        Path(name).replace(path)


def usual_mode() -> int:
    """Return the rights that a new file gets here: `mkstemp` lets nobody else read its files."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
