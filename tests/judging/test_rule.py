"""The rule of a line-up, from places to a verdict."""

from dataclasses import replace

import numpy as np
import pytest

from auditkit.core.access import Access
from auditkit.core.verdicts import Decision, LineUp, Place, ReasonCode
from auditkit.judging.lineup.rule import STUDENTS_BEHIND, by_line_up, by_more_than_labels

TWINS = 19


def found(measure: str, beaten_by: int) -> LineUp:
    """A line-up in which the owner comes after so many twins by one measure, and is not first."""
    twins = np.linspace(0, 1, TWINS)
    owner = np.sort(twins)[::-1][beaten_by] + 1e-3
    places = (Place("core labels", (0.1, *twins), -1.0), Place(measure, (owner, *twins), 1.0))
    return LineUp(Access.LOGITS, places, 0.5, 1.0, 0.5, False, ("fine-tuned",), ())


@pytest.mark.parametrize(
    ("measure", "beaten_by", "decision"),
    [
        ("natural scores", 1, Decision.INCONCLUSIVE),
        ("natural scores", 2, Decision.HOMOLOGOUS),
    ],
)
def test_an_owner_among_the_first_tenth_by_natural_scores_clears_nobody(
    measure, beaten_by, decision
):
    """The first two of twenty by scores for natural inputs, which filters leave as they are."""
    verdict = by_line_up(found(measure, beaten_by), 1e-5)
    assert verdict.decision is decision
    if decision is Decision.INCONCLUSIVE:
        assert verdict.reason.code == ReasonCode.CLOSE_BY_SCORES


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


def test_compared_weights_clear_of_all_but_filtered_students():
    """A filter hides no weights; students have weights of their own."""
    close = found("natural scores", 1)
    inside = replace(close, places=(*close.places, *found("weights", 5).places[1:]))
    verdict = by_line_up(inside, 1e-5)
    assert verdict.decision is Decision.HOMOLOGOUS
    assert STUDENTS_BEHIND in verdict.reason.facts["unseen"]
    far = replace(inside, places=(*found("natural scores", 5).places, inside.places[-1]))
    assert STUDENTS_BEHIND not in by_line_up(far, 1e-5).reason.facts["unseen"]
