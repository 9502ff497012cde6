"""Where the results of a check go: the report, and the folder of kept answers."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from auditkit.core.errors import AuditkitError, EvidenceError
from auditkit.core.escape import clean

if TYPE_CHECKING:
    from auditkit.core.evidence import Evidence
    from auditkit.files.bundle import Bundle
    from auditkit.files.signing.keys import Signer
    from auditkit.reports.base import Report


@dataclass(frozen=True, slots=True)
class Target:
    """One place that the report goes to."""

    path: Path | None
    """None: the screen."""
    format: str
    """The name of a report plug-in."""


def targets(output: list[Path] | None, output_format: str | None) -> tuple[Target, ...]:
    """Return where the report goes and in which formats, before any suspect is asked.

    Raises:
        typer.BadParameter: There is no such format, or none goes by the suffix of a file.
        MissingRuntimeError: A format needs a package that is not installed.
    """
    from auditkit import reports
    from auditkit.core import plugins
    from auditkit.reports.formats import DEFAULT

    if output_format is not None and output_format not in plugins.names(reports):
        known = ", ".join(plugins.names(reports))
        raise typer.BadParameter(f"--format wants one of {known}, got {clean(output_format)!r}")
    files = [Target(path, output_format or _by_suffix(path)) for path in output or ()]
    found = files or [Target(None, output_format or DEFAULT)]
    for target in found:
        plugins.load(reports, target.format)
        if target.path is None and target.format == "pdf" and sys.stdout.isatty():
            raise typer.BadParameter("a PDF is no text for a screen; name a file: -o report.pdf")
    return tuple(found)


def _by_suffix(path: Path) -> str:
    from auditkit.reports.formats import SUFFIXES, format_of

    found = format_of(path)
    if found is None:
        known = ", ".join(SUFFIXES)
        raise typer.BadParameter(
            f"no format goes by the suffix of -o {clean(path.name)!r}; wanted one of {known}, or "
            "--format"
        )
    return found


def settled_format(name: str | None, *, as_json: bool, explain: bool) -> str | None:
    """Return the format that `--format`, `--json` and `--explain` ask for together.

    Raises:
        typer.BadParameter: They contradict each other.
    """
    if as_json and name not in (None, "json"):
        raise typer.BadParameter(f"--json and --format {clean(name)} contradict each other")
    chosen = "json" if as_json else name
    if explain and chosen not in (None, "terminal"):
        raise typer.BadParameter(f"--explain goes with the report for people, not {chosen}")
    return chosen


def check_apart(output: Sequence[Path] | Path | None, *read: str | Path | None) -> None:
    """Check that nothing which a command reads would be written over by what it writes.

    Raises:
        typer.BadParameter: An output is one of the files that are read, has no name, or is named
            twice.
    """
    written = [output] if isinstance(output, Path) else list(output or ())
    for path in written:
        check_named(path, "-o")
    if len(set(written)) < len(written):
        raise typer.BadParameter("two -o name one file; name each once")
    known = [one for one in map(str, filter(None, read)) if Path(one).exists()]
    for path in written:
        if any(path.exists() and path.samefile(one) for one in known):
            raise typer.BadParameter(f"-o would write over {clean(str(path))!r}; name another file")


def check_named(path: Path, option: str) -> None:
    """Check that a file to write has a name of its own: `.` and nothing at all have none.

    Raises:
        typer.BadParameter: It has none.
    """
    if not path.name:
        raise typer.BadParameter(f"{option} wants a file's name, got {clean(str(path))!r}")


class EvidenceFolder:
    """The folder of `--evidence`.

    If a file can't be written, the audit goes on and the error is raised after the report: a full
    disk must not cost the verdicts on suspects that were already asked.
    """

    def __init__(self, folder: Path, bundle: "Bundle", signer: "Signer | None" = None) -> None:
        """Make the folder, before any suspect is asked.

        Raises:
            EvidenceError: There is a file of that name, or the folder can't be made.
        """
        self._folder, self._bundle, self._signer = folder, bundle, signer
        self._trouble: AuditkitError | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:
            raise EvidenceError(
                f"--evidence wants a folder, {str(folder)!r} is a file; name another"
            ) from error
        except OSError as error:
            raise EvidenceError(f"{str(folder)!r} can't be made: {error.strerror}") from error

    def keep(self, evidence: "Evidence") -> None:
        """Write one suspect's answers; an error is kept for `check`."""
        from auditkit.files import evidence as files
        from auditkit.files.signing import signed

        try:
            # The file name has the digest in it, so that two suspects called model.onnx both stay.
            path = self._folder / files.file_name(evidence)
            # A signature of what lay there before would read as one that does not hold.
            signed.envelope_path(path).unlink(missing_ok=True)
            files.write(evidence, self._bundle, path)
            if self._signer is not None:
                signed.sign(path, self._signer)
        except AuditkitError as error:
            self._trouble = self._trouble or error

    def check(self) -> None:
        """Raise the first error that `keep` met, if any.

        Raises:
            AuditkitError: A file could not be written.
        """
        if self._trouble is not None:
            raise self._trouble


def show(found: "Report", where: Sequence[Target], signer: "Signer | None" = None) -> None:
    """Print the report, or write it to files and sign these with a key.

    Raises:
        AuditkitError: A file can't be written.
    """
    from auditkit.files.container import write_whole
    from auditkit.files.signing import signed
    from auditkit.reports.base import Screen
    from auditkit.reports.formats import render

    for target in where:
        if target.path is None:
            # Bytes, because a renderer knows how to escape what this encoding lacks; print would
            # crash.
            screen = Screen(sys.stdout.encoding or "utf-8", sys.stdout.isatty())
            typer.echo(render(found, target.format, screen), nl=False)
            continue
        # A file is UTF-8 without colours, whatever the terminal of whoever made it can show.
        write_whole(target.path, render(found, target.format))
        if signer is not None:
            signed.sign_report(target.path, signer)
