"""Measured copies: which kinds of copies of the owner a line-up sees."""

import functools
from dataclasses import dataclass

import numpy as np

from auditkit.core.access import Access
from auditkit.core.models import ReferenceKind
from auditkit.files.bundle import Bundle
from auditkit.judging.lineup.panel import Course, Said, panel_of, said_by


@dataclass(frozen=True, slots=True)
class Power:
    """How many of the measured copies of one kind a line-up sees."""

    kind: str
    seen: int
    made: int

    def __str__(self) -> str:
        """In one phrase; copies that don't do the owner's task were left out, perhaps all."""
        return f"{self.kind} {self.seen} of {self.made}" if self.made else f"{self.kind} unknown"


def powers(bundle: Bundle, access: Access, *, file: bool) -> list[Power]:
    """Return what a line-up sees of each kind of copy that was measured.

    Args:
        bundle: Has the copies.
        access: How much suspects reveal.
        file: Whether they are files, whose weights are compared and which answer natural points.
    """
    sheet = bundle.fingerprint.sheet
    asked = np.arange(len(sheet)) < (len(sheet) if file else sheet.questions)
    found = measured(
        bundle, access, related=False, weighed=file, asked=None, answered=asked.tobytes()
    )
    return [
        Power(kind, sum(course.alarmed == 0 for course in courses), len(courses))
        for kind, courses in found.items()
    ]


@functools.lru_cache(maxsize=16)
def measured(
    bundle: Bundle,
    access: Access,
    *,
    related: bool,
    weighed: bool,
    asked: int | None,
    answered: bytes,
) -> dict[str, list[Course]]:
    """Return the courses of the measured copies that work by kind; none of a kind that all broke.

    Suspects that answered the same points share them.

    Args:
        bundle: Has the copies.
        access: How much of their answers is used.
        related: Whether only relations between answers are compared.
        weighed: Whether weights are compared as well.
        asked: How many points are looked at one by one; None: all at once.
        answered: (points,) bool as bytes: which points count.
    """
    panel = panel_of(bundle, access, related=related)
    rows = np.frombuffer(answered, bool)
    found: dict[str, list[Course]] = {}
    for reference in bundle.references:
        if reference.kind is ReferenceKind.MEASURED_COPY:
            courses = found.setdefault(str(reference.recipe["how"]), [])
            if reference.recipe.get("broken"):
                continue
            said = said_by([reference.answers.capped(access)])
            labels = np.where(rows, said.labels, -1)
            weights = tuple(reference.recipe.get("weights", ())) if weighed else ()
            courses.append(panel.course(Said(labels, said.scores), weights, asked))
    return found
