"""The command `auditkit bench`: checks its arguments and writes its files."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from auditkit import fingerprints
from auditkit.core import plugins
from auditkit.core.errors import BenchmarkError
from auditkit.core.progress import Progress
from auditkit.core.requests import method_choice
from auditkit.files.container import write_whole

if TYPE_CHECKING:
    from auditkit.bench.run import Comparison

ALL = "all"
"""Stands for every method in `--method`."""
# They catch slips: one answer tells hardly anything, and bundles have some hundred points.
FEWEST, MOST = 2, 5000
"""Limits of the numbers of queries."""


def bench(
    folder: Path,
    output: Path,
    methods: list[str],
    queries: str,
    workers: int,
    device: str,
    command: str,
    progress: Progress,
) -> None:
    """Compare methods, print the main table, and write tables and plots.

    Args:
        folder: Models of known kind with a manifest (docs/benchmarking.md).
        output: Folder for reports, bundles and answers.
        methods: As on the command line; empty for all.
        queries: Numbers of queries, separated by commas.
        workers: Number of processes that make bundles.
        device: Where suspects run: `auto`, `cpu`, `cuda` or `cuda:N`.
        command: The command line, for the report.
        progress: Called as the stages go on.

    Raises:
        BenchmarkError: The models' folder or an argument can't be used.
        UnknownPluginError: No such method.
    """
    chosen, counts = _methods(methods), _counts(queries)
    # Imported after the arguments were checked, so that a slip is answered at once.
    from auditkit.bench.run import Design, compare
    from auditkit.files.model_folder import read_model_folder

    design = Design(chosen, counts, workers, device, command)
    population = read_model_folder(folder)
    output.mkdir(parents=True, exist_ok=True)
    made = compare(population, design, output, progress)
    if not made.cells:
        reasons = "; ".join(made.failures[:3])
        raise BenchmarkError(f"no method could be compared: {reasons or 'no pirated models'}")
    _write(made, output)


def _write(made: "Comparison", output: Path) -> None:
    """Write all files of a comparison and print its main table."""
    from auditkit.bench import tables
    from auditkit.bench.plots import draw

    plots = list(draw(made, output))
    for name, text in {
        "results.json": tables.as_json(made),
        "results.csv": tables.as_csv(made),
        "report.md": tables.as_markdown(made, plots),
    }.items():
        write_whole(output / name, text.encode())
    tables.print_terminal(made, sys.stdout)


def _methods(wanted: list[str]) -> tuple[str, ...]:
    """Expand `all` to every method with its default settings, and drop duplicates."""
    known = plugins.names(fingerprints)
    names = [name for entry in wanted or [ALL] for name in (known if entry == ALL else [entry])]
    for name in names:
        method = method_choice(name).name
        if method not in known:
            raise BenchmarkError(f"no method {method!r}; there are: {', '.join(known)}")
    return tuple(dict.fromkeys(names))


def _counts(text: str) -> tuple[int, ...]:
    """Numbers of queries, ascending, each once."""
    try:
        counts = tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError:
        counts = ()
    if not counts or counts[0] < FEWEST or counts[-1] > MOST:
        raise BenchmarkError(
            f"--queries wants numbers from {FEWEST} to {MOST} between commas, got {text!r}"
        )
    return counts
