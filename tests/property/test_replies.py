"""Whatever a suspect replies becomes answers or one line; never a crash, never a warning."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from auditkit.core.access import Access, access_of, checked
from auditkit.core.answers import answers_of, joined
from auditkit.core.errors import QueryError

KINDS = st.one_of(
    nps.integer_dtypes(),
    nps.unsigned_integer_dtypes(),
    nps.floating_dtypes(),
    nps.boolean_dtypes(),
    nps.complex_number_dtypes(),
    nps.unicode_string_dtypes(max_len=3),
)
REPLIES = nps.arrays(KINDS, nps.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))


@given(REPLIES, st.sampled_from(Access))
def test_every_reply_is_answers_or_one_line(reply, access):
    """Labels are classes or -1, scores of answered points are finite, all else is refused."""
    count = len(reply) if reply.ndim else 1
    try:
        whole = joined([checked(reply, count)])
    except QueryError:
        return
    revealed = access_of(whole)
    answers = answers_of(whole, revealed, min(revealed, access, key=lambda level: level.rank))
    assert len(answers.labels) == count
    assert answers.answered.any()
    assert answers.labels.min() >= -1


@pytest.mark.parametrize("reply", [None, [[0.0], [0.0, 1.0]][:0], object(), "cat", 3])
def test_what_is_no_array_is_one_line(reply):
    """Nothing, objects, words and single numbers are refused."""
    with pytest.raises(QueryError, match="wanted"):
        checked(reply, 2)


def test_labels_that_can_not_be_classes_are_unanswered():
    """NaN, infinity, negatives and absurd numbers are no answers; the others still are."""
    labels = checked(np.array([1, np.nan, np.inf, -np.inf, -3, 1e30]), 6)
    np.testing.assert_array_equal(labels, [1, -1, -1, -1, -1, -1])


def test_scores_beyond_single_precision_are_unanswered():
    """What float32 can't hold is infinite, and no warning is printed for it."""
    whole = joined([checked(np.array([[1e300, 0.0], [1.0, 0.0]]), 2)])
    np.testing.assert_array_equal(answers_of(whole, Access.LOGITS, Access.LABEL).labels, [-1, 0])
