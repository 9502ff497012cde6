"""Where the results of a check go: the report, and the folder of kept answers."""

import sys
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


def check_format(name: str) -> None:
    """Check that there is a report of this format, before any suspect is asked.

    Raises:
        typer.BadParameter: There is none.
    """
    from auditkit import reports
    from auditkit.core import plugins

    if name not in plugins.names(reports):
        known = ", ".join(plugins.names(reports))
        raise typer.BadParameter(f"--format wants one of {known}, got {clean(name)!r}")


def settled_format(name: str, *, as_json: bool, explain: bool) -> str:
    """Return the format that `--format`, `--json` and `--explain` ask for together.

    Raises:
        typer.BadParameter: There is no such format, or they contradict each other.
    """
    if as_json and name not in ("terminal", "json"):
        raise typer.BadParameter(f"--json and --format {clean(name)} contradict each other")
    chosen = "json" if as_json else name
    check_format(chosen)
    if explain and chosen != "terminal":
        raise typer.BadParameter(f"--explain goes with the report for people, not {chosen}")
    return chosen


def check_apart(output: Path | None, *read: str | Path | None) -> None:
    """Check that nothing which a command reads would be written over by what it writes.

    Raises:
        typer.BadParameter: The output is one of the files that are read.
    """
    if output is None or not output.exists():
        return
    for one in filter(None, map(str, filter(None, read))):
        if Path(one).exists() and output.samefile(one):
            raise typer.BadParameter(f"-o would write over {clean(one)!r}; name another file")


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


def show(
    found: "Report", output_format: str, output: Path | None, signer: "Signer | None" = None
) -> None:
    """Print the report, or write it to a file and sign that with a key.

    Raises:
        AuditkitError: The file can't be written.
    """
    from auditkit import reports
    from auditkit.core import plugins
    from auditkit.files.container import write_whole
    from auditkit.files.signing import signed
    from auditkit.reports.base import Screen

    # A file is UTF-8 without colours, whatever the terminal of whoever made it can show.
    render = plugins.load(reports, output_format)
    if output is not None:
        write_whole(output, render(found, Screen()))
        if signer is not None:
            signed.sign_report(output, signer)
        return
    # Bytes, because a renderer knows how to escape what this encoding lacks; print would crash.
    screen = Screen(sys.stdout.encoding or "utf-8", sys.stdout.isatty())
    typer.echo(render(found, screen), nl=False)
