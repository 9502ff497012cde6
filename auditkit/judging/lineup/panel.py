"""The panel of a line-up: all members' answers, and how one suspect fares before them."""

import functools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from auditkit.core.access import Access
from auditkit.core.answers import Answers
from auditkit.core.arrays import BoolArray, DoubleArray, FloatArray, IntArray
from auditkit.core.models import ReferenceKind
from auditkit.core.points import CORE, Sheet
from auditkit.files.bundle import Bundle
from auditkit.judging.lineup.likeness import (
    beliefs,
    confidences,
    labels,
    likeness,
    relations,
    scores,
)
from auditkit.judging.lineup.looks import look_schedule
from auditkit.judging.lineup.ranking import gap_p, standing

NATURAL_SCORES, WEIGHTS = "natural scores", "weights"
"""The measure of the scores for inputs that are no core points, and that of a file's weights."""


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """Answers of several models, or of one, to all points, at one access level."""

    labels: IntArray
    """(models, points); -1 where there is no answer."""
    scores: FloatArray | None
    """(models, points, classes) log-probabilities; None for labels only."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One suspect after some of the points."""

    likeness: dict[str, DoubleArray]
    """Measure -> (members,) likeness; the owner comes first."""

    @property
    def standings(self) -> DoubleArray:
        """(members,): the largest standing of each member over the measures."""
        largest: DoubleArray = np.max([standing(row) for row in self.likeness.values()], axis=0)
        return largest

    def alarmed(self, level: float) -> int | None:
        """Return the member that stands out beyond chance; None if there is none."""
        found = self.standings
        first = int(found.argmax())
        chance = gap_p(float(found[first]), len(found) - 1, len(self.likeness))
        alone = int((found >= found[first]).sum()) == 1
        return first if alone and chance <= level else None


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """A suspect's last look, and the member of the line-up that stood out there, if one did."""

    last: Look
    alarmed: int | None
    looks: int = 1
    """How often it was looked at; chances are multiplied by it (Bonferroni)."""


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """A bundle's line-up at one access level."""

    members: Said
    """The answers of the owner, then of each twin, to all points; with scores if all have some."""
    core: BoolArray
    """(points,) which are core points."""
    disputed: BoolArray
    """(points,) on which the members give different labels."""
    classes: int
    """How many classes the owner knows."""
    level: float
    related: bool
    """Whether the suspect knows other classes, so that only relations can be compared."""
    looks: IntArray
    """Numbers of points after which a suspect that is asked one by one is looked at."""

    def course(self, said: Said, weights: tuple[float, ...], asked: int | None) -> Course:
        """Return how one suspect fares.

        A suspect that is asked one by one is looked at again and again, and the first member that
        stands out settles the line-up. To an innocent suspect each member is equally likely to be
        that one, so stopping early costs the exact p-value nothing. The chance of a gap is another
        matter: it is multiplied by the number of looks.

        Args:
            said: Its answers, one row.
            weights: Likeness of its weights to each member; empty: none is known.
            asked: How many points were looked at one by one; None: all at once.
        """
        stops = [len(self.core)] if asked is None else self.looks[self.looks <= asked].tolist()
        for number, stop in enumerate(stops or [asked], 1):
            look = self._look(said, weights, stop)
            alarmed = look.alarmed(self.level / number)
            if alarmed is not None:
                break
        return Course(look, alarmed, number)

    def _look(self, said: Said, weights: tuple[float, ...], stop: int) -> Look:
        answered = (said.labels[0] >= 0) & (np.arange(len(self.core)) < stop)
        found = self._relations(said, answered) if self.related else self._answers(said, answered)
        if weights:
            found[WEIGHTS] = np.array(weights)
        return Look(found)

    def _answers(self, said: Said, answered: BoolArray) -> dict[str, DoubleArray]:
        natural, core = answered & ~self.core, answered & self.core
        # Labels tell nothing that scores don't, and every further measure costs the others power.
        if self.members.scores is None or said.scores is None:
            return self._labels(said, core, natural)
        found: dict[str, DoubleArray] = {}
        ways = (("core scores", core, confidences), (NATURAL_SCORES, natural, scores))
        for name, rows, told in ways:
            if rows.any():
                both = (told(one[:, rows]) for one in (self.members.scores, said.scores))
                found[name] = likeness(*_pair(both))
        return found

    def _labels(self, said: Said, core: BoolArray, natural: BoolArray) -> dict[str, DoubleArray]:
        measures = {"core labels": core} if core.any() else {}
        # Where members differ on a point or two, an innocent suspect that shares those labels by
        # chance explains one member and no other: the gap is boundless and means nothing.
        if (natural & self.disputed).sum() >= len(self.members.labels):
            measures["natural labels"] = natural
        found: dict[str, DoubleArray] = {}
        for name, rows in measures.items():
            sure = None if self.members.scores is None else self.members.scores[:, rows]
            known = beliefs(self.members.labels[:, rows], sure, self.classes)
            found[name] = likeness(known, labels(said.labels[:, rows], self.classes)[0])
        return found

    def _relations(self, said: Said, answered: BoolArray) -> dict[str, DoubleArray]:
        scored = self.members.scores is not None and said.scores is not None
        both = (
            relations(
                one.labels[:, answered],
                one.scores[:, answered] if scored and one.scores is not None else None,
            )
            for one in (self.members, said)
        )
        return {"relations": likeness(*_pair(both))}


def _pair(both: Iterable[DoubleArray]) -> tuple[DoubleArray, DoubleArray]:
    """Return the members' rows, and the suspect's only row."""
    members, suspect = both
    return members, suspect[0]


@functools.lru_cache(maxsize=16)
def panel_of(bundle: Bundle, access: Access, *, related: bool) -> Panel:
    """Return the line-up of a bundle; it depends on no suspect, so it is made once."""
    sheet, made = bundle.fingerprint.sheet, bundle.fingerprint
    twins = [r.answers for r in bundle.references if r.kind is ReferenceKind.TWIN]
    # Labels of a suspect are explained by all that is known of the members; scores by what theirs
    # would be if they were cut off or rounded in the same way.
    shown = Access.LOGITS if access is Access.LABEL else access
    members = said_by([_owner(sheet).capped(shown), *(said.capped(shown) for said in twins)])
    return Panel(
        members=members,
        core=sheet.rows(CORE),
        disputed=(members.labels != members.labels[0]).any(axis=0),
        classes=made.owner.classes,
        level=made.line_up.level,
        related=related,
        looks=look_schedule(sheet.questions),
    )


def _owner(sheet: Sheet) -> Answers:
    shifted = sheet.outputs - sheet.outputs.max(axis=1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return Answers(sheet.labels, logs, Access.LOGITS)


def said_by(answers: list[Answers]) -> Said:
    """Join the answers of several models; scores count only where all of them revealed some."""
    scored = [one.scores for one in answers if one.scores is not None]
    whole = np.stack(scored) if len(scored) == len(answers) else None
    return Said(np.stack([one.labels for one in answers]), whole)
