"""The auditor's commands: check, queries, plan and inspect.

They parse arguments, call `auditkit.api` and print; verdicts are reached elsewhere.
"""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from auditkit.commands import remote, signing
from auditkit.commands.asking import HowAsked
from auditkit.commands.command_line import command_line
from auditkit.commands.console import errors, progress_bar, tell
from auditkit.commands.failing import Failing, of_outcomes
from auditkit.commands.options import (
    AsJson,
    BundlePath,
    Explain,
    Format,
    JournalPath,
    Output,
    Pictures,
    PrivateKey,
    PublicKeyPath,
    Quiet,
    StampAuthorities,
)
from auditkit.commands.output import EvidenceFolder, check_apart, settled_format, show, targets
from auditkit.commands.sharing import spread
from auditkit.core.access import Access
from auditkit.core.escape import clean
from auditkit.core.verdicts import Outcome


@spread("how", HowAsked)
@spread("failing", Failing)
def check(
    bundle_path: BundlePath,
    named: Annotated[
        list[str],
        typer.Argument(
            metavar="SUSPECT...",
            help="The models to examine: model.onnx, TorchScript model.pt, model.pt2, "
            "python:package.module:function, https://… or grpcs://… (see `auditkit probe`), "
            "api.toml, or recorded answers (.npz, .csv); a folder or 'models/*.onnx' for all model "
            "files in it.",
        ),
    ],
    output_format: Format = None,
    as_json: AsJson = False,
    explain: Explain = False,
    output: Output = None,
    evidence: Annotated[
        Path | None,
        typer.Option(help="Folder in which each suspect's answers are kept, for `auditkit judge`."),
    ] = None,
    journal: JournalPath = None,
    how: HowAsked = HowAsked(),
    failing: Failing = Failing(),
    public: PublicKeyPath = None,
    authority: StampAuthorities = None,
    key: PrivateKey = None,
    pictures: Pictures = False,
    quiet: Quiet = False,
) -> None:
    """Give a verdict on each suspect.

    Each suspect is asked about the points of the bundle.

    The exit code tells the verdict: 0 independent (homologous), 3 pirated, 4
    inconclusive, 5 could not be audited; --fail-on and --baseline choose which count.
    """
    how.expect(named)
    from auditkit import api
    from auditkit.fleet.finding import suspects_among
    from auditkit.reports.beside import Beside
    from auditkit.reports.build import report

    outcomes: list[Outcome] = []
    left = remote.Left(evidence, outcomes)
    with errors(left.told):
        there = suspects_among(named)
        suspects = list(there.suspects)
        check_apart(output, bundle_path, *suspects, journal, failing.baseline)
        gate = failing.gate()
        where = targets(output, settled_format(output_format, as_json=as_json, explain=explain))
        signer = signing.signer(key, evidence, output, journal)
        opened, commitment = signing.opened(bundle_path, public, authority)
        # Whatever can be wrong with the command is noticed before a suspect is asked: queries may
        # cost money, and a vendor may not answer twice.
        keeper = None if evidence is None else EvidenceFolder(evidence, opened, signer)
        kept = remote.journal_of(suspects, journal, quiet=quiet)
        asking = replace(how.asking(), journal=kept, key=key)
        left.journal = kept
        if there.left_out and not quiet:
            tell(there.told())
        beside = Beside(opened, pictures)
        with progress_bar(quiet=quiet) as progress:
            for examination in api.audit(opened, suspects, asking, progress):
                # Kept one by one: what was asked survives a crash on the next suspect.
                outcomes.append(examination.outcome)
                said = examination.evidence
                beside.add(examination.outcome, said)
                if keeper is not None and said is not None:
                    keeper.keep(said)
        made = report(
            opened,
            outcomes,
            commitment,
            beside.compared,
            command_line(),
            lineage=beside.lineage(),
            explained=explain,
        )
        show(made, where, signer)
        if keeper is not None:
            keeper.check()
    raise typer.Exit(gate.exit_code(of_outcomes(opened.digest, outcomes)))


def queries(
    bundle_path: BundlePath,
    output: Annotated[
        str,
        typer.Option(
            "--output", "-o", help="What to write: q.npz, q.csv, or FOLDER/ for a picture a point."
        ),
    ],
) -> None:
    """Write the points of a bundle to a file.

    This is for a suspect that can't be reached from here.
    Its owner records the answers, and that file is given to `auditkit check` as the suspect.
    """
    from auditkit import api
    from auditkit.files import bundle

    with errors():
        check_apart(Path(output), bundle_path)
        count = api.queries(bundle.read(bundle_path), output)
    tell(f"{output}: {count} points; record the answers with their index (docs/vendor.md)")


def plan(
    bundle_path: BundlePath,
    suspects: Annotated[
        int, typer.Option(min=1, help="How many suspects the report will cover.")
    ] = 1,
    access: Annotated[
        Access, typer.Option(help="The kind of answer that the suspects will reveal.")
    ] = Access.LABEL,
) -> None:
    """Say what audits with a bundle can show.

    No suspect is needed.
    """
    from auditkit.files import bundle
    from auditkit.judging.lineup.outlook import outlook

    with errors():
        opened = bundle.read(bundle_path)
        # Names in a bundle come from whoever made it, so control characters are escaped.
        for line in outlook(opened, access, suspects):
            typer.echo(clean(line, 400))


def inspect(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A bundle, an evidence file or a journal to describe."),
    ],
) -> None:
    """Describe a bundle, an evidence file or a journal."""
    from auditkit.reports import inspect

    with errors():
        typer.echo(inspect.describe(file))
