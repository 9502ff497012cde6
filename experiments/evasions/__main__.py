"""Which evasions of copies end homologous? `python -m experiments.evasions FOLDER`.

Trains an owner of 14-pixel digits, 19 twins, two copies, two innocents and three models for the
thief into the folder, then asks both copies and both innocents behind every evasion: as an API, and
as a file whose weights are hidden. Evasions that cost a copy more than three points of accuracy are
marked, since no thief would use them, and are not counted.
"""

import argparse
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from auditkit.core.access import Access
from auditkit.core.verdicts import Decision
from experiments.evasions import functions, graphs
from experiments.evasions.asking import (
    API,
    FILE,
    Asked,
    Column,
    accuracy,
    asked,
    asked_as_file,
    file_weights,
)
from experiments.evasions.graphs import Model, Parts
from experiments.evasions.models import THIEF, WITH, WITHOUT, Models, copied, data, prepared

MOST_LOST = 0.03
"""Accuracy, 0..1, that a thief would give away."""
REAL = 10
"""One in so many graphs is asked as a real file too, which must give the same verdicts."""
INFORMED = ("knows every question", "knows the core points", "unlearnt the core points")
"""Evasions by whoever has the bundle, which must therefore be kept secret; not counted."""
COLUMNS = (
    Column(WITH, API, Access.LOGITS),
    Column(WITH, API, Access.LABEL),
    Column(WITH, FILE, Access.LOGITS),
    Column(WITH, FILE, Access.LABEL),
    Column(WITHOUT, API, Access.LOGITS),
    Column(WITHOUT, FILE, Access.LOGITS),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One evasion of one copy or innocent."""

    who: str
    evasion: str
    lost: float
    """Accuracy, 0..1."""
    found: tuple[Asked, ...]

    @property
    def counts(self) -> bool:
        """Whether a thief would use it, without having the bundle."""
        return self.lost <= MOST_LOST and self.evasion not in INFORMED

    def letter(self, column: Column) -> str:
        """The verdict's first letter; a dash where it was not asked so."""
        return next((one.decision[0] for one in self.found if one.column == column), "-")


def main() -> None:
    """Print the table and its sums; exit 1 when an innocent is accused."""
    parser = argparse.ArgumentParser(prog="python -m experiments.evasions", description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    warnings.simplefilter("ignore")
    models = prepared(folder)
    rows = []
    for who, net in {**models.copies, **models.innocents}.items():
        rows += list(behind_all(who, net, models, folder))
    for line in (*table(rows, models), "", *sums(rows, models)):
        print(line)
    accused = [row for row in rows if row.who in models.innocents and _says(row, Decision.PIRATED)]
    sys.exit(1 if accused else 0)


def behind_all(who: str, net: nn.Module, models: Models, folder: Path) -> Iterator[Row]:
    """Ask one model behind every evasion."""
    parts = Parts(net, models.helpers, models.known)
    bare, weights = accuracy(net), file_weights(net, folder, models.bundles)
    for number, (name, model) in enumerate(graphs.evasions(parts).items()):
        found = tuple(asked(lambda model=model: model, models.bundles, weights))
        if number % REAL == 0:
            real = set(asked_as_file(model, (net, *models.helpers), folder, models.bundles))
            print(f"{who}, {name}: as a real file {'alike' if real <= set(found) else real}")
        yield _told(Row(who, name, bare - accuracy(model), found))
    for name, make in _coded(net, parts, models).items():
        yield _told(Row(who, name, bare - accuracy(make()), tuple(asked(make, models.bundles))))


def _coded(net: nn.Module, parts: Parts, models: Models) -> Mapping[str, Callable[[], Model]]:
    """What no graph can hold."""
    bundle = models.bundles[WITH]
    core = torch.from_numpy(bundle.fingerprint.sheet.of_family("core").points.copy())
    x, y = (part[THIEF] for part in data())
    tuned = functions.unlearnt(copied(net), core, x, y)
    informed = functions.informed(parts, bundle)
    return {**functions.evasions(parts), **informed, INFORMED[-1]: lambda: tuned}


def table(rows: Sequence[Row], models: Models) -> Iterator[str]:
    """One line for each evasion: copies' verdicts, then innocents', in each column."""
    names = (*models.copies, *models.innocents)
    heads = [f"{c.twins}, {c.form}, {c.access}" for c in COLUMNS]
    yield f"| evasion | {', '.join(models.copies)} lose | {' | '.join(heads)} |"
    yield "|---" * (len(COLUMNS) + 2) + "|"
    for name in dict.fromkeys(row.evasion for row in rows):
        found = {row.who: row for row in rows if row.evasion == name}
        lost = ", ".join(f"{100 * found[who].lost:.1f}" for who in models.copies)
        marks = "" if any(found[who].counts for who in models.copies) else " (not counted)"
        cells = ["".join(found[who].letter(column) for who in names) for column in COLUMNS]
        halves = [f"{cell[: len(models.copies)]} / {cell[len(models.copies) :]}" for cell in cells]
        yield f"| {name}{marks} | {lost} | {' | '.join(halves)} |"


def sums(rows: Sequence[Row], models: Models) -> Iterator[str]:
    """How many of each verdict, of the evasions that count."""
    counted = {row.evasion for row in rows if row.who in models.copies and row.counts}
    yield f"evasions that count: {len(counted)}"
    for kind, names in (("copies", models.copies), ("innocents", models.innocents)):
        kept = [row for row in rows if row.who in names and row.counts]
        for column in COLUMNS:
            letters = [row.letter(column) for row in kept]
            told = ", ".join(f"{letters.count(one[0])} {one}" for one in Decision)
            yield f"{kind}, {column.twins}, {column.form}, {column.access}: {told}"


def _says(row: Row, decision: Decision) -> bool:
    return any(one.decision is decision for one in row.found)


def _told(row: Row) -> Row:
    letters = " ".join(row.letter(column) for column in COLUMNS)
    print(f"{row.who}: {row.evasion}: {letters}, loses {row.lost:.3f}", file=sys.stderr, flush=True)
    return row


if __name__ == "__main__":
    main()
