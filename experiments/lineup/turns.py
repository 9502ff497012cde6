"""Every member of a line-up plays the owner in turn: innocents then accuse nobody."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import sqrt

import numpy as np

from auditkit.core.arrays import BoolArray, DoubleArray
from auditkit.core.verdicts import LineUp
from auditkit.judging.lineup.ranking import gap_p, rank_p, standing


@dataclass(frozen=True, slots=True)
class Turns:
    """Comparisons of innocents with members that played the owner."""

    suspects: int
    comparisons: int
    first: int
    """How often the member that played the owner was first."""
    accused: int
    """How often it was accused: first, and standing out by more than chance allows."""
    most: float
    """The greatest share of suspects to which one and the same member is first."""
    least_p: float
    """The least p-value of a gap, of all comparisons."""


@dataclass(frozen=True, slots=True)
class Firsts:
    """How often the owner itself is first to innocents."""

    suspects: int
    first: int
    expected: float
    """Their expected share, 0..1."""

    @property
    def most(self) -> float:
        """The share that three standard errors allow."""
        chance = self.expected
        return chance + 3 * sqrt(chance * (1 - chance) / max(self.suspects, 1))


def owner_firsts(found: Iterable[LineUp]) -> Firsts:
    """Count to how many innocents the owner is first."""
    ups = list(found)
    members = ups[0].twins + 1
    return Firsts(len(ups), sum(one.p <= 1 / members for one in ups), 1 / members)


def in_turns(found: Iterable[LineUp], level: float, *, owner_too: bool = True) -> Turns:
    """Let every member play the owner.

    Args:
        found: Line-ups of suspects.
        level: Of accusations.
        owner_too: Whether the owner plays as well; False for its copies, which are no innocents
            to it.
    """
    ups = list(found)
    first, accused, least = [], [], 1.0
    for one in ups:
        rows = [np.array(place.likeness) for place in one.places]
        firsts, chances = played(rows)
        first.append(firsts)
        accused.append(firsts & (chances <= level))
        least = min(least, float(chances[0 if owner_too else 1 :].min()))
    playing = slice(0 if owner_too else 1, None)
    firsts, all_accused = np.stack(first)[:, playing], np.stack(accused)[:, playing]
    return Turns(
        suspects=len(ups),
        comparisons=firsts.size,
        first=int(firsts.sum()),
        accused=int(all_accused.sum()),
        most=float(firsts.mean(axis=0).max()),
        least_p=least,
    )


def played(likenesses: list[DoubleArray]) -> tuple[BoolArray, DoubleArray]:
    """Return for each member whether it would be first, and the p-value of its gap.

    Args:
        likenesses: (members,) for each measure.
    """
    largest = np.max([standing(row) for row in likenesses], axis=0)
    twins, measures = len(largest) - 1, len(likenesses)
    order = [np.r_[largest[m], np.delete(largest, m)] for m in range(twins + 1)]
    firsts = np.array([rank_p(row) <= 1 / (twins + 1) for row in order])
    chances = np.array([gap_p(float(z), twins, measures) for z in largest])
    return firsts, chances
