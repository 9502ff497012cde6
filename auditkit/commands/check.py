"""The auditor's commands: parse, call, print; they decide nothing."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auditkit.commands import remote
from auditkit.commands.console import errors, exit_code, progress_bar, tell
from auditkit.commands.options import (
    AllowHttp,
    AllowPrivate,
    Authorities,
    Budget,
    BundlePath,
    Concurrency,
    Device,
    Format,
    Header,
    JournalPath,
    Longest,
    Output,
    Proxy,
    Quiet,
    Rate,
    Resize,
    Timeout,
    TrustTorch,
)
from auditkit.core.access import Access
from auditkit.core.errors import AuditkitError, EvidenceError
from auditkit.core.escape import clean
from auditkit.core.verdicts import Outcome

if TYPE_CHECKING:
    from auditkit.core.evidence import Evidence
    from auditkit.files.bundle import Bundle


def check(
    bundle_path: BundlePath,
    suspects: Annotated[
        list[str],
        typer.Argument(
            metavar="SUSPECT...",
            help="model.onnx, model.pt, model.pt2, python:package.module:function, answers.npz, "
            "https://… (see auditkit probe), api.toml.",
        ),
    ],
    output_format: Format = "terminal",
    output: Output = None,
    access: Annotated[
        Access, typer.Option(help="Use no more than this of what a suspect reveals.")
    ] = Access.LOGITS,
    evidence: Annotated[
        Path | None, typer.Option(help="Folder to keep each suspect's answers in.")
    ] = None,
    sequential: Annotated[
        bool | None,
        typer.Option(
            "--sequential/--whole",
            help="Ask one by one and stop when the answers decide, or ask everything. Unless told: "
            "one by one behind an address, where reference models carry it.",
        ),
    ] = None,
    journal: JournalPath = None,
    budget: Budget = None,
    rate: Rate = None,
    concurrency: Concurrency = 8,
    patience: Longest = 120.0,
    header: Header = None,
    timeout: Timeout = 30.0,
    allow_http: AllowHttp = False,
    allow_private: AllowPrivate = False,
    proxy: Proxy = None,
    ca: Authorities = None,
    device: Device = "auto",
    resize: Resize = False,
    trust_torch: TrustTorch = False,
    quiet: Quiet = False,
) -> None:
    """Ask suspects about the bundle's points and give a verdict on each."""
    from auditkit import api
    from auditkit.core.requests import Asking, Options, Patience
    from auditkit.files import bundle

    with errors():
        check_format(output_format)
        opened = bundle.read(bundle_path)
        keeper = None if evidence is None else EvidenceFolder(evidence, opened)
        reach = remote.reach(header, timeout, proxy, ca)
        reach = replace(reach, allow_http=allow_http, allow_private=allow_private)
        kept = remote.journal_of(suspects, journal, quiet=quiet)
        how = Patience(budget, rate, concurrency, patience)
        options = Options(device, resize, trust_torch=trust_torch, reach=reach)
        asking = Asking(access, options, sequential, how, kept)
        outcomes: list[Outcome] = []
        with progress_bar(quiet=quiet) as progress:
            for examination in api.audit(opened, suspects, asking, progress):
                outcomes.append(examination.outcome)
                if keeper is not None and examination.evidence is not None:
                    keeper.keep(examination.evidence)
        show(opened, outcomes, output_format, output)
        if keeper is not None:
            keeper.check()
    raise typer.Exit(exit_code(outcomes))


def judge(
    bundle_path: BundlePath,
    evidence: Annotated[
        list[Path], typer.Argument(metavar="EVIDENCE...", help="Files kept by check --evidence.")
    ],
    output_format: Format = "terminal",
    output: Output = None,
) -> None:
    """Give the same verdicts again from kept answers, without the suspects."""
    from auditkit import api
    from auditkit.files import bundle
    from auditkit.files import evidence as evidence_files

    with errors():
        check_format(output_format)
        opened = bundle.read(bundle_path)
        outcomes: list[Outcome] = [
            api.judge(opened, evidence_files.read(path, opened)) for path in evidence
        ]
        show(opened, outcomes, output_format, output)
    raise typer.Exit(exit_code(outcomes))


def queries(
    bundle_path: BundlePath,
    output: Annotated[Path, typer.Option("--output", "-o", help="The npz to write.")],
) -> None:
    """Write what to ask a suspect that can't be reached; its answers are a suspect then."""
    from auditkit import api
    from auditkit.files import bundle

    with errors():
        count = api.queries(bundle.read(bundle_path), output)
    tell(f"{output}: {count} points; record the answers in their order as labels or scores")


def plan(
    bundle_path: BundlePath,
    suspects: Annotated[int, typer.Option(min=1, help="How many will be looked at.")] = 1,
    access: Annotated[Access, typer.Option(help="What they will reveal.")] = Access.LABEL,
) -> None:
    """Tell what an audit with this bundle can show, before anybody is asked."""
    from auditkit.files import bundle
    from auditkit.judging.calibration.outlook import outlook

    with errors():
        for line in outlook(bundle.read(bundle_path), access, suspects):
            typer.echo(clean(line, 400))


def inspect(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A bundle, an evidence file or a journal.")
    ],
) -> None:
    """Show what is in a bundle, an evidence file or a journal."""
    from auditkit.reports import inspect

    with errors():
        typer.echo(inspect.describe(file))


def check_format(name: str) -> None:
    """Make sure that there is a report of this format, before anybody is asked."""
    from auditkit import reports
    from auditkit.core import plugins

    if name not in plugins.names(reports):
        known = ", ".join(plugins.names(reports))
        raise typer.BadParameter(f"--format wants one of {known}, got {clean(name)!r}")


class EvidenceFolder:
    """Where evidence is kept; what can't be written never ends the audit of the others."""

    def __init__(self, folder: Path, bundle: "Bundle") -> None:
        """Make the folder before anybody is asked.

        Raises:
            EvidenceError: It can't be one.
        """
        self._folder, self._bundle = folder, bundle
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
        """Write one suspect's answers."""
        from auditkit.files import evidence as files

        try:
            files.write(evidence, self._bundle, self._folder / files.file_name(evidence))
        except AuditkitError as error:
            self._trouble = self._trouble or error

    def check(self) -> None:
        """Make sure, after the report, that all was kept.

        Raises:
            AuditkitError: The first thing that could not be written.
        """
        if self._trouble is not None:
            raise self._trouble


def show(
    bundle: "Bundle", outcomes: "list[Outcome]", output_format: str, output: Path | None
) -> None:
    """The report on the screen, or whole in a file."""
    from auditkit import reports
    from auditkit.core import plugins
    from auditkit.files.container import write_whole
    from auditkit.reports.base import Screen
    from auditkit.reports.build import report

    render = plugins.load(reports, output_format)
    if output is not None:
        write_whole(output, render(report(bundle, outcomes), Screen()))
        return
    screen = Screen(sys.stdout.encoding or "utf-8", sys.stdout.isatty())
    typer.echo(render(report(bundle, outcomes), screen), nl=False)
