"""Figures of the comparison: one cell for each setup and group of suspects."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from auditkit.bench.scoring import Scored, Setup
from auditkit.bench.statistics import (
    Detection,
    Group,
    Interval,
    detected,
    exact,
    mean_auc,
    missed_and_false,
)
from auditkit.core.arrays import JsonObject
from auditkit.files.model_folder import HOMOLOGOUS, OWNER, PIRATED, Model

EVERY_COPY = "all copies"
BROKEN = "broken copies"
ANOTHER_OWNER = "another owner"
AGAINST = "homologous: "
"""Before the kind of homologous models in the name of a group that holds all copies and these."""
# Enough for the two decimals that tables show; a fixed seed makes a run give the same table again.
DRAWS, REPEATS, SEED = 300, 200, 0
"""Bootstrap samples, random halves of the innocents, and the seed of both."""


@dataclass(frozen=True, slots=True)
class Cell:
    """How well one setup separates a group of copies from innocents of the same label space."""

    setup: Setup
    group: str
    """Name of the table's row."""
    owners: int
    """Number of owners in the means; fewer than all if a method or an attack lacks some."""
    pirated: int
    """Number of copies, over all owners."""
    homologous: int
    """Number of different homologous models; most are compared with every owner."""
    auc: Interval
    tpr_at_1: Interval
    """Share of copies found where at most 1 % of the innocents are accused."""
    tpr_at_5: Interval
    """The same at 5 %."""
    missed: float
    """Mean share of copies missed by a threshold that was set on half of the innocents."""
    false: float
    """Mean share of the other half that it accuses."""

    def row(self) -> JsonObject:
        """The cell as a flat object, for JSON and CSV."""
        return {
            "method": self.setup.method,
            "score": self.setup.score,
            "access": str(self.setup.access),
            "queries": self.setup.queries,
            "group": self.group,
            "owners": self.owners,
            "pirated": self.pirated,
            "homologous": self.homologous,
            **_flat("auc", self.auc),
            **_flat("tpr_at_1", self.tpr_at_1),
            **_flat("tpr_at_5", self.tpr_at_5),
            "missed": round(self.missed, 4),
            "false": round(self.false, 4),
        }


def _flat(name: str, interval: Interval) -> dict[str, float]:
    return {
        name: round(interval.value, 4),
        f"{name}_low": round(interval.low, 4),
        f"{name}_high": round(interval.high, 4),
    }


def cells(values: Iterable[Scored]) -> Iterator[Cell]:
    """Compute a cell for each setup and each group of `groups` that has models."""
    by_setup: dict[Setup, list[Scored]] = defaultdict(list)
    for one in values:
        by_setup[one.setup].append(one)
    for setup, scored in by_setup.items():
        for group, chosen in groups(scored):
            if chosen:
                yield _cell(setup, group, chosen)


def groups(scored: list[Scored]) -> Iterator[tuple[str, list[Group]]]:
    """Group one setup's values: all copies, each attack, broken copies, each kind of innocent.

    Yields:
        The name of a group, and one `Group` for each owner and label space.
    """
    # Copies that lost too much accuracy stay out of all other figures, since nobody would use them.
    # Other label spaces stay out of the totals: labels don't mean the same there.
    usable = [one for one in scored if not one.suspect.broken]
    same = [one for one in usable if not one.suspect.task]
    yield EVERY_COPY, _by_owner(same, same)
    for how in _in_order(one.suspect for one in usable if one.suspect.kind == PIRATED):
        chosen = [one for one in usable if one.suspect.how == how]
        yield how, _by_owner(chosen, usable)
    broken = [one for one in scored if one.suspect.broken]
    yield BROKEN, _by_owner(broken, usable)
    innocents = [one for one in same if one.suspect.kind != PIRATED]
    for how in _in_order(one.suspect for one in innocents):
        chosen = [one for one in innocents if _how(one.suspect) == how]
        yield AGAINST + how, _by_owner(same, chosen)


def _in_order(models: Iterable[Model]) -> list[str]:
    # The manifest's order, so that the rows of a table stay as its author arranged them.
    return list(dict.fromkeys(_how(model) for model in models))


def _how(model: Model) -> str:
    return ANOTHER_OWNER if model.kind == OWNER else model.how


def _by_owner(pirated: list[Scored], homologous: list[Scored]) -> list[Group]:
    """Build a group for each owner and label space that has copies as well as innocents."""
    stolen: dict[tuple[str, str], list[float]] = defaultdict(list)
    innocent: dict[tuple[str, str], list[tuple[str, float]]] = defaultdict(list)
    for one in pirated:
        if one.suspect.kind == PIRATED:
            stolen[one.owner, one.suspect.task].append(one.value)
    for one in homologous:
        if one.suspect.kind in (HOMOLOGOUS, OWNER):
            innocent[one.owner, one.suspect.task].append((one.suspect.name, one.value))
    return [
        Group(
            np.array(values),
            np.array([value for _, value in innocent[key]]),
            tuple(name for name, _ in innocent[key]),
        )
        for key, values in stolen.items()
        if innocent[key]
    ]


def _cell(setup: Setup, group: str, chosen: list[Group]) -> Cell:
    errors = missed_and_false(chosen, REPEATS, SEED)
    return Cell(
        setup=setup,
        group=group,
        owners=len(chosen),
        pirated=sum(len(one.pirated) for one in chosen),
        homologous=len({name for one in chosen for name in one.names}),
        auc=mean_auc(chosen, DRAWS, SEED),
        tpr_at_1=_rate(detected(chosen, 0.01)),
        tpr_at_5=_rate(detected(chosen, 0.05)),
        missed=errors.missed,
        false=errors.false,
    )


def _rate(detection: Detection) -> Interval:
    return exact(detection.found, detection.copies)
