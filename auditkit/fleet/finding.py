"""Finds the bundles and the suspects that arguments name: files, folders, patterns and lists.

A folder is searched for model files and bundles alone. A description of an API in it would send the
bundle's points to whatever address it names, and a table of numbers in it is mostly no recording of
answers; each is taken only where it is named itself, or by a pattern that ends as it does.
"""

import glob
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from auditkit.adapters import adapter_kind, identified
from auditkit.core.errors import AuditkitError, FleetError, SuspectLoadError
from auditkit.core.escape import clean
from auditkit.core.plugins import names

BUNDLE = ".fp"
HEAD = 1 << 16
"""Bytes at the beginning of a file in which a bundle says what it is."""
MARK = b"auditkit.bundle/"
LARGEST_LIST = 16 << 20
"""Largest list of addresses, in bytes."""
APIS = "descriptions of APIs"
RECORDINGS = "tables and arrays"
HIDDEN = "hidden files"


@dataclass(frozen=True, slots=True)
class Found:
    """What arguments name."""

    bundles: tuple[str, ...]
    suspects: tuple[str, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)
    """How many files in folders could be suspects and were not taken, by what they are."""

    def told(self) -> str:
        """Return one line on what was left out; empty if nothing was."""
        if not self.left_out:
            return ""
        counts = ", ".join(f"{count} {what}" for what, count in sorted(self.left_out.items()))
        return f"left out in folders: {counts}; name each that is meant"


def found(arguments: Iterable[str]) -> Found:
    """Look up what the arguments name, each thing once, in their order and by name in folders.

    Raises:
        FleetError: An argument names nothing, or a list can't be read.
    """
    search = _Search(_suffixes())
    for argument in arguments:
        search.take(argument)
    return search.found()


def suspects_among(arguments: Sequence[str]) -> Found:
    """Look up suspects: files in folders, what fits a pattern, and all other names as they are.

    A name of nothing is a suspect that will be refused alone; so is a folder or a pattern without
    suspects, unless it is the only argument.

    Raises:
        SuspectLoadError: The only argument is a folder or a pattern without suspects.
    """
    known = _suffixes()
    whole = _Search(known)
    for argument in arguments:
        one = _Search(known)
        try:
            is_one = not one.take_many(argument)
        except FleetError:
            is_one = False
        if not is_one and not one.suspects and len(arguments) == 1:
            raise _none(argument, "holds" if Path(argument).is_dir() else "fits")
        whole.join(one)
        if not one.suspects:
            whole.suspects[argument] = None
    return whole.found()


def _none(argument: str, verb: str) -> SuspectLoadError:
    wanted = ", ".join(_suffixes().models)
    return SuspectLoadError(
        f"{clean(argument)!r} {verb} no suspect; wanted files that end in {wanted}"
    )


class _Search:
    """Collects names; a dict keeps their order and each of them once."""

    def __init__(self, known: "_Suffixes") -> None:
        self.bundles: dict[str, None] = {}
        self.suspects: dict[str, None] = {}
        self.left_out: Counter[str] = Counter()
        self._known = known

    def join(self, other: "_Search") -> None:
        """Take what another search has found."""
        self.bundles |= other.bundles
        self.suspects |= other.suspects
        self.left_out += other.left_out

    def found(self) -> Found:
        """Return what was collected."""
        return Found(tuple(self.bundles), tuple(self.suspects), dict(+self.left_out))

    def take(self, argument: str) -> None:
        """Take whatever an argument names.

        Raises:
            FleetError: It names nothing.
        """
        if self.take_many(argument):
            return
        if "://" not in argument and _is_there(Path(argument)):
            self._take_file(Path(argument))
        elif _is_suspect(argument):
            self.suspects[argument] = None
        else:
            raise FleetError(
                f"{argument!r} names nothing; wanted a file, a folder, a pattern such as "
                "'models/**/*.onnx', an address, or a list of addresses"
            )

    def take_many(self, argument: str) -> bool:
        """Take what is in a folder or fits a pattern; False if the argument is neither.

        Raises:
            FleetError: Nothing fits the pattern.
        """
        if "://" in argument:
            return False
        # A file may be called model[1].onnx, so what is there is taken as it is.
        if _is_there(Path(argument)):
            if not Path(argument).is_dir():
                return False
            self._take_folder(argument)
            return True
        if not glob.has_magic(argument):
            return False
        paths = sorted(glob.iglob(argument, recursive=True))  # noqa: PTH207 - it may be absolute
        if not paths:
            raise FleetError(f"no file fits {argument!r}")
        for path in paths:
            if Path(path).is_dir():
                self._take_folder(path)
            else:
                self._take_among_others(path, PurePath(argument).suffix.lower())
        return True

    def _take_file(self, path: Path) -> None:
        """Take a file that was named itself; what is no bundle and no suspect is a list."""
        if path.suffix.lower() == BUNDLE:
            self.bundles[str(path)] = None
        elif _is_suspect(str(path)):
            self.suspects[str(path)] = None
        elif _says_bundle(path):
            self.bundles[str(path)] = None
        else:
            self.suspects.update(dict.fromkeys(listed(path)))

    def _take_among_others(self, path: str, wanted: str | None = None) -> None:
        """Take a file of a folder, or one that fits a pattern that ends in the wanted suffix."""
        suffix, known = PurePath(path).suffix.lower(), self._known
        if suffix == BUNDLE:
            self.bundles[path] = None
        elif suffix in known.models or (suffix == wanted and suffix in known.others):
            self.suspects[path] = None
        elif suffix in known.others:
            self.left_out[known.others[suffix]] += 1
        elif wanted is not None and _says_bundle(Path(path)):
            self.bundles[path] = None

    def _take_folder(self, folder: str) -> None:
        for path in _files(Path(folder)):
            parts = PurePath(path).relative_to(folder).parts
            if not any(part.startswith(".") for part in parts):
                self._take_among_others(path)
            elif PurePath(path).suffix.lower() in self._known.models:
                # Counted, since a copy that somebody hid must not go unnoticed.
                self.left_out[HIDDEN] += 1


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


@dataclass(frozen=True, slots=True)
class _Suffixes:
    """The suffixes of files that adapters open, in lower case."""

    models: tuple[str, ...]
    others: Mapping[str, str]
    """Of files that lead elsewhere or hold no model, with what they are."""


def _suffixes() -> _Suffixes:
    from auditkit import adapters

    models: list[str] = []
    others: dict[str, str] = {}
    for one in names(adapters):
        try:
            kind = adapter_kind(one)
        except AuditkitError:  # a plug-in that can't be loaded owns no files
            continue
        if kind.remote or kind.recorded:
            others |= dict.fromkeys(kind.suffixes, APIS if kind.remote else RECORDINGS)
        else:
            models += kind.suffixes
    return _Suffixes(tuple(models), others)


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
