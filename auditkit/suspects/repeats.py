"""Points that a suspect was asked twice: whether it answered alike."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from auditkit.core.arrays import Rows

MOVED = 0.01
"""Change of a score, as a share of the largest, above which rounding no longer explains it."""


@dataclass(frozen=True, slots=True, eq=False)
class Twice:
    """What a suspect said to one point, first and later."""

    first: Rows
    later: Rows

    @property
    def changed(self) -> bool:
        """Whether the second answer has another label, or scores that rounding can't explain."""
        return label_of(self.first) != label_of(self.later) or self.moved > MOVED

    @property
    def moved(self) -> float:
        """The greatest change of a score, as a share of the largest; 0 where there are none."""
        if not self.first.ndim or not (np.isfinite(self.first) & np.isfinite(self.later)).all():
            return 0.0
        return float(np.abs(self.first - self.later).max() / (1 + np.abs(self.first).max()))


def label_of(row: Rows) -> int:
    """Return the class that a row of scores, or a label, names; -1 where scores are not finite."""
    if not row.ndim:
        return int(row)
    return int(row.argmax()) if np.isfinite(row).all() else -1


def unsteady(twice: Sequence[Twice]) -> tuple[str, ...]:
    """Return a line for the reader where scores of points asked twice differ."""
    worst = max((pair.moved for pair in twice), default=0.0)
    if worst <= MOVED:
        return ()
    return (
        f"scores of points asked twice differ by up to {worst:.0%}: what answers is exchanged "
        "meanwhile, or adds noise",
    )
