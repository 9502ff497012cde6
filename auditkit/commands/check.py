"""The auditor's commands: parse, call, print; they decide nothing."""

import sys
from collections.abc import Callable
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
        _known_format(output_format)
        opened = bundle.read(bundle_path)
        reach = remote.reach(header, timeout, proxy, ca)
        reach = replace(reach, allow_http=allow_http, allow_private=allow_private)
        kept = remote.journal_of(suspects, journal, quiet=quiet)
        how = Patience(budget, rate, concurrency, patience)
        options = Options(device, resize, trust_torch=trust_torch, reach=reach)
        asking = Asking(access, options, sequential, how, kept)
        with progress_bar(quiet=quiet) as progress:
            outcomes = api.audit(opened, suspects, asking, progress, _keeper(evidence))
        _report(opened, outcomes, output_format, output)
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
        _known_format(output_format)
        opened = bundle.read(bundle_path)
        outcomes: list[Outcome] = [
            api.judge(opened, evidence_files.read(path)) for path in evidence
        ]
        _report(opened, outcomes, output_format, output)
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


def _known_format(name: str) -> None:
    from auditkit import reports
    from auditkit.core import plugins

    if name not in plugins.names(reports):
        known = ", ".join(plugins.names(reports))
        raise typer.BadParameter(f"--format wants one of {known}, got {clean(name)!r}")


def _keeper(folder: Path | None) -> "Callable[[Evidence], None]":
    if folder is None:
        return lambda _evidence: None
    from auditkit.files import evidence as evidence_files

    def keep(found: "Evidence") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        evidence_files.write(found, folder / evidence_files.file_name(found))

    return keep


def _report(
    bundle: "Bundle", outcomes: list[Outcome], output_format: str, output: Path | None
) -> None:
    from auditkit import reports
    from auditkit.core import plugins
    from auditkit.reports import build

    render = plugins.load(reports, output_format)
    report = build.report(bundle, outcomes)
    if output is None:
        render(report, sys.stdout)
        return
    build.write(render, report, output)
