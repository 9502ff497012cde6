"""One suspect before the line-up: every measure, at every look, for the owner and each twin."""

import functools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from auditkit.core.access import Access
from auditkit.core.answers import Answers
from auditkit.core.arrays import BoolArray, DoubleArray, FloatArray, IntArray
from auditkit.core.evidence import Evidence
from auditkit.core.models import ReferenceKind
from auditkit.core.points import CORE, Sheet
from auditkit.core.verdicts import LineUp, Place
from auditkit.files.bundle import Bundle
from auditkit.judging.calibration.score import look_schedule
from auditkit.judging.lineup.likeness import labels, likeness, relations, scores
from auditkit.judging.lineup.ranking import gap_p, rank_p, standing

ENOUGH_SHARED = 0.5
"""Least share of the owner's tensors, 0..1, that must have a shape in common with a suspect's."""
FEWEST_COPIES = 2
"""Measured copies of one kind, below which nothing is said of that kind."""


def line_up(bundle: Bundle, evidence: Evidence) -> LineUp | None:
    """Compare a suspect with the owner and its twins.

    Returns:
        None if the bundle has no twins, or if the suspect answered nothing.
    """
    made = bundle.fingerprint
    if not made.line_up.twins or not evidence.answers.answered.any():
        return None
    panel = _panel(bundle, evidence.access, related=_related(bundle, evidence))
    seen = panel.course(_said([evidence.answers]), _weights(bundle, evidence), evidence.asked)
    excluded, unseen = _kinds(bundle, evidence, seen)
    standings = seen.last.standings
    return LineUp(
        access=evidence.access,
        places=tuple(
            Place(name, tuple(row.tolist()), float(standing(row)[0]))
            for name, row in seen.last.likeness.items()
        ),
        p=1 / len(standings) if seen.alarmed == 0 else rank_p(standings),
        gap=float(standings[0]),
        p_gap=gap_p(float(standings[0]), len(standings) - 1, len(seen.last.likeness)),
        like_twin=seen.alarmed not in (None, 0),
        excluded=tuple(excluded),
        unseen=tuple(unseen),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Said:
    """Answers of several models, or of one, to all points, at one access level."""

    labels: IntArray
    """(models, points); -1 where there is no answer."""
    scores: FloatArray | None
    """(models, points, classes) log-probabilities; None for labels only."""


def _weights(bundle: Bundle, evidence: Evidence) -> tuple[float, ...]:
    """Return how alike the weights are to each member's; empty where too little is comparable.

    A model whose tensors mostly have other shapes is not excluded as a copy by unlike weights.
    """
    seen, members = evidence.weights, bundle.fingerprint.line_up.twins + 1
    if seen is None or len(seen.likeness) < members or seen.shared < ENOUGH_SHARED:
        return ()
    return seen.likeness


def _related(bundle: Bundle, evidence: Evidence) -> bool:
    """Whether the suspect knows other classes, so that only relations can be compared."""
    classes = bundle.fingerprint.owner.classes
    return evidence.classes not in (None, classes) or int(evidence.answers.labels.max()) >= classes


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
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
class _Course:
    """A suspect's last look, and the member of the line-up that stood out there, if one did."""

    last: _Look
    alarmed: int | None


@dataclass(frozen=True, slots=True, eq=False)
class _Panel:
    """A bundle's line-up at one access level."""

    members: _Said
    """The answers of the owner, then of each twin, to all points."""
    core: BoolArray
    """(points,) which are core points."""
    classes: int
    """How many classes the owner knows."""
    level: float
    related: bool
    """Whether the suspect knows other classes, so that only relations can be compared."""
    looks: IntArray
    """Numbers of points after which a suspect that is asked one by one is looked at."""

    def course(self, said: _Said, weights: tuple[float, ...], asked: int | None) -> _Course:
        """Return how one suspect fares.

        A suspect that is asked one by one is looked at again and again, and the first member that
        stands out settles the line-up. To an innocent suspect each member is equally likely to be
        that one, so stopping early costs the exact p-value nothing.

        Args:
            said: Its answers, one row.
            weights: Likeness of its weights to each member; empty: none is known.
            asked: How many points were looked at one by one; None: all at once.
        """
        stops = [len(self.core)] if asked is None else self.looks[self.looks <= asked].tolist()
        for stop in stops or [asked]:
            look = self._look(said, weights, stop)
            alarmed = look.alarmed(self.level)
            if alarmed is not None:
                break
        return _Course(look, alarmed)

    def _look(self, said: _Said, weights: tuple[float, ...], stop: int) -> _Look:
        answered = (said.labels[0] >= 0) & (np.arange(len(self.core)) < stop)
        found = self._relations(said, answered) if self.related else self._answers(said, answered)
        if weights:
            found["weights"] = np.array(weights)
        return _Look(found)

    def _answers(self, said: _Said, answered: BoolArray) -> dict[str, DoubleArray]:
        found: dict[str, DoubleArray] = {}
        natural = answered & ~self.core
        for name, rows in (("core labels", answered & self.core), ("natural labels", natural)):
            if rows.any():
                both = (labels(one.labels[:, rows], self.classes) for one in (self.members, said))
                found[name] = likeness(*_pair(both))
        # Copies are found on core points by their labels; scores there tell nothing more, and every
        # further measure costs the others some power.
        if natural.any() and self.members.scores is not None and said.scores is not None:
            both = (scores(rows[:, natural]) for rows in (self.members.scores, said.scores))
            found["natural scores"] = likeness(*_pair(both))
        return found

    def _relations(self, said: _Said, answered: BoolArray) -> dict[str, DoubleArray]:
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
def _panel(bundle: Bundle, access: Access, *, related: bool) -> _Panel:
    """Return the line-up of a bundle; it depends on no suspect, so it is made once."""
    sheet, made = bundle.fingerprint.sheet, bundle.fingerprint
    twins = [r.answers for r in bundle.references if r.kind is ReferenceKind.TWIN]
    return _Panel(
        members=_said([_owner(sheet).capped(access), *(said.capped(access) for said in twins)]),
        core=sheet.rows(CORE),
        classes=made.owner.classes,
        level=made.line_up.level,
        related=related,
        looks=look_schedule(sheet.questions),
    )


def _owner(sheet: Sheet) -> Answers:
    shifted = sheet.outputs - sheet.outputs.max(axis=1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return Answers(sheet.labels, logs, Access.LOGITS)


def _said(answers: list[Answers]) -> _Said:
    """Join the answers of several models; scores count only where all of them revealed some."""
    scored = [one.scores for one in answers if one.scores is not None]
    whole = np.stack(scored) if len(scored) == len(answers) else None
    return _Said(np.stack([one.labels for one in answers]), whole)


def _kinds(bundle: Bundle, evidence: Evidence, seen: _Course) -> tuple[list[str], list[str]]:
    """Return the kinds of copies that are excluded, and those that are not.

    A kind is excluded if every measured copy of it, when it was asked what the suspect was asked,
    put the owner first by more than chance allows at the level `accuse` of the bundle's terms, and
    if the suspect resembles the owner less than any of them.
    """
    owner, level = float(seen.last.standings[0]), bundle.terms.accuse
    found = _measured(
        bundle,
        evidence.access,
        related=_related(bundle, evidence),
        weighed=bool(_weights(bundle, evidence)),
        asked=evidence.asked,
        answered=evidence.answers.answered.tobytes(),
    )
    excluded = [
        kind
        for kind, courses in found.items()
        if len(courses) >= FEWEST_COPIES
        and all(course.last.alarmed(level) == 0 for course in courses)
        and owner < min(float(course.last.standings[0]) for course in courses)
    ]
    return excluded, [kind for kind in found if kind not in excluded]


@functools.lru_cache(maxsize=16)
def _measured(
    bundle: Bundle,
    access: Access,
    *,
    related: bool,
    weighed: bool,
    asked: int | None,
    answered: bytes,
) -> dict[str, list[_Course]]:
    """Return the courses of the measured copies by kind.

    Suspects that answered the same points share them.

    Args:
        bundle: Has the copies.
        access: How much of their answers is used.
        related: Whether only relations between answers are compared.
        weighed: Whether weights are compared as well.
        asked: How many points are looked at one by one; None: all at once.
        answered: (points,) bool as bytes: which points count.
    """
    panel = _panel(bundle, access, related=related)
    rows = np.frombuffer(answered, bool)
    found: dict[str, list[_Course]] = {}
    for reference in bundle.references:
        if reference.kind is ReferenceKind.MEASURED_COPY:
            said = _said([reference.answers.capped(access)])
            labels = np.where(rows, said.labels, -1)
            weights = tuple(reference.recipe.get("weights", ())) if weighed else ()
            course = panel.course(_Said(labels, said.scores), weights, asked)
            found.setdefault(str(reference.recipe["how"]), []).append(course)
    return found
