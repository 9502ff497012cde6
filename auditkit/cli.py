"""The command line: parse, call, print, exit code; it decides nothing.

Exit codes: 0 homologous, 3 pirated, 4 inconclusive, 5 could not audit, 2 usage. 1 is never a
verdict, so a crash can't read as an accusation. Of several suspects 3 beats 5 beats 4 beats 0.
"""

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from auditkit.console import COULD_NOT_AUDIT, errors, progress_bar
from auditkit.order import InputFacts, Order
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
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no remarks.")]
Format = Annotated[str, typer.Option("--format", "-f", help="terminal or json.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Write there instead.")]
Resize = Annotated[bool, typer.Option("--resize", help="Resize points to what a suspect takes.")]


@app.command()
def fingerprint(
    model: Annotated[
        str, typer.Argument(help="model.pt2, TorchScript model.pt, or package.module:factory.")
    ],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The bundle.")] = None,
    weights: Annotated[
        Path | None, typer.Option(help="For a factory: safetensors or a state dict.")
    ] = None,
    samples: Annotated[
        Path | None,
        typer.Option(help="Natural inputs: npz of x and y, or a folder of images by class."),
    ] = None,
    points: Annotated[int, typer.Option(min=20, max=5000, help="How many core points.")] = 100,
    method: Annotated[
        str, typer.Option(help="See `auditkit methods`; NAME or NAME:setting=value,…")
    ] = "deepcore",
    input_shape: Annotated[str | None, typer.Option(help="E.g. 3,32,32.")] = None,
    input_range: Annotated[str | None, typer.Option(help="E.g. 0,1.")] = None,
    mean: Annotated[
        str | None, typer.Option(help="Subtracted from each channel before the model.")
    ] = None,
    std: Annotated[str | None, typer.Option(help="Divides each channel before the model.")] = None,
    device: Device = "auto",
    seed: Annotated[int, typer.Option(min=0, help="Fixes everything random.")] = 0,
    quiet: Quiet = False,
) -> None:
    """Make a fingerprint bundle from the owner's model."""
    from auditkit import bundle, pipeline

    path = output or Path(Path(model.replace(":", ".")).name).with_suffix(".fp")
    with errors(), progress_bar(quiet=quiet) as progress:
        facts = _facts(input_shape, input_range, mean, std)
        order = Order(model, weights, samples, method, points, seed, device, facts)
        made = pipeline.fingerprint(order, progress)
        bundle.write(made, path)
    if not quiet:
        _tell(f"{path}: {_summary(made)}")


@app.command()
def calibrate(
    bundle_path: BundlePath,
    homologous: Annotated[
        list[str] | None, typer.Option(help="A model known to be independent; repeatable.")
    ] = None,
    pirated: Annotated[
        list[str] | None, typer.Option(help="A model known to be derived; repeatable.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The new bundle; else the same file.")
    ] = None,
    device: Device = "auto",
    resize: Resize = False,
    quiet: Quiet = False,
) -> None:
    """Keep the answers of models of known kind in the bundle."""
    from auditkit import bundle, pipeline
    from auditkit.adapters.base import Options

    if not homologous and not pirated:
        raise typer.BadParameter("give at least one --homologous or --pirated model")
    with errors(), progress_bar(quiet=quiet) as progress:
        before = bundle.read(bundle_path)
        made = pipeline.calibrate(
            before,
            homologous or [],
            pirated or [],
            options=Options(device, resize),
            progress=progress,
        )
        bundle.write(made, output or bundle_path)
    if not quiet:
        _tell(f"{output or bundle_path}: {_summary(made)}")


@app.command()
def check(
    bundle_path: BundlePath,
    suspects: Annotated[
        list[str],
        typer.Argument(
            metavar="SUSPECT...",
            help="model.onnx, model.pt, model.pt2, python:package.module:function, answers.npz.",
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
        bool, typer.Option("--sequential", help="Ask one by one and stop when the answers decide.")
    ] = False,
    device: Device = "auto",
    resize: Resize = False,
    quiet: Quiet = False,
) -> None:
    """Ask suspects about the bundle's points and give a verdict on each."""
    from auditkit import bundle, pipeline
    from auditkit.adapters.base import Options
    from auditkit.asking import Asking

    with errors():
        _known_format(output_format)
        opened = bundle.read(bundle_path)
        with progress_bar(quiet=quiet) as progress:
            asking = Asking(access, Options(device, resize), sequential)
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
    _tell(f"{output}: {count} points; record the answers in their order as labels or scores")


@app.command()
def methods() -> None:
    """List the ways to find points: what each needs, and which paper it is from."""
    from auditkit import pipeline

    with errors():
        for name, method in pipeline.methods().items():
            needs = " and ".join(method.needs) or "nothing"
            typer.echo(f"{name:12} {method.paper}")
            typer.echo(f"{'':12} needs {needs}; weighed by {method.lead}, from {method.access} on")
            typer.echo(f"{'':12} settings: {method.described()}")


@app.command()
def bench(
    folder: Annotated[Path, typer.Argument(help="Models of known kind with their manifest.json.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for all results.")],
    method: Annotated[
        list[str] | None, typer.Option(help="NAME, NAME:setting=value,… or all; repeatable.")
    ] = None,
    queries: Annotated[str, typer.Option(help="How many points are asked.")] = "10,20,50,100,200",
    workers: Annotated[int, typer.Option(min=1, help="Fingerprints made at a time.")] = 2,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Compare methods on models of known kind; run again, it goes on."""
    from auditkit.benchmark.command import bench as run

    command = "auditkit " + shlex.join(sys.argv[1:])
    with errors(), progress_bar(quiet=quiet) as progress:
        run(folder, output, method or [], queries, workers, device, command, progress)
    if not quiet:
        _tell(f"{output}: report.md, results.json, results.csv and plots")


@app.command()
def inspect(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A bundle or an evidence file.")],
) -> None:
    """Show what is in a bundle or an evidence file."""
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


def _facts(shape: str | None, bounds: str | None, mean: str | None, std: str | None) -> InputFacts:
    sizes = _numbers("--input-shape", shape)
    limits = _numbers("--input-range", bounds)
    if limits and len(limits) != 2:
        raise typer.BadParameter(f"--input-range wants two numbers such as 0,1, got {bounds!r}")
    if any(size != int(size) or size < 1 for size in sizes):
        raise typer.BadParameter(f"--input-shape wants sizes such as 3,32,32, got {shape!r}")
    return InputFacts(
        tuple(int(size) for size in sizes) or None,
        (limits[0], limits[1]) if limits else None,
        _numbers("--mean", mean),
        _numbers("--std", std),
    )


def _numbers(option: str, text: str | None) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise typer.BadParameter(
            f"{option} wants numbers between commas, got {clean(str(text))!r}"
        ) from None


def _summary(made: "Bundle") -> str:
    families = made.fingerprint.families
    counts = ", ".join(f"{len(family)} {name}" for name, family in families.items())
    return clean(
        f"{counts} points; {made.fingerprint.discrimination}: {made.fingerprint.reason}", 600
    )


def _tell(line: str) -> None:
    typer.echo(line, err=True)


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
