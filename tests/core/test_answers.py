"""What a suspect returned becomes answers, or one clear line."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from auditkit.core.access import Access, access_of, as_shares, checked, from_best
from auditkit.core.answers import answers_of, joined
from auditkit.core.errors import QueryError

LOGITS = np.array([[2.0, -1.0, 0.5], [0.0, 3.0, 1.0]], np.float32)
PROBABILITIES = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    "reply",
    [
        np.zeros((3, 4, 5), np.float32),
        np.zeros((2, 4), np.float32),
        np.array(["cat", "dog", "cat"]),
        np.array([0.1, 0.9, 0.5], np.float32),
        "nonsense",
        None,
    ],
)
def test_a_reply_of_another_form_is_one_line(reply):
    """Anything but a row of scores or a label for each point is refused in one line."""
    with pytest.raises(QueryError) as caught:
        checked(reply, 3)
    assert "\n" not in str(caught.value)


def test_single_column_integers_are_labels():
    """(n, 1) integers are read as labels."""
    assert checked(np.array([[3], [1]]), 2).tolist() == [3, 1]


def test_whole_numbered_floats_are_labels():
    """A CSV's labels may come back as floats."""
    assert checked(np.array([3.0, 1.0]), 2).dtype == np.int64


def test_answers_that_change_form_are_refused():
    """A suspect that answers now in three classes, now in four, is refused."""
    with pytest.raises(QueryError, match="now in one form"):
        joined([np.zeros((2, 3), np.float32), np.zeros((2, 4), np.float32)])


def test_nothing_finite_is_refused():
    """A suspect that answers NaN throughout could not be audited."""
    with pytest.raises(QueryError, match="none of 4 answers is finite"):
        joined([np.full((4, 3), np.nan, np.float32)])


@pytest.mark.parametrize(
    ("whole", "access"),
    [
        (LOGITS, Access.LOGITS),
        (PROBABILITIES, Access.PROBABILITIES),
        (np.eye(3, dtype=np.float32), Access.LABEL),
        (np.array([0, 2, 1]), Access.LABEL),
        (np.log(PROBABILITIES), Access.LOGITS),
    ],
)
def test_access_is_read_from_the_answers(whole, access):
    """Logits, probabilities, one-hot rows and labels are told apart."""
    assert access_of(whole) is access


def test_logits_and_their_probabilities_give_the_same_answers():
    """What a suspect applies last does not matter."""
    first = answers_of(LOGITS, Access.LOGITS, Access.LOGITS)
    second = answers_of(PROBABILITIES, Access.PROBABILITIES, Access.PROBABILITIES)
    assert first.labels.tolist() == second.labels.tolist()
    np.testing.assert_allclose(first.scores, second.scores, atol=1e-5)


def test_label_access_keeps_no_scores():
    """Asked for labels only, nothing else is kept."""
    assert answers_of(LOGITS, Access.LOGITS, Access.LABEL).scores is None


def test_rows_that_are_not_finite_are_unanswered():
    """One NaN row is unanswered, the rest is kept."""
    broken = LOGITS.copy()
    broken[0, 1] = np.nan
    answers = answers_of(broken, Access.LOGITS, Access.LOGITS)
    assert answers.labels.tolist() == [-1, 1]
    assert answers.answered.tolist() == [False, True]


@given(hnp.arrays(np.float32, (5, 8), elements=st.floats(-30, 30, width=32), unique=True))
def test_top_k_keeps_the_best_three_and_all_the_probability(rows):
    """Top-k access keeps label and best three, and still sums to 1."""
    full = answers_of(rows, Access.LOGITS, Access.LOGITS)
    top = answers_of(rows, Access.LOGITS, Access.TOP_K)
    assert top.labels.tolist() == full.labels.tolist()
    best = np.argsort(-full.scores, axis=1, kind="stable")[:, :3]
    np.testing.assert_allclose(
        np.take_along_axis(top.scores, best, 1), np.take_along_axis(full.scores, best, 1)
    )
    np.testing.assert_allclose(np.exp(top.scores).sum(axis=1), 1, atol=1e-4)


@pytest.mark.parametrize(
    "rows",
    [
        [[0, 1, 1], [0, 0, 0], [1, 0, 0]],
        [[-128, 3, 127], [5, 4, 0]],
        [[-2150, 31000, 12], [5, 4, 0]],
        [[0.91, 0.83, 0.105], [0.002, 0.9991, 0.2]],
        [[0.91, 0.05, 0.0], [0.0, 0.4231, 0.0]],
    ],
)
def test_scores_on_a_scale_that_nobody_knows_are_labels(rows):
    """Whole numbers and sigmoids say which class is the best, and nothing that can be compared."""
    found = np.array(rows, np.float32)
    assert access_of(found) is Access.LABEL
    assert answers_of(found, Access.LABEL, Access.LABEL).labels.tolist() == [
        int(row.argmax()) for row in found
    ]


SHARES = np.random.default_rng(3).dirichlet(np.ones(10), 40)


@pytest.mark.parametrize("digits", [0, 1, None])
@pytest.mark.parametrize("whole", [100, 255, 1000])
def test_probabilities_of_another_whole_are_probabilities(whole, digits):
    """Percent, bytes and per mille are shares of 1, rounded or not."""
    rows = whole * SHARES if digits is None else np.round(whole * SHARES, digits)
    rows = rows.astype(np.float32)
    rows[7] = np.nan  # a point without an answer
    level = access_of(rows)
    assert level in (Access.ROUNDED, Access.PROBABILITIES)
    found = answers_of(rows, level, level)
    answered = np.arange(len(rows)) != 7
    np.testing.assert_allclose(np.exp(found.scores[answered]), SHARES[answered], atol=0.02)
    assert not found.answered[7]


@pytest.mark.parametrize(
    "rows",
    [
        SHARES,
        np.log(SHARES),
        30 * SHARES,  # no whole that anybody uses
        np.abs(np.random.default_rng(4).normal(10, 4, (40, 10))),  # sums of about 100, by chance
        np.array([[60, 40.5, 0], [60, 20, 0.5]]),  # the first row alone sums to 100
        np.array([[150, -50.5, 0.5], [60, 20.5, 19.5]]),
        np.array([[1, 2, 0], [0, 1, 5]]),
    ],
)
def test_other_scores_are_left_as_they_are(rows):
    """Nothing is taken for percent unless every row says so."""
    assert as_shares(rows.astype(np.float32)).tolist() == rows.astype(np.float32).tolist()


def listed(rows, count, decimals=None):
    """What a list of the best few becomes."""
    best = np.argsort(-rows, axis=1, kind="stable")[:, :count]
    scores = np.take_along_axis(rows, best, axis=1)
    shown = scores if decimals is None else np.round(scores, decimals)
    return from_best(best, shown, rows.shape[1])


TEN = np.random.default_rng(0).dirichlet(np.full(10, 0.3), size=8)


def test_a_list_of_the_best_is_a_row_for_each_class():
    """The listed keep their probabilities, the rest share what is left."""
    row = from_best(np.array([[2, 0]]), np.array([[0.6, 0.2]]), 4)
    np.testing.assert_allclose(row, [[0.2, 0.1, 0.6, 0.1]], atol=1e-6)


@pytest.mark.parametrize(
    ("count", "decimals", "access"),
    [
        (3, None, Access.TOP_K),
        (5, None, Access.TOP_K),
        (2, None, Access.LABEL),
        (1, None, Access.LABEL),
        (3, 2, Access.LABEL),
    ],
)
def test_lists_of_the_best_are_seen_as_such(count, decimals, access):
    """Three or more are top-k; fewer, or rounded ones, are used for their labels."""
    rows = listed(TEN, count, decimals)
    assert access_of(rows) is access
    assert rows.argmax(axis=1).tolist() == TEN.argmax(axis=1).tolist()


def test_rounded_rows_are_no_list():
    """Many noughts of rounding are not the rest of a list."""
    sharp = np.random.default_rng(1).dirichlet(np.full(10, 0.05), size=40)
    assert access_of(np.round(sharp, 2).astype(np.float32)) is Access.ROUNDED


def test_lists_of_other_numbers_are_labels():
    """Scores that are no probabilities tell the best class alone; NaN tells nothing."""
    rows = from_best(np.array([[1, 0], [2, 1]]), np.array([[7.0, 3.0], [np.nan, 2.0]]), 3)
    assert rows.tolist() == [1, -1]


@pytest.mark.parametrize(
    ("labels", "message"),
    [([[1, 1]], "names one twice"), ([[-1, 0]], "can't be"), ([[0, 7]], "lists class 7")],
)
def test_lists_that_cant_be_are_one_line(labels, message):
    """A class twice, none, or one of a larger label space."""
    with pytest.raises(QueryError, match=message):
        from_best(np.array(labels), np.array([[0.5, 0.3]]), 5)
