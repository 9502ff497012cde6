"""The rule of a line-up, from places to a verdict."""

import numpy as np

from auditkit.core.access import Access
from auditkit.core.verdicts import Decision, LineUp, Place, ReasonCode
from auditkit.judging.lineup.rule import by_line_up, by_more_than_labels

TWINS = 19


def found(measure: str, beaten_by: int) -> LineUp:
    """A line-up in which the owner comes after so many twins by one measure, and is not first."""
    twins = np.linspace(0, 1, TWINS)
    owner = np.sort(twins)[::-1][beaten_by] + 1e-3
    places = (Place("core labels", (0.1, *twins), -1.0), Place(measure, (owner, *twins), 1.0))
    return LineUp(Access.LOGITS, places, 0.5, 1.0, 0.5, False, ("fine-tuned",), ())


def test_labels_alone_clear_nobody():
    """A filter changes a copy's labels on all points that tell; scores or weights are needed."""
    for measure, decision in (
        ("natural labels", Decision.INCONCLUSIVE),
        ("natural scores", Decision.HOMOLOGOUS),
        ("weights", Decision.HOMOLOGOUS),
    ):
        seen = found(measure, 5)
        verdict = by_more_than_labels(by_line_up(seen, 1e-5), seen)
        assert verdict.decision is decision
        labels_alone = verdict.reason.code == ReasonCode.LABELS_ALONE
        assert labels_alone == (decision is Decision.INCONCLUSIVE)
