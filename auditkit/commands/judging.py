"""The commands that need no suspect: the same verdicts again from kept answers.

`judge` prints them, `report` writes them for people; neither asks anybody.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from auditkit.commands import signing
from auditkit.commands.command_line import command_line
from auditkit.commands.console import errors, exit_code
from auditkit.commands.options import (
    AsJson,
    BundlePath,
    Explain,
    Format,
    Output,
    Pictures,
    PublicKeyPath,
    StampAuthorities,
)
from auditkit.commands.output import Target, check_apart, settled_format, show, targets
from auditkit.core.errors import AuditkitError, EvidenceError
from auditkit.core.escape import clean
from auditkit.core.verdicts import Outcome, Refusal

if TYPE_CHECKING:
    from auditkit.files.bundle import Bundle
    from auditkit.reports.base import Compared, Report

EVIDENCE = ".evidence"
Kept = Annotated[
    list[Path],
    typer.Argument(
        metavar="EVIDENCE...",
        help="Files of answers kept by `auditkit check --evidence FOLDER`, or that folder.",
    ),
]


def judge(
    bundle_path: BundlePath,
    evidence: Kept,
    output_format: Format = None,
    as_json: AsJson = False,
    explain: Explain = False,
    output: Output = None,
    pictures: Pictures = False,
    public: PublicKeyPath = None,
    authority: StampAuthorities = None,
) -> None:
    """Give the same verdicts again from kept answers.

    The suspects are not needed.
    """
    with errors():
        files = evidence_in(evidence)
        check_apart(output, bundle_path, *files)
        where = targets(output, settled_format(output_format, as_json=as_json, explain=explain))
        made = rejudged(bundle_path, files, public, authority, pictures=pictures)
        _end(replace(made, explained=explain), where)


def report(
    bundle_path: BundlePath,
    evidence: Kept,
    output: Annotated[
        list[Path],
        typer.Option(
            "--output",
            "-o",
            help="What to write: r.html, .pdf, .md, .csv, .sarif, .xml (JUnit), .cdx.json "
            "(CycloneDX), .json or .txt; may be given several times.",
        ),
    ],
    output_format: Format = None,
    pictures: Pictures = False,
    public: PublicKeyPath = None,
    authority: StampAuthorities = None,
) -> None:
    """Write a report to hand over, from kept answers.

    Nobody is asked again, and the exit code tells the verdict as that of `check` does.
    """
    with errors():
        files = evidence_in(evidence)
        check_apart(output, bundle_path, *files)
        where = targets(output, output_format)
        made = rejudged(bundle_path, files, public, authority, pictures=pictures)
        _end(made, where)


def rejudged(
    bundle_path: Path,
    evidence: list[Path],
    public: Path | None,
    authority: list[Path] | None,
    *,
    pictures: bool,
) -> "Report":
    """Return the report on kept answers.

    Raises:
        AuditkitError: The bundle can't be used; evidence that can't be is a refusal in the report.
    """
    from auditkit.reports.build import report as built

    opened, commitment = signing.opened(bundle_path, public, authority)
    found = [_judged(opened, path, pictures=pictures) for path in evidence]
    outcomes, compared = [one for one, _ in found], [two for _, two in found]
    return built(opened, outcomes, commitment, compared, command_line())


def _end(made: "Report", where: tuple[Target, ...]) -> NoReturn:
    show(made, where)
    raise typer.Exit(exit_code(list(made.outcomes)))


def _judged(bundle: "Bundle", path: Path, *, pictures: bool) -> "tuple[Outcome, Compared | None]":
    """The verdict on one evidence file; a bad file does not cost the verdicts on the others."""
    from auditkit import api
    from auditkit.files.signing import signed
    from auditkit.reports.comparing import compared

    try:
        # Whose signature it is, is told by `auditkit verify`; here a broken one is enough.
        if signed.envelope_path(path).exists():
            signed.verified(path)
        said = api.read_evidence(path, bundle)
        return api.judge(bundle, said), compared(bundle, said, pictures=pictures)
    except AuditkitError as error:
        return Refusal.of(str(path), error), None


def evidence_in(arguments: list[Path]) -> list[Path]:
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
