"""Many suspects at a glance: a row for each, the accused first."""

from collections.abc import Sequence
from dataclasses import dataclass

from auditkit.core.verdicts import Outcome, Refusal
from auditkit.reports.cases import Case
from auditkit.reports.lineage import WORST_FIRST

MOST_WHOLE = 50
"""Most suspects with a section of their own on a page; the accused have one in any case."""


@dataclass(frozen=True, slots=True)
class Row:
    """One suspect in the table."""

    case: Case
    calibrated: str
    likeness: str
    is_whole: bool
    """Whether the page has a section on it."""


def rows(cases: Sequence[Case]) -> list[Row]:
    """Return a row for each suspect: the accused first, then the refused, and by number."""
    order = sorted(cases, key=lambda case: (WORST_FIRST.index(case.kind), case.number))
    return [
        Row(
            case,
            calibrated(case.outcome),
            likeness(case.outcome),
            place < MOST_WHOLE or case.kind == "pirated",
        )
        for place, case in enumerate(order)
    ]


def calibrated(outcome: Outcome) -> str:
    """Return whether an error rate is known, and for a line-up which."""
    if isinstance(outcome, Refusal):
        return "–"
    found = outcome.line_up
    if found is None or not outcome.calibrated:
        return "uncalibrated"
    return f"calibrated, {found.p_gap:.1g}"


def likeness(outcome: Outcome) -> str:
    """Return how alike to the owner a suspect answers, in words that fit a table."""
    if isinstance(outcome, Refusal):
        return "–"
    shares = [one.value for one in outcome.identifications if one.name == "label_similarity"]
    told = [f"{share:.0%} of core points" for share in shares if share is not None]
    if outcome.line_up is not None:
        told.append(f"the owner stands out by {outcome.line_up.gap:+.1f}")
    return "; ".join(told) or "–"
