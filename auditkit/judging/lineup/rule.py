"""From a line-up to a verdict, with measured powers instead of constants."""

import numpy as np

from auditkit.core.verdicts import Decision, LineUp, Reason, ReasonCode
from auditkit.judging.finding import Finding
from auditkit.judging.lineup.panel import NATURAL_SCORES
from auditkit.judging.lineup.ranking import rank_p

STUDENTS_BEHIND = "students behind input filters or other models"
# Filters and gates in front of a copy change its answers to odd inputs and leave its accuracy. So
# they leave its scores for natural inputs too, and the owner stays among the first by these.
CLOSE = 0.1
"""An owner that is among this share of the line-up by natural scores, 0..1, clears nobody."""


def by_line_up(found: LineUp, level: float) -> Finding:
    """Decide by the owner's place among its twins.

    - Pirated: the owner is first, and stands out by more than chance allows at `level`.
    - Homologous: the owner is not first, and copies of most measured kinds would have been. The
      reason names them, those that would not, and those that could not be measured.
    - Inconclusive: everything else, and a suspect that would be homologous but whose natural scores
      put the owner among the first tenth of the line-up, as a copy behind an input filter does. A
      file whose weights were compared is only said not to be cleared of being such a student.

    Args:
        found: The line-up.
        level: How often an innocent suspect may show a gap as large as an accused one.
    """
    facts = {
        "p": found.p,
        "twins": found.twins,
        "gap": found.gap,
        "p gap": found.p_gap,
        "level": level,
        "excluded": list(found.excluded),
        "unseen": [*found.unseen, *_disguises(found)],
        "unmeasured": list(found.unmeasured),
    }
    # The tolerance lets the owner be first in spite of floating-point rounding.
    first = found.p <= found.looks / (found.twins + 1) + 1e-12
    if found.like_twin:
        decision, code = Decision.INCONCLUSIVE, ReasonCode.LIKE_A_TWIN
    elif first and found.p_gap <= level:
        decision, code = Decision.PIRATED, ReasonCode.FIRST_IN_LINE_UP
    elif first:
        decision, code = Decision.INCONCLUSIVE, ReasonCode.NOT_OUTSTANDING
    elif len(found.excluded) > len(found.unseen) and _is_close(found) and not _seen_inside(found):
        decision, code = Decision.INCONCLUSIVE, ReasonCode.CLOSE_BY_SCORES
    elif len(found.excluded) > len(found.unseen):
        decision, code = Decision.HOMOLOGOUS, ReasonCode.UNLIKE_COPIES
    else:
        decision, code = Decision.INCONCLUSIVE, ReasonCode.COPIES_UNSEEN
    return Finding(decision, Reason(code, facts))


def _disguises(found: LineUp) -> tuple[str, ...]:
    """Return what can't be excluded: a filter changes labels on all points that tell.

    Weights show what was made from the owner's weights, behind any filter, and no students.
    """
    return (STUDENTS_BEHIND,) if _seen_inside(found) and _is_close(found) else ()


def by_more_than_labels(finding: Finding, found: LineUp) -> Finding:
    """Turn homologous into inconclusive if nothing but labels was compared.

    A filter in front of a copy changes its labels on all points that tell.
    """
    measures = {place.measure for place in found.places}
    if finding.decision is not Decision.HOMOLOGOUS or measures & {NATURAL_SCORES, "weights"}:
        return finding
    reason = Reason(ReasonCode.LABELS_ALONE, dict(finding.reason.facts))
    return Finding(Decision.INCONCLUSIVE, reason)


def _seen_inside(found: LineUp) -> bool:
    return any(place.measure == "weights" for place in found.places)


def _is_close(found: LineUp) -> bool:
    """Whether the owner is among the first by the suspect's scores for natural inputs."""
    places = [place.likeness for place in found.places if place.measure == NATURAL_SCORES]
    least = max(CLOSE, 1 / (found.twins + 1)) + 1e-12
    return any(rank_p(np.array(likeness)) <= least for likeness in places)
