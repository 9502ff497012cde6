"""`auditkit bench`: parse, compare, show."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from auditkit.commands.console import errors, progress_bar, tell
from auditkit.commands.options import Device, Quiet


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
    from auditkit.bench.command import bench as run

    command = "auditkit " + shlex.join(sys.argv[1:])
    with errors(), progress_bar(quiet=quiet) as progress:
        run(folder, output, method or [], queries, workers, device, command, progress)
    if not quiet:
        tell(f"{output}: report.md, results.json, results.csv and plots")
