"""Reads what options say: the owner's input's shape, range and normalisation, and devices."""

import math

import typer

from auditkit.core.devices import check_device
from auditkit.core.errors import AuditkitError
from auditkit.core.escape import clean
from auditkit.core.requests import InputFacts


def input_facts(
    shape: str | None, bounds: str | None, mean: str | None, std: str | None
) -> InputFacts:
    """Return what the options say about the model's input.

    Raises:
        typer.BadParameter: An option holds something other than the wanted numbers.
    """
    sizes = _numbers("--input-shape", shape)
    limits = _numbers("--input-range", bounds)
    if limits and len(limits) != 2:
        raise typer.BadParameter(f"--input-range wants two numbers such as 0,1, got {bounds!r}")
    # Numbers are read as floats for all options alike, so 32.5 has to be refused here.
    if any(not size.is_integer() or size < 1 for size in sizes):
        raise typer.BadParameter(f"--input-shape wants sizes such as 3,32,32, got {shape!r}")
    return InputFacts(
        shape=tuple(int(size) for size in sizes) or None,
        range=(limits[0], limits[1]) if limits else None,
        mean=_numbers("--mean", mean),
        std=_numbers("--std", std),
    )


def device(name: str) -> str:
    """Return the name of a device.

    Raises:
        typer.BadParameter: There is none of that name.
    """
    try:
        check_device(name)
    except AuditkitError as error:
        raise typer.BadParameter(str(error)) from error
    return name


def _numbers(option: str, text: str | None) -> tuple[float, ...]:
    """Return numbers that are separated by commas; none if the option was not given."""
    try:
        numbers = tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError:
        numbers = (math.nan,)
    if not all(map(math.isfinite, numbers)):
        raise typer.BadParameter(f"{option} wants numbers between commas, got {clean(str(text))!r}")
    return numbers
