"""A comparison as Markdown, JSON, CSV and a table on the terminal."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import IO

from auditkit.bench.results import AGAINST, EVERY_COPY, Cell
from auditkit.bench.run import Comparison
from auditkit.bench.statistics import Interval
from auditkit.core.access import Access

SCHEMA = "auditkit.benchmark/1"
ACCESSES = (Access.LABEL, Access.PROBABILITIES)
"""What is compared: scores that see labels alone, and those that see probabilities."""
WIDE = 120
"""Columns of a table that goes into a file."""
USUAL = 100
"""Number of queries in all tables but the last, which compares numbers of queries."""
SHORT = {
    "label_similarity": "labels",
    "output_similarity": "outputs",
    "decision_distance": "distances",
    "mutual_information": "information",
}
"""Names of identifications, as tables show them."""
HEADS = ("method, score", "owners", "AUC", "TPR at 1 % FPR", "TPR at 5 % FPR", "missed", "false")


def as_json(comparison: Comparison) -> str:
    """The whole comparison by the schema `auditkit.benchmark/1`."""
    contents = {
        "schema": SCHEMA,
        **{
            name: getattr(comparison, name)
            for name in ("title", "counts", "command", "versions", "machine", "created")
        },
        "costs": {method: asdict(cost) for method, cost in comparison.costs.items()},
        "failures": list(comparison.failures),
        "cells": [cell.row() for cell in comparison.cells],
    }
    return json.dumps(contents, indent=1) + "\n"


def as_csv(comparison: Comparison) -> str:
    """One row for each cell; an empty text if there are none."""
    rows = [cell.row() for cell in comparison.cells]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def print_terminal(comparison: Comparison, stream: IO[str]) -> None:
    """Print the main table for each access, methods with the highest AUC first."""
    from rich.console import Console
    from rich.table import Table

    # A file has no width, and rich's default of 80 columns would break the rows.
    console = Console(file=stream, width=None if stream.isatty() else WIDE)
    usual = usual_queries(comparison)
    for access in ACCESSES:
        table = Table(title=f"{comparison.title}: {access}, {usual} queries", title_justify="left")
        for head in HEADS:
            table.add_column(head, overflow="fold")
        for cell in ranked(comparison, access, usual):
            table.add_row(*_main_row(cell))
        console.print(table)
    for failure in comparison.failures:
        # Failures repeat names of files, whose brackets rich would read as its own markup.
        console.print(f"could not be compared: {failure}", markup=False, highlight=False)


def as_markdown(comparison: Comparison, plots: Sequence[str]) -> str:
    """Write the report; `plots` are file names of pictures that lie beside it."""
    usual = usual_queries(comparison)
    parts = [_head(comparison), *(f"![{name}]({name})\n" for name in plots)]
    parts.extend(_main(comparison, access, usual) for access in ACCESSES)
    for access in ACCESSES:
        parts.append(f"## Each attack, {access}, {usual} queries: AUC, and TPR at 1 % FPR in %\n")
        parts.append(_grid(comparison, access, usual, _is_attack, _auc_and_tpr))
    parts.append(f"## Each kind of innocent, {usual} queries: AUC of all copies against it\n")
    for access in ACCESSES:
        parts.append(f"{access}:\n")
        parts.append(_grid(comparison, access, usual, _is_innocent, lambda c: _two(c.auc.value)))
    parts.append("## By queries: AUC of all copies\n")
    parts.extend(_by_queries(comparison, access) for access in ACCESSES)
    if comparison.failures:
        lines = "\n".join(f"- {failure}" for failure in comparison.failures)
        parts.append(f"## Not compared\n\n{lines}\n")
    return "\n".join(parts)


def usual_queries(comparison: Comparison) -> int:
    """`USUAL` if it was compared, else the largest number below it, else the largest of all."""
    known = {cell.setup.queries for cell in comparison.cells}
    return max((count for count in known if count <= USUAL), default=max(known, default=USUAL))


def ranked(comparison: Comparison, access: Access, queries: int) -> list[Cell]:
    """Cells of all copies at one access and number of queries, the highest AUC first."""
    chosen = [
        cell
        for cell in comparison.cells
        if cell.group == EVERY_COPY
        and cell.setup.access is access
        and cell.setup.queries == queries
    ]
    return sorted(chosen, key=lambda cell: -cell.auc.value)


def title_of(cell: Cell) -> str:
    """Name of a cell's method and score, as tables show it."""
    return f"{cell.setup.method}, {SHORT.get(cell.setup.score, cell.setup.score)}"


def _head(comparison: Comparison) -> str:
    counts = "; ".join(f"{count} {kind}" for kind, count in comparison.counts.items())
    tools = ", ".join(f"{name} {version}" for name, version in comparison.versions.items())
    return f"""# Benchmark: {comparison.title}

Models: {counts}.
Made by `{comparison.command}` on {comparison.machine} ({tools}), {comparison.created[:10]}.

- *AUC*: chance that a random copy scores above a random innocent, mean over owners, with a 95 % \
bootstrap interval over models.
- *TPR at x % FPR*: share of copies above the bar that at most x % of an owner's innocents pass, \
pooled over owners, with its exact 95 % interval.
- *missed, false*: shares of copies missed and of innocents accused at the highest value of a \
random half of the innocents; the innocents counted are the other half.
- Copies that lost more than 15 points of accuracy are *broken*: in a row of their own, in no \
other figure. Label spaces are never mixed.
- *generate*: seconds for a bundle on one thread, with everything it has to train; *check*: \
seconds to ask an open suspect all core points.
- A bundle that has fewer points than queries is asked all it has. Where a method serves fewer \
*owners*, its figures are theirs alone.
"""


def _main(comparison: Comparison, access: Access, queries: int) -> str:
    rows = [
        [*_main_row(cell), *_cost(comparison, cell)] for cell in ranked(comparison, access, queries)
    ]
    table = _markdown([*HEADS, "generate", "check"], rows)
    return f"## All copies, {access}, {queries} queries\n\n{table}"


def _main_row(cell: Cell) -> list[str]:
    return [
        title_of(cell),
        str(cell.owners),
        _with_interval(cell.auc),
        _with_interval(cell.tpr_at_1),
        _with_interval(cell.tpr_at_5),
        _two(cell.missed),
        _two(cell.false),
    ]


def _cost(comparison: Comparison, cell: Cell) -> list[str]:
    cost = comparison.costs[cell.setup.method]
    return [f"{cost.generation:.0f} s", f"{cost.check:.2f} s"]


def _grid(
    comparison: Comparison,
    access: Access,
    queries: int,
    chosen: Callable[[str], bool],
    show: Callable[[Cell], str],
) -> str:
    """A table with groups as rows and methods as columns.

    Args:
        comparison: What to show.
        access: Of the cells shown.
        queries: Of the cells shown.
        chosen: Whether a group of this name is a row.
        show: Text of a cell.
    """
    # Columns as in the main table, so that a method stands at the same place in all of them.
    columns = [title_of(cell) for cell in ranked(comparison, access, queries)]
    cells: dict[str, dict[str, Cell]] = {}
    for cell in comparison.cells:
        setup = cell.setup
        if setup.access is access and setup.queries == queries and chosen(cell.group):
            cells.setdefault(cell.group, {})[title_of(cell)] = cell
    rows = [
        [
            f"{group.removeprefix(AGAINST)} ({_size(group, by_method.values())})",
            *(show(by_method[name]) if name in by_method else "–" for name in columns),
        ]
        for group, by_method in cells.items()
    ]
    return _markdown(["", *columns], rows)


def _size(group: str, cells: Iterable[Cell]) -> int:
    """Number of models in a group: innocents for kinds of innocents, else copies."""
    # A method that serves fewer owners meets fewer models; the largest number is the group's.
    innocent = group.startswith(AGAINST)
    return max(cell.homologous if innocent else cell.pirated for cell in cells)


def _by_queries(comparison: Comparison, access: Access) -> str:
    counts = sorted({cell.setup.queries for cell in comparison.cells})
    rows: dict[str, dict[int, Cell]] = {}
    for cell in comparison.cells:
        if cell.group == EVERY_COPY and cell.setup.access is access:
            rows.setdefault(title_of(cell), {})[cell.setup.queries] = cell
    return _markdown(
        [f"{access}", *map(str, counts)],
        [
            [name, *(_two(by[n].auc.value) if n in by else "–" for n in counts)]
            for name, by in rows.items()
        ],
    )


def _is_attack(group: str) -> bool:
    return group != EVERY_COPY and not group.startswith(AGAINST)


def _is_innocent(group: str) -> bool:
    return group.startswith(AGAINST)


def _auc_and_tpr(cell: Cell) -> str:
    return f"{_two(cell.auc.value)} {100 * cell.tpr_at_1.value:.0f}"


def _with_interval(interval: Interval) -> str:
    return f"{_two(interval.value)} [{_two(interval.low)}, {_two(interval.high)}]"


def _two(value: float) -> str:
    return f"{value:.2f}"


def _markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
