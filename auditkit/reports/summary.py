"""Many suspects at a glance: a row for each, the accused first."""

from collections.abc import Sequence
from dataclasses import dataclass

from auditkit.reports.cases import Case
from auditkit.reports.lineage import WORST_FIRST

MOST_WHOLE = 50
"""Most suspects with a section of their own on a page; the accused have one in any case."""


NONE = "–"
SHARES = "label_similarity"
"""The identification whose value is the share of core points with the owner's label."""


@dataclass(frozen=True, slots=True)
class Row:
    """One suspect in the table; texts are short, or a dash where there is nothing to say."""

    case: Case
    calibrated: str
    """`yes` or `no`: whether an error rate is known."""
    points: str
    """The share of core points that get the owner's label."""
    gap: str
    """How many deviations the owner stands out by from its twins."""
    chance: str
    """How often an innocent suspect shows such a gap."""
    is_whole: bool
    """Whether the page has a section on it."""


def rows(cases: Sequence[Case]) -> list[Row]:
    """Return a row for each suspect: the accused first, then the refused, and by number."""
    order = sorted(cases, key=lambda case: (WORST_FIRST.index(case.kind), case.number))
    return [
        _row(case, is_whole=place < MOST_WHOLE or case.kind == "pirated")
        for place, case in enumerate(order)
    ]


def _row(case: Case, *, is_whole: bool) -> Row:
    verdict = case.verdict
    if verdict is None:
        return Row(case, NONE, NONE, NONE, NONE, is_whole)
    shares = [one.value for one in verdict.identifications if one.name == SHARES]
    points = next((f"{share:.0%}" for share in shares if share is not None), NONE)
    found, calibrated = verdict.line_up, "yes" if verdict.calibrated else "no"
    if found is None:
        return Row(case, calibrated, points, NONE, NONE, is_whole)
    return Row(case, calibrated, points, f"{found.gap:+.1f}", f"{found.p_gap:.1g}", is_whole)
