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
    """One suspect in the table."""

    case: Case
    is_whole: bool = True
    """Whether the page has a section on it."""

    @property
    def share(self) -> float | None:
        """The share of core points, 0..1, that get the owner's label; None: that is not known."""
        weighed = () if self.case.verdict is None else self.case.verdict.identifications
        return next((one.value for one in weighed if one.name == SHARES), None)

    @property
    def gap(self) -> float | None:
        """How many deviations the owner stands out by from its twins; None without a line-up."""
        verdict = self.case.verdict
        return None if verdict is None or verdict.line_up is None else verdict.line_up.gap

    @property
    def calibrated(self) -> str:
        """`yes` or `no`: whether an error rate is known; a dash without a verdict."""
        if self.case.verdict is None:
            return NONE
        return "yes" if self.case.verdict.calibrated else "no"

    @property
    def points(self) -> str:
        """The share as it is shown."""
        return NONE if self.share is None else f"{self.share:.0%}"

    @property
    def stands_out(self) -> str:
        """The gap as it is shown."""
        return NONE if self.gap is None else f"{self.gap:+.1f}"

    @property
    def by_chance(self) -> str:
        """How often an innocent suspect shows such a gap, as it is shown."""
        verdict = self.case.verdict
        if verdict is None or verdict.line_up is None:
            return NONE
        return f"{verdict.line_up.p_gap:.1g}"


def rows(cases: Sequence[Case]) -> list[Row]:
    """Return a row for each suspect: the accused first, then the refused, and by number."""
    order = sorted(cases, key=lambda case: (WORST_FIRST.index(case.kind), case.number))
    return [
        Row(case, is_whole=place < MOST_WHOLE or case.kind == "pirated")
        for place, case in enumerate(order)
    ]
