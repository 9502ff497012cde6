"""One model's answers as a column: parts of it, the first so many, less of it, other classes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditkit.core.access import Access
from auditkit.core.answers import Answers

COUNT, CLASSES = 12, 5


def column(seed: int = 0, access: Access = Access.LOGITS) -> Answers:
    """Random answers, two of them missing."""
    scores = np.random.default_rng(seed).normal(0, 3, size=(COUNT, CLASSES))
    log = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    labels = log.argmax(axis=1)
    labels[[3, 7]], log[[3, 7]] = -1, np.nan
    return Answers(labels, log, access)


@given(st.integers(0, 50), st.integers(0, COUNT))
def test_the_first_so_many_are_a_slice(seed, count):
    """The others count as not asked, in labels and scores alike."""
    whole, first = column(seed), column(seed).first(count)
    np.testing.assert_array_equal(first.labels[:count], whole.labels[:count])
    np.testing.assert_array_equal(first.scores[:count], whole.scores[:count])
    assert (first.labels[count:] == -1).all()
    assert np.isnan(first.scores[count:]).all()
    assert first.access is whole.access


@given(st.permutations(range(COUNT)))
def test_rows_and_masks_choose_the_same(order):
    """A family's mask, or rows in any order: labels and scores stay together."""
    whole, rows = column(), np.array(order)
    np.testing.assert_array_equal(whole.at(rows).labels, whole.labels[rows])
    np.testing.assert_array_equal(whole.at(rows).scores, whole.scores[rows])
    mask = rows > 5
    np.testing.assert_array_equal(whole.at(mask).labels, whole.at(np.flatnonzero(mask)).labels)


@pytest.mark.parametrize("access", Access)
@pytest.mark.parametrize("least", Access)
def test_capping_twice_is_capping_to_the_less(access, least):
    """Nothing is gained by a higher cap, and what is unanswered stays so."""
    whole = column()
    once = whole.capped(min(access, least, key=lambda level: level.rank))
    twice = whole.capped(access).capped(least)
    np.testing.assert_array_equal(once.labels == -1, whole.labels == -1)
    if access.rank <= least.rank or least in (Access.LABEL, Access.ROUNDED):
        np.testing.assert_array_equal(once.labels, twice.labels)
    assert once.access is twice.access
    assert (once.scores is None) == (twice.scores is None) == (once.access is Access.LABEL)


@given(st.permutations(range(CLASSES)))
def test_renaming_classes_and_back_changes_nothing(order):
    """Labels and scores move together to the owner's classes."""
    whole, owners = column(), np.array(order)
    renamed = whole.relabelled(owners)
    answered = whole.answered
    np.testing.assert_array_equal(renamed.labels[answered], owners[whole.labels[answered]])
    np.testing.assert_array_equal(renamed.scores[answered].argmax(1), renamed.labels[answered])
    back = renamed.relabelled(np.argsort(owners))
    np.testing.assert_array_equal(back.labels, whole.labels)
    np.testing.assert_array_equal(back.scores, whole.scores)


@pytest.mark.parametrize(
    ("labels", "scores"),
    [
        (np.zeros((2, 2)), None),
        (np.zeros(3), np.zeros((2, 4))),
        (np.zeros(3), np.zeros(3)),
        (np.zeros(2), np.full((2, 4), np.nan)),
    ],
)
def test_columns_that_contradict_themselves_are_refused(labels, scores):
    """Scores of other points, or none where there is a label, are the programmer's mistake."""
    with pytest.raises(ValueError, match="must be"):
        Answers(labels, scores, Access.LOGITS)


def test_a_column_stays_as_it_was_made():
    """Neither labels nor scores can be changed afterwards."""
    for array in (column().labels, column().scores):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
