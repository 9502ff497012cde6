"""One suspect before the owner and its twins: the places, the chances, what is excluded."""

from dataclasses import dataclass

from auditkit.core.evidence import Evidence
from auditkit.core.verdicts import LineUp, Place
from auditkit.files.bundle import Bundle
from auditkit.judging.lineup.copies import measured
from auditkit.judging.lineup.panel import Course, panel_of, said_by
from auditkit.judging.lineup.ranking import gap_p, rank_p, standing

FEWEST_COPIES = 2
"""Measured copies of one kind, below which nothing is said of that kind."""
# Copies are measured bare. What stands before a copy or beside it changes its answers, though not
# the weights of its file (docs/evasions.md).
COPIES_BEHIND = "copies behind input filters or other models"
STUDENTS_BEHIND = "students behind input filters or other models"
SEEN = 0.01
"""A measured copy counts as seen if a gap as large as its own comes to innocents no more often."""


def line_up(bundle: Bundle, evidence: Evidence) -> LineUp | None:
    """Compare a suspect with the owner and its twins.

    Returns:
        None if the bundle has no twins, or if the suspect neither answered nor showed weights that
        are known of all of them.
    """
    made, weights = bundle.fingerprint, _weights(bundle, evidence)
    if not made.line_up.twins or not (weights or evidence.answers.answered.any()):
        return None
    panel = panel_of(bundle, evidence.access, related=_related(bundle, evidence))
    seen = panel.course(said_by([evidence.answers]), weights, evidence.asked)
    kinds = _kinds(bundle, evidence, seen)
    standings = seen.last.standings
    chance = gap_p(float(standings[0]), len(standings) - 1, len(seen.last.likeness))
    return LineUp(
        access=evidence.access,
        places=tuple(
            Place(name, tuple(row.tolist()), float(standing(row)[0]))
            for name, row in seen.last.likeness.items()
        ),
        p=1 / len(standings) if seen.alarmed == 0 else rank_p(standings),
        gap=float(standings[0]),
        p_gap=min(1.0, seen.looks * chance),
        like_twin=seen.alarmed not in (None, 0),
        excluded=kinds.excluded,
        unseen=kinds.unseen,
        unmeasured=kinds.unmeasured,
    )


def _weights(bundle: Bundle, evidence: Evidence) -> tuple[float, ...]:
    """Return how alike the weights are to each member's; empty where too little is comparable.

    A model whose tensors mostly have other shapes is not excluded as a copy by unlike weights.
    """
    seen, members = evidence.weights, bundle.fingerprint.line_up.twins + 1
    if seen is None or len(seen.likeness) < members or not seen.is_comparable:
        return ()
    return seen.likeness


def _related(bundle: Bundle, evidence: Evidence) -> bool:
    """Whether the suspect knows other classes, so that only relations can be compared."""
    classes = bundle.fingerprint.owner.classes
    return evidence.classes not in (None, classes) or int(evidence.answers.labels.max()) >= classes


@dataclass(frozen=True, slots=True)
class _Kinds:
    """Kinds of copies, by whether the line-up would have seen them."""

    excluded: tuple[str, ...]
    unseen: tuple[str, ...]
    unmeasured: tuple[str, ...]


def _kinds(bundle: Bundle, evidence: Evidence, seen: Course) -> _Kinds:
    """Return the kinds of copies that are excluded, those that are not, and those not measured.

    A kind is excluded if every measured copy of it, when it was asked what the suspect was asked,
    put the owner first by more than chance allows at the level `SEEN`, and if the suspect resembles
    the owner less than any of them.
    """
    owner = float(seen.last.standings[0])
    found = measured(
        bundle,
        evidence.access,
        related=_related(bundle, evidence),
        weighed=bool(_weights(bundle, evidence)),
        asked=evidence.asked,
        answered=evidence.answers.answered.tobytes(),
    )
    known = {kind: courses for kind, courses in found.items() if len(courses) >= FEWEST_COPIES}
    excluded = tuple(
        kind
        for kind, courses in known.items()
        if all(course.last.alarmed(SEEN) == 0 for course in courses)
        and owner < min(float(course.last.standings[0]) for course in courses)
    )
    return _Kinds(
        excluded,
        tuple(kind for kind in known if kind not in excluded),
        (
            *(kind for kind in found if kind not in known),
            STUDENTS_BEHIND if _weights(bundle, evidence) else COPIES_BEHIND,
        ),
    )
