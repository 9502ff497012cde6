"""Which of a model's outputs are its answers.

Every output that could be the owner's is a reading: rows as wide as the owner's classes, labels, or
a list of the best classes beside their scores. Where several fit, each is asked and judged.
"""

import json
from dataclasses import dataclass

import numpy as np

from auditkit.adapters.base import Outputs
from auditkit.core.access import checked, from_best, squeezed
from auditkit.core.arrays import Rows
from auditkit.core.errors import QueryError

SCORES = ("logit", "prob", "score", "output")
"""Words in the names of outputs that hold scores: those are read first."""
SHOWN = 5
"""Outputs that a message lists."""
MOST_READ = 8
"""Outputs that are judged; each is another look, and is corrected for."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read a model's outputs as answers."""

    names: tuple[str, ...]
    """The output; or the best classes and their scores."""

    def rows(self, outputs: Outputs, count: int, classes: int | None) -> Rows:
        """Return (count, classes) scores or (count,) labels.

        Raises:
            QueryError: The outputs hold no such answers.
        """
        if any(name not in outputs for name in self.names):
            raise QueryError(f"the suspect returned no output {self.names[0][:40]!r} this time")
        found = [_lined_up(outputs[name], count) for name in self.names]
        if len(found) == 1:
            return checked(found[0], count)
        labels, scores = (one.reshape(count, -1) for one in found)
        return checked(from_best(labels, scores, classes or 0), count)

    def place(self, identity: str) -> str:
        """Return the name under which a log keeps what a suspect says by this reading."""
        return f"{identity} output {json.dumps(self.names)}"

    @classmethod
    def placed(cls, place: str, identity: str) -> "Reading | None":
        """Return the reading whose place in a log this is; None if it is something else."""
        begun = f"{identity} output "
        try:
            names = json.loads(place.removeprefix(begun)) if place.startswith(begun) else []
        except ValueError:
            return None
        return cls(tuple(map(str, names))) if isinstance(names, list) and names else None

    def __str__(self) -> str:
        return " with ".join(repr(name[:40]) for name in self.names)


def readings(outputs: Outputs, count: int, classes: int | None, only: str = "") -> list[Reading]:
    """Find the readings of a reply, likeliest first.

    Args:
        outputs: What the model returned.
        count: How many points were asked.
        classes: How many classes the owner knows; None: that is not known.
        only: Name of the output that the user wants read; empty: none is named.

    Raises:
        QueryError: No output holds answers; the message lists them all.
    """
    if only:
        if only not in outputs:
            raise QueryError(f"there is no output {only[:40]!r}; there are {_listed(outputs)}")
        return [Reading((only,))]
    rows = {name: _lined_up(array, count) for name, array in outputs.items()}
    best = {} if classes is None else _best(rows, count, classes)
    paired = {*best, *best.values()}
    # A label beside its own score alone is no list: the label says all that can be compared.
    pairs = [
        Reading((label,) if rows[label].ndim == 1 else (label, score))
        for label, score in best.items()
    ]
    single = [Reading((name,)) for name in rows if name not in paired]
    fitting = [one for one in single if _is_answer(rows[one.names[0]], count)]
    own = [one for one in fitting if _width(rows[one.names[0]]) in (classes, None)]
    found = [*pairs, *own] or fitting
    if not found:
        raise QueryError(
            f"no output has one row of scores, or one label, for each of {count} points: "
            f"{_listed(outputs)}"
        )
    return sorted(found, key=lambda one: _rank(one, rows))


def _lined_up(array: Rows, count: int) -> Rows:
    return squeezed(array, count) if array.size else array


def _width(array: Rows) -> int | None:
    """Return how many scores a row has; None for labels."""
    return array.shape[1] if array.ndim == 2 else None


def _is_answer(array: Rows, count: int) -> bool:
    try:
        found = checked(array, count)
    except QueryError:
        return False
    return found.ndim == 2 or bool((found >= 0).any())


def _best(rows: Outputs, count: int, classes: int) -> dict[str, str]:
    """Return each output that lists the best classes, and the one with their scores."""
    found = {}
    for label, classes_listed in rows.items():
        for score, scores in rows.items():
            if (
                classes_listed.dtype.kind in "iu"
                and scores.dtype.kind == "f"
                and classes_listed.shape == scores.shape
                and _are_best(classes_listed, scores, count, classes)
            ):
                found[label] = score
                break
    return found


def _are_best(labels: Rows, scores: Rows, count: int, classes: int) -> bool:
    labels, scores = labels.reshape(count, -1), scores.reshape(count, -1)
    if labels.shape[1] == 1:
        return True
    # The best classes come with falling scores; other whole numbers beside scores don't.
    if labels.shape[1] > classes or (np.diff(scores, axis=1) > 0).any():
        return False
    try:
        from_best(labels, scores, classes)
    except QueryError:
        return False
    return True


def _rank(one: Reading, rows: Outputs) -> tuple[bool, bool]:
    """Return what comes first: scores before labels, and names that say so before others."""
    is_named = any(word in one.names[-1].lower() for word in SCORES)
    return rows[one.names[-1]].dtype.kind != "f", not is_named


def _listed(outputs: Outputs) -> str:
    listed = ", ".join(
        f"{name[:40]!r} {array.dtype} {array.shape}" for name, array in [*outputs.items()][:SHOWN]
    )
    more = len(outputs) - SHOWN
    return (listed or "no numbers, perhaps text; ask for a file that returns scores") + (
        f" and {more} more" if more > 0 else ""
    )
