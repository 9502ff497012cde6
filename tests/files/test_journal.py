"""A journal keeps what was asked and answered, and shows when somebody touched it."""

import sqlite3

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditkit.core.errors import BudgetError, JournalError
from auditkit.files.journal import Journal, described, is_journal

HERE, THERE = "https://here/v2/models/m", "https://there/v2/models/m"


@pytest.fixture
def path(tmp_path):
    """A journal of two endpoints."""
    found = tmp_path / "audit.journal"
    journal = Journal(found)
    journal.asked(HERE, ["a", "b"], None)
    journal.answered(HERE, ["a", "b"], np.array([[0.1, 0.9], [1 / 3, 2 / 3]], np.float32))
    journal.asked(THERE, ["a"], None)
    journal.failed(THERE, ["a"], "busy")
    journal.asked(HERE, ["a"], None)
    journal.answered(HERE, ["a"], np.array([[0.2, 0.8]], np.float32))
    journal.close()
    return found


def test_answers_come_back_as_they_were(path):
    """Rows are the same to the last bit, one for each time a point was asked."""
    journal = Journal(path)
    assert [kept.row.tolist() for kept in journal.answers(HERE, "a")] == [
        np.array([0.1, 0.9], np.float32).tolist(),
        np.array([0.2, 0.8], np.float32).tolist(),
    ]
    assert journal.answers(HERE, "b")[0].row.dtype == np.float32
    assert journal.answers(THERE, "a") == ()
    journal.close()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(width=32), min_size=2, max_size=5))
def test_any_number_survives(tmp_path_factory, numbers):
    """Every float32, infinite and NaN included, survives the file."""
    path = tmp_path_factory.mktemp("journal") / "j"
    journal = Journal(path)
    journal.answered(HERE, ["a"], np.array([numbers], np.float32))
    journal.close()
    again = Journal(path)
    np.testing.assert_array_equal(again.answers(HERE, "a")[0].row, np.array(numbers, np.float32))
    again.close()


def test_labels_come_back_as_labels(tmp_path):
    """A label is a whole number, not a row."""
    journal = Journal(tmp_path / "j")
    journal.answered(HERE, ["a"], np.array([3]))
    journal.close()
    again = Journal(tmp_path / "j")
    row = again.answers(HERE, "a")[0].row
    assert row.ndim == 0
    assert row == 3
    again.close()


def test_what_was_sent_counts_answered_or_not(path):
    """The budget counts every point that was sent, over all audits, and is never exceeded."""
    journal = Journal(path)
    assert journal.spent(HERE) == 3
    assert journal.spent(THERE) == 1
    with pytest.raises(BudgetError, match="the budget of 4 queries"):
        journal.asked(HERE, ["c", "d"], 4)
    journal.asked(HERE, ["c"], 4)
    assert journal.spent(HERE) == 4
    journal.close()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE entries SET content = replace(content, '0.8', '0.7') WHERE number = 6",
        "UPDATE entries SET at = '2020-01-01T00:00:00' WHERE number = 1",
        "UPDATE entries SET endpoint = 'https://there/v2/models/m' WHERE number = 2",
        "UPDATE entries SET kind = 'failed' WHERE number = 2",
        "DELETE FROM entries WHERE number = 3",
        "DELETE FROM entries WHERE number = 1",
        "UPDATE entries SET number = 99 WHERE number = 6",
        "UPDATE entries SET digest = 'x' WHERE number = 6",
        "INSERT INTO entries VALUES (7, 'answered', 'x', 'x', '{}', 'x')",
    ],
)
def test_changes_are_seen(path, change):
    """Whatever is changed, left out or put in is noticed when the journal is opened."""
    with sqlite3.connect(path) as file:
        file.execute(change)
    file.close()
    with pytest.raises(JournalError, match="was changed"):
        Journal(path)


def test_the_last_digest_tells_of_a_missing_end(path):
    """Who cuts the end off gets another last digest."""
    before = described(path)[0]
    with sqlite3.connect(path) as file:
        file.execute("DELETE FROM entries WHERE number = 6")
    file.close()
    assert described(path)[0] != before


def test_a_journal_is_for_one_audit_at_a_time(path):
    """A second audit gets one line, and the first goes on."""
    first = Journal(path)
    first.asked(HERE, ["x"], None)
    with pytest.raises(JournalError, match="in use by another audit"):
        Journal(path)
    first.answered(HERE, ["x"], np.array([1]))
    first.close()


@pytest.mark.parametrize("content", [b"hello" * 300, b"SQLite format 3\0" + b"\0" * 900])
def test_other_files_are_one_line(tmp_path, content):
    """What is no journal is refused in one line and left as it is."""
    path = tmp_path / "j"
    path.write_bytes(content)
    with pytest.raises(JournalError) as caught:
        Journal(path)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == content


def test_databases_of_others_are_left_alone(tmp_path):
    """A file that some other program keeps is refused, and stays as it is to the byte."""
    path = tmp_path / "places.sqlite"
    with sqlite3.connect(path) as file:
        file.execute("CREATE TABLE bookmarks (url TEXT)")
    file.close()
    before = path.read_bytes()
    with pytest.raises(JournalError, match="a database of something else"):
        Journal(path)
    assert path.read_bytes() == before


def test_places_that_cant_be_written_are_one_line(tmp_path):
    """A folder that is not there is one line."""
    with pytest.raises(JournalError, match="can't be used"):
        Journal(tmp_path / "nowhere" / "j")


def test_inspect_tells_what_is_in_it(path):
    """Each endpoint has a line of what was sent and answered."""
    assert is_journal(path)
    lines = described(path)
    assert f"{HERE}: 3 points sent, 3 answers to 2 different ones" in lines
    assert f"{THERE}: 1 points sent, 0 answers to 0 different ones" in lines
