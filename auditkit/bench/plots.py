"""Plots of a comparison: AUC by attack and method, and AUC by number of queries."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from auditkit.bench.results import AGAINST, EVERY_COPY, Cell
from auditkit.bench.run import Comparison
from auditkit.bench.tables import ACCESSES, ranked, title_of, usual_queries
from auditkit.core.access import Access
from auditkit.core.errors import MissingRuntimeError

ATTACKS, QUERIES = "attacks-{}.png", "queries.png"
# Matplotlib has ten colours by default, and more lines can't be followed by eye anyway.
MOST_LINES = 8
"""Largest number of methods in one panel."""


def draw(comparison: Comparison, folder: Path) -> Iterator[str]:
    """Write the plots into a folder and yield their file names.

    Raises:
        MissingRuntimeError: matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
    except ModuleNotFoundError as error:
        raise MissingRuntimeError(
            "plots need 'matplotlib', which is not installed: pip install 'model-auditkit[bench]'"
        ) from error
    mpl.use("agg")  # needs no display
    for access in ACCESSES:
        if ranked(comparison, access, usual_queries(comparison)):
            name = ATTACKS.format(access)
            _attacks(comparison, access, folder / name)
            yield name
    _queries(comparison, folder / QUERIES)
    yield QUERIES


def _attacks(comparison: Comparison, access: Access, path: Path) -> None:
    """Draw a heat map of AUC: methods as rows, attacks as columns."""
    from matplotlib import pyplot as plt

    queries = usual_queries(comparison)
    methods = [title_of(cell) for cell in ranked(comparison, access, queries)]
    cells = {
        (title_of(cell), cell.group): cell
        for cell in comparison.cells
        if cell.setup.access is access
        and cell.setup.queries == queries
        and not cell.group.startswith(AGAINST)
    }
    attacks = list(dict.fromkeys(group for _, group in cells))
    areas = np.array(
        [[_area(cells.get((method, attack))) for attack in attacks] for method in methods]
    )
    # Inches: margins for the labels, and room for a number of two digits in each cell.
    size = (1.8 + 0.62 * len(attacks), 1.8 + 0.42 * len(methods))
    figure, axes = plt.subplots(figsize=size, layout="constrained")
    # The scale ends a little below chance (0.5): how far below makes no difference to a reader.
    axes.imshow(areas, cmap="RdYlGn", vmin=0.3, vmax=1.0, aspect="auto")
    for (row, column), area in np.ndenumerate(areas):
        if not np.isnan(area):
            axes.text(column, row, f"{area:.2f}", ha="center", va="center", fontsize=7)
    axes.set_xticks(range(len(attacks)), attacks, rotation=40, ha="right", fontsize=8)
    axes.set_yticks(range(len(methods)), methods, fontsize=8)
    axes.set_title(f"{comparison.title}: AUC, {access}, {queries} queries", fontsize=10)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _area(cell: Cell | None) -> float:
    # A method may lack a cell: the watermark has one owner, whose copies are not of every attack.
    return float("nan") if cell is None else cell.auc.value


def _queries(comparison: Comparison, path: Path) -> None:
    """Draw AUC by number of queries: a panel for each access, lines for the best methods."""
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(
        1, len(ACCESSES), figsize=(10, 4), sharey=True, layout="constrained"
    )
    for access, axes in zip(ACCESSES, panels, strict=True):
        best = ranked(comparison, access, usual_queries(comparison))[:MOST_LINES]
        for title in map(title_of, best):
            line = sorted(
                (cell.setup.queries, cell.auc.value)
                for cell in comparison.cells
                if cell.group == EVERY_COPY
                and cell.setup.access is access
                and title_of(cell) == title
            )
            axes.plot(*zip(*line, strict=True), marker="o", label=title)
        counts = sorted({cell.setup.queries for cell in comparison.cells})
        # Logarithmic, since the numbers of queries double: 10, 20, 50, 100, 200 by default.
        axes.set_xscale("log")
        axes.set_xticks(counts, [str(count) for count in counts])
        axes.minorticks_off()
        axes.set_xlabel("queries")
        axes.set_title(str(access), fontsize=10)
        axes.grid(alpha=0.3)
        if best:
            axes.legend(fontsize=7)
    panels[0].set_ylabel("AUC, all copies")
    figure.savefig(path, dpi=130)
    plt.close(figure)
