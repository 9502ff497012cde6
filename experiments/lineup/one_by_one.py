"""Suspects that are asked one by one, by an API's questions: who stands out, and after how many."""

from collections.abc import Iterator
from dataclasses import dataclass

from auditkit.core.access import Access
from auditkit.core.evidence import Evidence
from auditkit.files.bundle import Bundle
from auditkit.judging.lineup.panel import panel_of, said_by


@dataclass(frozen=True, slots=True)
class Course:
    """How one suspect fared."""

    stood_out: int | None
    """The member of the line-up that stood out, 0 for the owner; None if nobody did."""
    asked: int
    """Questions until then, or all."""


def courses(bundle: Bundle, suspects: list[Evidence], access: Access) -> Iterator[Course]:
    """Yield how suspects of the owner's classes fare.

    Args:
        bundle: Its owner and twins are the line-up.
        suspects: Everything they answered.
        access: How much of it is used.
    """
    panel = panel_of(bundle, access, related=False)
    questions, classes = bundle.fingerprint.sheet.questions, bundle.fingerprint.owner.classes
    for one in suspects:
        if one.classes == classes:
            said = said_by([one.answers.first(questions).capped(access)])
            found = panel.course(said, (), questions)
            yield Course(found.alarmed, int(panel.looks[found.looks - 1]))
