"""The command line: parse, call, print, exit code; it decides nothing.

Exit codes: 0 homologous, 3 pirated, 4 inconclusive, 5 could not audit, 2 usage. 1 is never a
verdict, so a crash can't read as an accusation. Of several suspects 3 beats 5 beats 4 beats 0.
"""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from auditkit import doctor_cli, owner_cli, remote_cli, serve_cli
from auditkit.console import (
    COULD_NOT_AUDIT,
    Device,
    Quiet,
    errors,
    progress_bar,
    summary,
    tell,
)
from auditkit.outcomes import Outcome, Verdict
from auditkit.text import clean
from auditkit.types import Access, Decision

if TYPE_CHECKING:
    from auditkit.bundle import Bundle
    from auditkit.types import Evidence

EXIT_CODES = {Decision.HOMOLOGOUS: 0, Decision.PIRATED: 3, Decision.INCONCLUSIVE: 4}
WORST_FIRST = (3, 5, 4, 0)

app = typer.Typer(
    name="auditkit",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
    help="Find out whether a neural-network classifier was copied.",
    epilog="Exit codes: 0 homologous (independently trained), 3 pirated, 4 inconclusive, "
    "5 could not audit, 2 usage. Of several suspects, 3 beats 5 beats 4 beats 0.",
)

BundlePath = Annotated[Path, typer.Argument(metavar="BUNDLE", help="Fingerprint bundle (.fp).")]
Format = Annotated[str, typer.Option("--format", "-f", help="terminal or json.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Write there instead.")]
TrustTorch = Annotated[
    bool,
    typer.Option(
        "--trust-torch",
        help="Open TorchScript and .pt2 files, whose authors can then run code on this machine.",
    ),
]
Resize = Annotated[bool, typer.Option("--resize", help="Resize points to what a suspect takes.")]


app.command()(owner_cli.fingerprint)
app.command()(owner_cli.shadows)
app.command()(owner_cli.references)


@app.command()
def calibrate(
    bundle_path: BundlePath,
    homologous: Annotated[
        list[str] | None, typer.Option(help="A model known to be independent; repeatable.")
    ] = None,
    pirated: Annotated[
        list[str] | None, typer.Option(help="A model known to be derived; repeatable.")
    ] = None,
    references: Annotated[
        Path | None, typer.Option(help="A folder that `auditkit references` made.")
    ] = None,
    accuse: Annotated[
        float | None, typer.Option(help="Level of an accusation; 0.01 unless changed.")
    ] = None,
    acquit: Annotated[
        float | None, typer.Option(help="Level of an acquittal; 0.05 unless changed.")
    ] = None,
    clearance: Annotated[
        float | None,
        typer.Option(
            help="Share of the way to the owner that clears innocents; 0.4 unless changed."
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The new bundle; else the same file.")
    ] = None,
    device: Device = "auto",
    resize: Resize = False,
    trust_torch: TrustTorch = False,
    quiet: Quiet = False,
) -> None:
    """Keep the answers of models of known kind in the bundle, and its levels."""
    from auditkit import bundle, pipeline
    from auditkit.adapters.base import Options
    from auditkit.population import reference_files

    levels = (accuse, acquit, clearance)
    if not (homologous or pirated or references) and levels == (None, None, None):
        raise typer.BadParameter("give at least one --homologous or --pirated, or --references")
    with errors(), progress_bar(quiet=quiet) as progress:
        models = reference_files(references, homologous or [], pirated or [])
        before = bundle.with_terms(bundle.read(bundle_path), *levels)
        asked = Options(device, resize, trust_torch=trust_torch)
        made = pipeline.calibrate(before, *models, options=asked, progress=progress)
        bundle.write(made, output or bundle_path)
    if not quiet:
        tell(f"{output or bundle_path}: {summary(made)}")


@app.command()
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
    journal: remote_cli.JournalPath = None,
    budget: remote_cli.Budget = None,
    rate: remote_cli.Rate = None,
    concurrency: remote_cli.Concurrency = 8,
    patience: remote_cli.Longest = 120.0,
    header: remote_cli.Header = None,
    timeout: remote_cli.Timeout = 30.0,
    allow_http: remote_cli.AllowHttp = False,
    allow_private: remote_cli.AllowPrivate = False,
    proxy: remote_cli.Proxy = None,
    ca: remote_cli.Authorities = None,
    device: Device = "auto",
    resize: Resize = False,
    trust_torch: TrustTorch = False,
    quiet: Quiet = False,
) -> None:
    """Ask suspects about the bundle's points and give a verdict on each."""
    from auditkit import bundle, pipeline
    from auditkit.adapters.base import Options
    from auditkit.asking import Asking
    from auditkit.courier import Patience

    with errors():
        _known_format(output_format)
        opened = bundle.read(bundle_path)
        reach = remote_cli.reach(header, timeout, proxy, ca)
        reach = replace(reach, allow_http=allow_http, allow_private=allow_private)
        kept = remote_cli.journal_of(suspects, journal, quiet=quiet)
        how = Patience(budget, rate, concurrency, patience)
        options = Options(device, resize, trust_torch=trust_torch, reach=reach)
        asking = Asking(access, options, sequential, how, kept)
        with progress_bar(quiet=quiet) as progress:
            outcomes = pipeline.audit(opened, suspects, asking, progress, _keeper(evidence))
        _report(opened, outcomes, output_format, output)
    raise typer.Exit(exit_code(outcomes))


@app.command()
def judge(
    bundle_path: BundlePath,
    evidence: Annotated[
        list[Path], typer.Argument(metavar="EVIDENCE...", help="Files kept by check --evidence.")
    ],
    output_format: Format = "terminal",
    output: Output = None,
) -> None:
    """Give the same verdicts again from kept answers, without the suspects."""
    from auditkit import bundle, pipeline
    from auditkit import evidence as evidence_files

    with errors():
        _known_format(output_format)
        opened = bundle.read(bundle_path)
        outcomes: list[Outcome] = [
            pipeline.judge(opened, evidence_files.read(path)) for path in evidence
        ]
        _report(opened, outcomes, output_format, output)
    raise typer.Exit(exit_code(outcomes))


@app.command()
def queries(
    bundle_path: BundlePath,
    output: Annotated[Path, typer.Option("--output", "-o", help="The npz to write.")],
) -> None:
    """Write what to ask a suspect that can't be reached; its answers are a suspect then."""
    from auditkit import bundle, pipeline

    with errors():
        count = pipeline.queries(bundle.read(bundle_path), output)
    tell(f"{output}: {count} points; record the answers in their order as labels or scores")


@app.command()
def plan(
    bundle_path: BundlePath,
    suspects: Annotated[int, typer.Option(min=1, help="How many will be looked at.")] = 1,
    access: Annotated[Access, typer.Option(help="What they will reveal.")] = Access.LABEL,
) -> None:
    """Tell what an audit with this bundle can show, before anybody is asked."""
    from auditkit import bundle
    from auditkit.calibration.outlook import outlook

    with errors():
        for line in outlook(bundle.read(bundle_path), access, suspects):
            typer.echo(clean(line, 400))


app.command()(remote_cli.probe)
app.command()(serve_cli.serve)
app.command()(owner_cli.methods)
app.command()(owner_cli.bench)
app.command()(doctor_cli.doctor)


@app.command()
def inspect(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A bundle, an evidence file or a journal.")
    ],
) -> None:
    """Show what is in a bundle, an evidence file or a journal."""
    from auditkit import inspection

    with errors():
        typer.echo(inspection.describe(file))


def main() -> NoReturn:
    """Run the command line."""
    app()
    raise SystemExit(0)


def exit_code(outcomes: list[Outcome]) -> int:
    """The worst outcome's code: pirated, could not audit, inconclusive, homologous."""
    codes = {
        EXIT_CODES[outcome.decision] if isinstance(outcome, Verdict) else COULD_NOT_AUDIT
        for outcome in outcomes
    }
    return next((code for code in WORST_FIRST if code in codes), COULD_NOT_AUDIT)


def _known_format(name: str) -> None:
    from auditkit import registry, reports

    if name not in registry.names(reports):
        known = ", ".join(registry.names(reports))
        raise typer.BadParameter(f"--format wants one of {known}, got {clean(name)!r}")


def _keeper(folder: Path | None) -> "Callable[[Evidence], None]":
    if folder is None:
        return lambda _evidence: None
    from auditkit import evidence as evidence_files

    def keep(found: "Evidence") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        evidence_files.write(found, folder / evidence_files.file_name(found))

    return keep


def _report(
    bundle: "Bundle", outcomes: list[Outcome], output_format: str, output: Path | None
) -> None:
    from auditkit import registry, reporting, reports

    render = registry.load(reports, output_format)
    report = reporting.report(bundle, outcomes)
    if output is None:
        render(report, sys.stdout)
        return
    reporting.write(render, report, output)
