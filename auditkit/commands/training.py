"""The commands that train models of known kind for an owner: twins and references."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from auditkit.commands.console import errors, progress_bar, tell
from auditkit.commands.inputs import input_facts
from auditkit.commands.options import (
    Classes,
    Data,
    Device,
    Epochs,
    Head,
    Mean,
    Model,
    ModelFolder,
    Quiet,
    Range,
    ResizeSamples,
    Seed,
    Shape,
    Std,
    Weights,
)
from auditkit.commands.sharing import spread
from auditkit.commands.where import Where
from auditkit.core.errors import OwnerError, SamplesError
from auditkit.core.requests import Order, ReferencePlan, SampleForm, TwinPlan


# 19 twins are the fewest that carry 5 % exactly; how far the owner stands out says more.
@spread("where", Where)
def twins(
    model: Model,
    output: ModelFolder,
    data: Annotated[
        Path | None,
        typer.Option(
            help="The data that the model was trained on, with labels: an npz file with x and y, "
            "or a folder with one subfolder of images per class."
        ),
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="Number of twins.")] = 19,
    train: Annotated[
        str,
        typer.Option(
            help="Your own training, package.module:function: called with a seed, it returns a "
            "module or the path of a model file. Without it auditkit trains the model's "
            "architecture on --data."
        ),
    ] = "",
    start: Annotated[
        Path | None,
        typer.Option(
            help="Weights of the public model that this one was tuned from: a safetensors file or "
            "a saved state dict."
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Trainings at once; one for each core unless given, or one on a card, or as many "
            "as a Ray cluster has room for.",
        ),
    ] = None,
    where: Where = Where(),
    epochs: Epochs = 8,
    weights: Weights = None,
    head: Head = "",
    classes: Classes = None,
    resize_samples: ResizeSamples = None,
    input_shape: Shape = None,
    input_range: Range = None,
    mean: Mean = None,
    std: Std = None,
    device: Device = "auto",
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Train twins: the model's own recipe again, with other random numbers.

    `auditkit fingerprint --twins` lines them up with the model: a suspect that resembles the model
    more than all of its twins was made from it.

    If it was interrupted, the same command continues where it stopped.
    """
    from auditkit import api

    with errors(lambda: _kept(output)), _called_data(), progress_bar(quiet=quiet) as progress:
        facts = input_facts(input_shape, input_range, mean, std)
        form = SampleForm(classes, resize_samples)
        order = Order(
            model, weights, data, seed=seed, form=form, device=device, facts=facts, head=head
        )
        machines = where.machines(device)
        plan = TwinPlan(count, epochs, train, start, workers, machines)
        line = api.twins(order, output, plan, progress)
    if not quiet:
        tell(line)


@contextmanager
def _called_data() -> Iterator[None]:
    """Name the option that these commands have: what they learn from is given with --data."""
    try:
        yield
    except (OwnerError, SamplesError) as error:
        told = str(error)
        if "--samples" not in told:
            raise
        raise type(error)(told.replace("--samples", "--data")) from error


def _kept(folder: Path) -> str:
    """Say what an interrupted training leaves."""
    return f"what is trained is kept in {str(folder)!r}; the same command goes on from there"


# Among 99 innocents a method that accuses one in a hundred can be seen to do so.
def references(
    model: Model,
    data: Data,
    output: ModelFolder,
    homologous: Annotated[
        int, typer.Option(min=0, help="Number of independent models to train.")
    ] = 99,
    pirated: Annotated[
        int, typer.Option(min=0, help="Number of copies of the owner to make.")
    ] = 20,
    epochs: Epochs = 8,
    weights: Weights = None,
    head: Head = "",
    classes: Classes = None,
    resize_samples: ResizeSamples = None,
    input_shape: Shape = None,
    input_range: Range = None,
    mean: Mean = None,
    std: Std = None,
    device: Device = "auto",
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Train models of known kind, to compare methods on.

    They are independent models and copies of every kind, in a folder for `auditkit bench`. No
    verdict rests on them.

    If it was interrupted, the same command continues where it stopped.
    """
    from auditkit import api

    with errors(lambda: _kept(output)), _called_data(), progress_bar(quiet=quiet) as progress:
        facts = input_facts(input_shape, input_range, mean, std)
        form = SampleForm(classes, resize_samples)
        order = Order(
            model, weights, data, seed=seed, form=form, device=device, facts=facts, head=head
        )
        plan = ReferencePlan(homologous, pirated, epochs)
        line = api.references(order, output, plan, progress)
    if not quiet:
        tell(line)
