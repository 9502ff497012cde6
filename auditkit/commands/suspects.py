"""What arguments name: suspects in folders and patterns, and evidence in folders."""

import glob
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from auditkit.adapters import adapter_kind
from auditkit.core.errors import AuditkitError, EvidenceError, SuspectLoadError
from auditkit.core.escape import clean
from auditkit.core.plugins import names

EVIDENCE = ".evidence"


def named(arguments: Sequence[str]) -> list[str]:
    """Return the suspects that arguments name: files in folders, and what fits a pattern.

    Whatever is no folder and no pattern is a suspect's name as it is. Folders and patterns don't
    name descriptions of APIs: their addresses would be told the points, and nobody had named them.

    A folder or a pattern without any among other arguments is kept as it is, to be refused alone.

    Raises:
        SuspectLoadError: The only folder holds no file that an adapter opens, or the only pattern
            fits none.
    """
    if len(arguments) == 1:
        return _named(arguments[0])
    found = [one for argument in arguments for one in _kept(argument)]
    return list(dict.fromkeys(found))


def _kept(argument: str) -> list[str]:
    try:
        return _named(argument)
    except SuspectLoadError:
        return [argument]


def _named(argument: str) -> list[str]:
    if "://" in argument:
        return [argument]
    if Path(argument).is_dir():
        return _suspects(argument, _files(Path(argument)), "holds")
    # A file may be called model[1].onnx, so what is there is taken as it is.
    if glob.has_magic(argument) and not Path(argument).exists():
        paths = map(Path, sorted(glob.iglob(argument, recursive=True)))  # noqa: PTH207 - or absolute
        whole = [file for path in paths for file in (_files(path) if path.is_dir() else [path])]
        return _suspects(argument, whole, "fits")
    return [argument]


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder by name, without those that are hidden."""
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and path.is_file():
            yield path


def _suspects(argument: str, files: Iterable[Path], verb: str) -> list[str]:
    wanted = _suffixes()
    found = [str(file) for file in files if file.suffix.lower() in wanted]
    if not found:
        raise SuspectLoadError(
            f"{clean(argument)!r} {verb} no suspect; wanted files that end in {', '.join(wanted)}"
        )
    return found


def _suffixes() -> list[str]:
    """Return the endings of files that some adapter opens without asking anybody else."""
    from auditkit import adapters

    kinds = []
    for name in names(adapters):
        try:
            kinds.append(adapter_kind(name))
        except AuditkitError:  # a plug-in that can't be loaded owns no files
            continue
    return [suffix for kind in kinds if not kind.remote for suffix in kind.suffixes]


def evidence_in(arguments: Sequence[Path]) -> list[Path]:
    """Return the files of answers that arguments name; `check --evidence` makes folders of them.

    Raises:
        EvidenceError: A folder holds none.
    """
    found: list[Path] = []
    for argument in arguments:
        if not argument.is_dir():
            found.append(argument)
            continue
        held = sorted(argument.glob(f"*{EVIDENCE}"))
        if not held:
            raise EvidenceError(
                f"{clean(str(argument))!r} holds no file that ends in {EVIDENCE}; "
                "`auditkit check --evidence FOLDER` writes them"
            )
        found += held
    return found
