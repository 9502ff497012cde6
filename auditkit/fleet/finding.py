"""Finds the bundles and the suspects that arguments name: files, folders, patterns and lists.

A folder is searched for files alone. A description of an API in it would send the bundle's points
to whatever address it names, so that one is taken only where it is named itself.
"""

import glob
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from auditkit.adapters import adapter_kind, identified
from auditkit.core.errors import AuditkitError, FleetError
from auditkit.core.plugins import names

BUNDLE = ".fp"
HEAD = 1 << 16
"""Bytes at the beginning of a file in which a bundle says what it is."""
MARK = b"auditkit.bundle/"
LARGEST_LIST = 16 << 20
"""Largest list of addresses, in bytes."""


@dataclass(frozen=True, slots=True)
class Found:
    """What arguments name."""

    bundles: tuple[str, ...]
    suspects: tuple[str, ...]
    left_out: int = 0
    """Descriptions of APIs in folders."""


def found(arguments: Iterable[str]) -> Found:
    """Look up what the arguments name, each thing once, in their order and by name in folders.

    Raises:
        FleetError: An argument names nothing, or a list can't be read.
    """
    search = _Search()
    for argument in arguments:
        search.take(argument)
    return Found(tuple(search.bundles), tuple(search.suspects), search.left_out)


class _Search:
    """Collects names; a dict keeps their order and each of them once."""

    def __init__(self) -> None:
        self.bundles: dict[str, None] = {}
        self.suspects: dict[str, None] = {}
        self.left_out = 0

    def take(self, argument: str) -> None:
        is_address = "://" in argument
        if not is_address and _is_there(Path(argument)):
            self._take_path(Path(argument))
        elif not is_address and glob.has_magic(argument):
            self._take_pattern(argument)
        elif _is_suspect(argument):
            self.suspects[argument] = None
        else:
            raise FleetError(
                f"{argument!r} names nothing; wanted a file, a folder, a pattern such as "
                "'models/**/*.onnx', an address, or a list of addresses"
            )

    def _take_pattern(self, pattern: str) -> None:
        paths = sorted(glob.iglob(pattern, recursive=True))  # noqa: PTH207 - it may be absolute
        if not paths:
            raise FleetError(f"no file fits {pattern!r}")
        for path in paths:
            self._take_path(Path(path), named=False)

    def _take_path(self, path: Path, *, named: bool = True) -> None:
        """Take a file or folder, which was named itself or fits a pattern."""
        if path.is_dir():
            self._take_folder(path)
        elif path.suffix.lower() == BUNDLE:
            self.bundles[str(path)] = None
        elif _is_suspect(str(path)):
            self.suspects[str(path)] = None
        elif _says_bundle(path):
            self.bundles[str(path)] = None
        elif named:
            for line in listed(path):
                self.suspects[line] = None

    def _take_folder(self, folder: Path) -> None:
        local, remote = _suffixes()
        for path in _files(folder):
            suffix = PurePath(path).suffix.lower()
            if suffix == BUNDLE:
                self.bundles[path] = None
            elif suffix in local:
                self.suspects[path] = None
            elif suffix in remote:
                self.left_out += 1


def _says_bundle(path: Path) -> bool:
    """Return whether a file with another suffix says of itself that it is a bundle."""
    try:
        with path.open("rb") as file:
            return path.is_file() and MARK in file.read(HEAD)
    except OSError:
        return False


def listed(path: Path) -> list[str]:
    """Return the suspects that a text file names, one a line; `#` begins a remark.

    Raises:
        FleetError: It is no such list.
    """
    try:
        if path.stat().st_size > LARGEST_LIST or not path.is_file():
            raise FleetError(_no_list(path))
        text = path.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise FleetError(_no_list(path)) from error
    lines = [line.strip() for line in text.splitlines()]
    suspects = [line for line in lines if line and not line.startswith("#")]
    odd = next((line for line in suspects if not _is_suspect(line)), None)
    if odd is not None or not suspects:
        raise FleetError(f"{_no_list(path)}{f'; {odd[:80]!r} is none' if odd else ''}")
    return suspects


def _no_list(path: Path) -> str:
    return (
        f"{str(path)!r} is no bundle, no model file and no list; a list has one address or suspect "
        "a line"
    )


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that is too long, or has a NUL in it
        return False


def _is_suspect(name: str) -> bool:
    """Return whether an adapter takes the name."""
    try:
        identified(name)
    except AuditkitError:
        return False
    return True


def _suffixes() -> tuple[set[str], set[str]]:
    """Return the suffixes of files that adapters open here, and of those that lead elsewhere."""
    from auditkit import adapters

    kinds = [adapter_kind(one) for one in names(adapters)]
    return (
        {suffix for kind in kinds if not kind.remote for suffix in kind.suffixes},
        {suffix for kind in kinds if kind.remote for suffix in kind.suffixes},
    )


def _files(folder: Path) -> Iterator[str]:
    """Yield all regular files below a folder, by name; links to folders are not followed."""
    for place, folders, files in os.walk(folder):
        folders.sort()
        yield from _regular(place, files)


def _regular(place: str, files: Sequence[str]) -> Iterator[str]:
    for name in sorted(files):
        path = os.path.join(place, name)  # noqa: PTH118 - many files
        try:
            if stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - many files
                yield path
        except OSError:
            yield path  # the examination tells what is wrong with it
