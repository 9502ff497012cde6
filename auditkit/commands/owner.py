"""The owner's commands: parse, call, print; they decide nothing."""

from pathlib import Path
from typing import Annotated

import typer

from auditkit.commands.console import errors, progress_bar, summary, tell
from auditkit.commands.options import (
    BundlePath,
    Device,
    Mean,
    Model,
    Quiet,
    Range,
    Resize,
    Seed,
    Shape,
    Std,
    TrustTorch,
    Weights,
)
from auditkit.core.escape import clean
from auditkit.core.requests import InputFacts, Order, ReferencePlan, ShadowPlan


def fingerprint(
    model: Model,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The bundle.")] = None,
    weights: Weights = None,
    samples: Annotated[
        Path | None,
        typer.Option(help="Natural inputs: npz of x and y, or a folder of images by class."),
    ] = None,
    points: Annotated[
        int, typer.Option(min=20, max=5000, help="How many; with shadow models half are lineage.")
    ] = 100,
    method: Annotated[
        str, typer.Option(help="See `auditkit methods`; NAME or NAME:setting=value,…")
    ] = "deepcore",
    shadows: Annotated[
        Path | None,
        typer.Option(help="Folder of `auditkit shadows`; its models help to choose points."),
    ] = None,
    robust: Annotated[
        str, typer.Option(help="What core points survive on their way: jpeg, resize or both.")
    ] = "",
    siblings: Annotated[
        int,
        typer.Option(
            min=0, help="Nets of its architecture that are trained anew; with 0 nobody is accused."
        ),
    ] = 4,
    input_shape: Shape = None,
    input_range: Range = None,
    mean: Mean = None,
    std: Std = None,
    device: Device = "auto",
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Make a fingerprint bundle from the owner's model."""
    from auditkit import api
    from auditkit.files import bundle

    path = output or Path(Path(model.replace(":", ".")).name).with_suffix(".fp")
    with errors(), progress_bar(quiet=quiet) as progress:
        facts = _facts(input_shape, input_range, mean, std)
        ways = tuple(name.strip() for name in robust.split(",") if name.strip())
        order = Order(
            *(model, weights, samples, method, points, seed, device, facts, shadows, ways, siblings)
        )
        made = api.fingerprint(order, progress)
        bundle.write(made, path)
    if not quiet:
        tell(f"{path}: {summary(made)}")


def references(
    model: Model,
    data: Annotated[Path, typer.Option(help="Npz of x and y, or a folder of images by class.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the models.")],
    homologous: Annotated[int, typer.Option(min=0, help="How many independent models.")] = 99,
    pirated: Annotated[int, typer.Option(min=0, help="How many copies of the owner.")] = 20,
    epochs: Annotated[int, typer.Option(min=1, help="Of each training from scratch.")] = 8,
    weights: Weights = None,
    input_shape: Shape = None,
    input_range: Range = None,
    mean: Mean = None,
    std: Std = None,
    device: Device = "auto",
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Train reference models for `auditkit calibrate`; run again, it goes on."""
    from auditkit import api

    with errors(), progress_bar(quiet=quiet) as progress:
        facts = _facts(input_shape, input_range, mean, std)
        order = Order(model, weights, data, seed=seed, device=device, facts=facts)
        plan = ReferencePlan(homologous, pirated, epochs)
        line = api.references(order, output, plan, progress)
    if not quiet:
        tell(line)


def shadows(
    model: Model,
    data: Annotated[Path, typer.Option(help="Npz of x and y, or a folder of images by class.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the models.")],
    independent: Annotated[int, typer.Option(min=6, help="How many independent models.")] = 30,
    students: Annotated[int, typer.Option(min=6, help="How many learn the owner's answers.")] = 36,
    modified: Annotated[int, typer.Option(min=0, help="How many copies of its weights.")] = 12,
    epochs: Annotated[int, typer.Option(min=1, help="Of each training from scratch.")] = 8,
    weights: Weights = None,
    input_shape: Shape = None,
    input_range: Range = None,
    mean: Mean = None,
    std: Std = None,
    device: Device = "auto",
    seed: Annotated[int, typer.Option(min=0, help="Not that of the reference models.")] = 1,
    quiet: Quiet = False,
) -> None:
    """Train shadow models for `auditkit fingerprint`; run again, it goes on."""
    from auditkit import api

    with errors(), progress_bar(quiet=quiet) as progress:
        facts = _facts(input_shape, input_range, mean, std)
        order = Order(model, weights, data, seed=seed, device=device, facts=facts)
        plan = ShadowPlan(independent, students, modified, epochs)
        line = api.shadows(order, output, plan, progress)
    if not quiet:
        tell(line)


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
    from auditkit import api
    from auditkit.core.requests import Options
    from auditkit.files import bundle
    from auditkit.files.model_folder import reference_files

    levels = (accuse, acquit, clearance)
    if not (homologous or pirated or references) and levels == (None, None, None):
        raise typer.BadParameter("give at least one --homologous or --pirated, or --references")
    with errors(), progress_bar(quiet=quiet) as progress:
        models = reference_files(references, homologous or [], pirated or [])
        before = bundle.with_terms(bundle.read(bundle_path), *levels)
        asked = Options(device, resize, trust_torch=trust_torch)
        made = api.calibrate(before, *models, options=asked, progress=progress)
        bundle.write(made, output or bundle_path)
    if not quiet:
        tell(f"{output or bundle_path}: {summary(made)}")


def methods() -> None:
    """List the ways to find points: what each needs, and which paper it is from."""
    from auditkit import api

    with errors():
        for name, method in api.methods().items():
            needs = " and ".join(method.needs) or "nothing"
            typer.echo(f"{name:12} {method.paper}")
            typer.echo(f"{'':12} needs {needs}; weighed by {method.lead}, from {method.access} on")
            typer.echo(f"{'':12} settings: {method.described()}")


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
