"""The commands that train models of known kind for the owner: references and shadows."""

from typing import Annotated

import typer

from auditkit.commands.console import errors, progress_bar, tell
from auditkit.commands.inputs import input_facts
from auditkit.commands.options import (
    Data,
    Device,
    Epochs,
    Mean,
    Model,
    ModelFolder,
    Quiet,
    Range,
    Seed,
    Shape,
    Std,
    Weights,
)
from auditkit.core.requests import Order, ReferencePlan, ShadowPlan


# 99 independent models are the fewest that carry p <= 1 % and 19 copies the fewest that carry 5 %
# (docs/statistics.md), so these defaults allow both claims.
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
    input_shape: Shape = None,
    input_range: Range = None,
    mean: Mean = None,
    std: Std = None,
    device: Device = "auto",
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Train reference models for error rates.

    `auditkit calibrate --references` adds them to a bundle.

    If it was interrupted, the same command continues where it stopped.
    """
    from auditkit import api

    with errors(), progress_bar(quiet=quiet) as progress:
        facts = input_facts(input_shape, input_range, mean, std)
        order = Order(model, weights, data, seed=seed, device=device, facts=facts)
        plan = ReferencePlan(homologous, pirated, epochs)
        line = api.references(order, output, plan, progress)
    if not quiet:
        tell(line)


# The seed differs from that of `references`: equal seeds would train equal models, and a model that
# chose the points must not price a verdict (docs/decisions/0007-lineage.md).
def shadows(
    model: Model,
    data: Data,
    output: ModelFolder,
    independent: Annotated[
        int, typer.Option(min=6, help="Number of independent models to train.")
    ] = 30,
    students: Annotated[
        int, typer.Option(min=6, help="Number of students, trained on the owner's answers.")
    ] = 36,
    modified: Annotated[
        int, typer.Option(min=0, help="Number of modified copies of the owner's weights.")
    ] = 12,
    epochs: Epochs = 8,
    weights: Weights = None,
    input_shape: Shape = None,
    input_range: Range = None,
    mean: Mean = None,
    std: Std = None,
    device: Device = "auto",
    seed: Annotated[
        int,
        typer.Option(
            min=0, help="Seed of all random choices; must not be the seed of the reference models."
        ),
    ] = 1,
    quiet: Quiet = False,
) -> None:
    """Train shadow models that help to choose points.

    `auditkit fingerprint --shadows` finds points with them that give away distilled and extracted
    copies too.

    If it was interrupted, the same command continues where it stopped.
    """
    from auditkit import api

    with errors(), progress_bar(quiet=quiet) as progress:
        facts = input_facts(input_shape, input_range, mean, std)
        order = Order(model, weights, data, seed=seed, device=device, facts=facts)
        plan = ShadowPlan(independent, students, modified, epochs)
        line = api.shadows(order, output, plan, progress)
    if not quiet:
        tell(line)
