"""From a line-up to a verdict, with measured powers instead of constants."""

import numpy as np

from auditkit.core.verdicts import Decision, LineUp, Reason, ReasonCode
from auditkit.judging.finding import Finding
from auditkit.judging.lineup.panel import NATURAL_SCORES, WEIGHTS


def by_line_up(found: LineUp, level: float) -> Finding:
    """Decide by the owner's place among its twins.

    - Pirated: the owner is first, and stands out by more than chance allows at `level`.
    - Homologous: the owner is not first, and copies of most measured kinds would have been. The
      reason names them, those that would not, and those that could not be measured.
    - Inconclusive: everything else, and a suspect that would be homologous but puts the owner first
      by one measure, as a copy behind an input filter does. Files whose weights were compared are
      only said not to be cleared of being a student behind one.

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
        "unseen": list(found.unseen),
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
    elif len(found.excluded) <= len(found.unseen):
        decision, code = Decision.INCONCLUSIVE, ReasonCode.COPIES_UNSEEN
    elif _first_by_one(found) and not _seen_inside(found):
        decision, code = Decision.INCONCLUSIVE, ReasonCode.FIRST_BY_ONE
    else:
        decision, code = Decision.HOMOLOGOUS, ReasonCode.UNLIKE_COPIES
    return Finding(decision, Reason(code, facts))


def by_more_than_labels(finding: Finding, found: LineUp) -> Finding:
    """Turn homologous into inconclusive if nothing but labels was compared.

    A filter in front of a copy changes its labels on all points that tell.
    """
    measures = {place.measure for place in found.places}
    if finding.decision is not Decision.HOMOLOGOUS or measures & {NATURAL_SCORES, WEIGHTS}:
        return finding
    reason = Reason(ReasonCode.LABELS_ALONE, dict(finding.reason.facts))
    return Finding(Decision.INCONCLUSIVE, reason)


def _first_by_one(found: LineUp) -> bool:
    """Whether the owner is first by any of the measures."""
    # Filters change answers to odd inputs more than those to natural ones, or the other way round.
    places = (np.array(place.likeness) for place in found.places)
    return any(bool((likeness[0] > likeness[1:]).all()) for likeness in places)


def _seen_inside(found: LineUp) -> bool:
    return any(place.measure == WEIGHTS for place in found.places)
