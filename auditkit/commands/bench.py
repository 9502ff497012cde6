"""The command `auditkit bench`."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from auditkit.commands.console import errors, progress_bar, tell
from auditkit.commands.options import Device, Quiet


def bench(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="MODELS",
            help="Folder of models whose relation to the owner is known, with a manifest.json.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder that all results are written to.")
    ],
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="Method to compare: NAME or NAME:setting=value,… (see `auditkit "
            "methods`), or all. "
            "May be given several times."
        ),
    ] = None,
    queries: Annotated[
        str,
        typer.Option(help="Numbers of points to compare the methods at, separated by commas."),
    ] = "10,20,50,100,200",
    workers: Annotated[
        int, typer.Option(min=1, help="Number of fingerprints made at the same time.")
    ] = 2,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Compare fingerprint methods.

    They are compared on models whose relation to the owner is known.

    If it was interrupted, the same command continues where it stopped.
    """
    from auditkit.bench.command import bench as run

    # The command line goes into the report, so that whoever reads a figure can make it again.
    command = "auditkit " + shlex.join(sys.argv[1:])
    with errors(), progress_bar(quiet=quiet) as progress:
        run(folder, output, method or [], queries, workers, device, command, progress)
    if not quiet:
        tell(f"{output}: report.md, results.json, results.csv and plots")
