"""The commands that need no suspect: verdicts from kept answers or from a ledger.

`judge` prints them, `report` writes them for people; neither asks anybody.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from auditkit.commands import signing
from auditkit.commands.command_line import command_line
from auditkit.commands.console import errors
from auditkit.commands.failing import Failing, Gate, of_outcomes
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
from auditkit.commands.sharing import spread
from auditkit.core.errors import AuditkitError, EvidenceError
from auditkit.core.escape import clean
from auditkit.core.verdicts import Outcome, Refusal

if TYPE_CHECKING:
    from auditkit.core.evidence import Evidence
    from auditkit.files.bundle import Bundle
    from auditkit.reports.base import Report

EVIDENCE = ".evidence"
Kept = Annotated[
    list[Path],
    typer.Argument(
        metavar="EVIDENCE...",
        help="Files of answers kept by `auditkit check --evidence FOLDER`, or that folder.",
    ),
]


@spread("failing", Failing)
def judge(
    bundle_path: BundlePath,
    evidence: Kept,
    output_format: Format = None,
    as_json: AsJson = False,
    explain: Explain = False,
    output: Output = None,
    pictures: Pictures = False,
    failing: Failing = Failing(),
    public: PublicKeyPath = None,
    authority: StampAuthorities = None,
) -> None:
    """Give the same verdicts again from kept answers.

    The suspects are not needed.
    """
    with errors():
        files = evidence_in(evidence)
        check_apart(output, bundle_path, *files, failing.baseline)
        gate = failing.gate()
        where = targets(output, settled_format(output_format, as_json=as_json, explain=explain))
        made = rejudged(bundle_path, files, public, authority, pictures=pictures)
        _end(replace(made, explained=explain), where, gate)


@spread("failing", Failing)
def report(
    source: Annotated[
        list[Path],
        typer.Argument(
            metavar="LEDGER | BUNDLE EVIDENCE...",
            help="The ledger of `auditkit scan`; or a bundle and files of answers kept by "
            "`auditkit check --evidence FOLDER`, or that folder.",
        ),
    ],
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
    bundle: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="The bundle to report on, of a ledger of several: its file's name or the "
            "beginning of its digest.",
        ),
    ] = "",
    pictures: Pictures = False,
    failing: Failing = Failing(),
    public: PublicKeyPath = None,
    authority: StampAuthorities = None,
) -> None:
    """Write a report to hand over, from a ledger or from kept answers.

    Nobody is asked again, and the exit code tells the verdict as that of `check` does.
    """
    with errors():
        from auditkit.fleet.ledger import is_ledger

        where, gate = targets(output, output_format), failing.gate()
        if is_ledger(source[0]):
            _check_alone(source, public, authority)
            check_apart(output, *source, failing.baseline)
            _end(_from_ledger(source[0], bundle, pictures=pictures), where, gate)
        if bundle:
            raise typer.BadParameter("--bundle chooses among those of a ledger; name the ledger")
        files = evidence_in(source[1:])
        if not files:
            raise typer.BadParameter(f"{clean(str(source[0]))!r} is no ledger; name evidence too")
        check_apart(output, source[0], *files, failing.baseline)
        _end(rejudged(source[0], files, public, authority, pictures=pictures), where, gate)


def _check_alone(source: list[Path], public: Path | None, authority: list[Path] | None) -> None:
    if len(source) > 1:
        raise typer.BadParameter("a report is on one ledger alone; name it and nothing else")
    if public is not None or authority:
        raise typer.BadParameter(
            "--public and --authority are for auditkit scan: signatures were checked there"
        )


def _from_ledger(path: Path, bundle: str, *, pictures: bool) -> "Report":
    from auditkit.fleet.dossier import chosen, dossier, latest
    from auditkit.fleet.ledger import Ledger

    with Ledger.open(path, read_only=True) as ledger:
        pairs = latest(list(ledger.pairs(chosen(ledger, bundle))))
        return dossier(ledger, pairs, pictures=pictures, command=command_line())


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
    from auditkit.reports.beside import Beside
    from auditkit.reports.build import report as built

    opened, commitment = signing.opened(bundle_path, public, authority)
    beside, outcomes = Beside(opened, pictures), []
    for path in evidence:
        outcome, said = _judged(opened, path)
        outcomes.append(outcome)
        beside.add(outcome, said)
    return built(
        opened, outcomes, commitment, beside.compared, command_line(), lineage=beside.lineage()
    )


def _end(made: "Report", where: tuple[Target, ...], gate: Gate) -> NoReturn:
    show(made, where)
    raise typer.Exit(gate.exit_code(of_outcomes(made.bundle.digest, made.outcomes)))


def _judged(bundle: "Bundle", path: Path) -> "tuple[Outcome, Evidence | None]":
    """The verdict on one evidence file, and what it holds; a bad one costs no other verdict."""
    from auditkit import api
    from auditkit.files.signing import signed

    try:
        # Whose signature it is, is told by `auditkit verify`; here a broken one is enough.
        if signed.envelope_path(path).exists():
            signed.verified(path)
        said = api.read_evidence(path, bundle)
        return api.judge(bundle, said), said
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
