"""The owner's commands: fingerprint and methods.

They parse arguments, call `auditkit.api` and print.
"""

import textwrap
from pathlib import Path
from typing import Annotated

import typer

from auditkit.commands.console import errors, progress_bar, summary, tell
from auditkit.commands.inputs import input_facts
from auditkit.commands.options import (
    Classes,
    Device,
    Head,
    Mean,
    Model,
    Quiet,
    Range,
    ResizeSamples,
    Seed,
    Shape,
    Std,
    Weights,
)
from auditkit.commands.output import check_apart
from auditkit.core.escape import clean
from auditkit.core.requests import Order, SampleForm


def fingerprint(
    model: Model,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="The bundle to write; by default MODEL's name with .fp."
        ),
    ] = None,
    weights: Weights = None,
    head: Head = "",
    samples: Annotated[
        Path | None,
        typer.Option(
            help="Natural inputs that the model was not trained on: an npz file with x and "
            "optionally y, or a folder with one subfolder of images per class. Without them only "
            "weights of files give a verdict."
        ),
    ] = None,
    classes: Classes = None,
    resize_samples: ResizeSamples = None,
    points: Annotated[
        int,
        typer.Option(min=20, max=5000, help="Number of core points."),
    ] = 100,
    method: Annotated[
        str,
        typer.Option(
            help="How points are found: NAME or NAME:setting=value,… (see `auditkit methods`); "
            "lineup with --twins, otherwise deepcore."
        ),
    ] = "",
    twins: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder made by `auditkit twins`, a folder of model files, or a model file; may "
            "be given several times. Twins are the model's own recipe with other random numbers; "
            "with them verdicts have exact error rates."
        ),
    ] = None,
    from_scratch: Annotated[
        bool,
        typer.Option(
            "--from-scratch",
            help="State that the model was trained from random weights, and not tuned from a "
            "public model: alike weights of a file then accuse by themselves.",
        ),
    ] = False,
    robust: Annotated[
        str,
        typer.Option(
            help="What core points must survive on the way to an API: jpeg, resize, or jpeg,resize."
        ),
    ] = "",
    siblings: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Number of models of the owner's architecture that are trained anew, to see "
            "whether innocent ones share the points; 4 unless that takes more than ten minutes. "
            "Without any, thresholds call no suspect pirated.",
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            help="Minutes after which core points that were found so far must do; what comes "
            "before and after takes its time besides."
        ),
    ] = None,
    input_shape: Shape = None,
    input_range: Range = None,
    mean: Mean = None,
    std: Std = None,
    device: Device = "auto",
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Find points that only the owner's model and its copies share.

    The points are written to a bundle, which `auditkit check` compares suspects with.
    """
    from auditkit import api
    from auditkit.files import bundle
    from auditkit.files.unfinished import finished

    # `package.module:factory` is no path; its colon would not even be allowed on Windows.
    name = model.partition("(")[0].replace(":", ".")
    path = output or Path(f"{Path(name).stem or 'model'}.fp")
    with errors(), progress_bar(quiet=quiet) as progress:
        check_apart(path, model, weights, samples, *(twins or ()))
        parts = path.with_name(f"{path.name}.part")
        facts = input_facts(input_shape, input_range, mean, std)
        ways = tuple(name.strip() for name in robust.split(",") if name.strip())
        order = Order(
            model=model,
            weights=weights,
            head=head,
            samples=samples,
            form=SampleForm(classes, resize_samples),
            method=method,
            points=points,
            seed=seed,
            device=device,
            facts=facts,
            robust=ways,
            from_scratch=from_scratch,
            twins=tuple(twins or ()),
            siblings=siblings,
            minutes=minutes,
            unfinished=parts,
        )
        try:
            made = api.fingerprint(order, progress)
        except KeyboardInterrupt:
            if parts.is_dir():
                tell(f"the same command goes on where it was; {clean(str(parts))} holds the parts")
            raise
        bundle.write(made, path)
        finished(parts)
    if not quiet:
        tell(f"{path}: {summary(made)}")
        tell(f"next: auditkit check {clean(str(path))} SUSPECT")


def methods() -> None:
    """List the fingerprint methods with their papers and settings."""
    from auditkit import api

    with errors():
        for name, method in api.methods().items():
            needs = " and ".join(method.needs) or "nothing"
            typer.echo(f"{name:12} {method.paper}")
            typer.echo(f"{'':12} needs {needs}; weighed by {method.lead}, from {method.access} on")
            # Some methods have a dozen settings, more than fit beside each other on any screen.
            indent = " " * 13
            told = textwrap.fill(
                f"settings: {method.described()}",
                100,
                initial_indent=indent,
                subsequent_indent=indent,
            )
            typer.echo(told)
