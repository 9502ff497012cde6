"""Points are sent in fitting batches, with patience, within the budget, and never twice."""

import json
import sqlite3
import threading
import time
from typing import ClassVar

import numpy as np
import pytest

from auditkit.adapters.base import Port
from auditkit.core.errors import BatchError, BudgetError, QueryError, TransientError
from auditkit.core.points import InputSpec
from auditkit.core.requests import Patience
from auditkit.files.journal import Journal
from auditkit.suspects import patience as module
from auditkit.suspects.client import Client
from auditkit.suspects.log import Memory
from auditkit.suspects.patience import Pace, patiently

SPEC = InputSpec((2,), (0.0,), (1.0,))
POINTS = np.random.default_rng(0).random((50, 2)).astype(np.float32)


class Suspect:
    """Answers each point with itself, after what `trouble` does about a batch."""

    runtime: ClassVar = {"protocol": "test"}

    def __init__(self, trouble=lambda _points: None, batch=16, lanes=4):
        self.trouble = trouble
        self.port = Port("https://here", at_once=batch, concurrency=lanes)
        self.sent, self.closed, self.lock = [], 0, threading.Lock()

    def answer(self, points):
        """The points themselves."""
        with self.lock:
            self.sent.append(len(points))
        self.trouble(points)
        return points

    def close(self):
        """Count."""
        self.closed += 1


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    """Pauses between tries are short here."""
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(module, "LONGEST_PAUSE", 0.01)


def client(suspect, log=None, **patience):
    """A client of this suspect."""
    return Client(suspect, SPEC, Patience(**patience), log or Journal())


def test_answers_are_the_points_in_order():
    """However it is cut into requests, each point gets its own answer."""
    suspect = Suspect(lambda _points: time.sleep(0.002 * np.random.default_rng().random()))
    np.testing.assert_array_equal(client(suspect).answer(POINTS, SPEC), POINTS)
    assert sorted(suspect.sent) == [2, 16, 16, 16]


def test_lanes_are_what_the_adapter_bears():
    """A suspect that bears one question at a time gets one, whatever is asked for."""
    under_way, most, lock = [0], [0], threading.Lock()

    def watch(_points):
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        time.sleep(0.01)
        with lock:
            under_way[0] -= 1

    for lanes, wanted, expected in ((1, 8, 1), (8, 1, 1), (8, 3, 3)):
        most[0] = 0
        client(Suspect(watch, batch=5, lanes=lanes), lanes=wanted).answer(POINTS, SPEC)
        assert most[0] == expected


def test_batches_are_halved_until_they_fit():
    """Who takes 5 points at once is found out, and then asked no more."""

    def picky(points):
        if len(points) > 5:
            raise BatchError("too many")

    suspect = Suspect(picky, lanes=1)
    np.testing.assert_array_equal(client(suspect).answer(POINTS, SPEC), POINTS)
    assert suspect.sent[:3] == [16, 8, 4]
    assert max(suspect.sent[3:]) <= 4


def test_a_refusal_of_one_point_is_final():
    """Where even one point is refused, its words are told."""
    suspect = Suspect(lambda _points: (_ for _ in ()).throw(BatchError("no such input")), lanes=1)
    with pytest.raises(QueryError, match="no such input"):
        client(suspect).answer(POINTS, SPEC)
    assert suspect.sent == [16, 8, 4, 2, 1]


def test_passing_troubles_are_waited_out():
    """Three in ten requests fail for the moment, and the answers are those of a calm suspect."""
    draws, lock = np.random.default_rng(1), threading.Lock()

    def moody(_points):
        with lock:
            unlucky = draws.random() < 0.3
        if unlucky:
            raise TransientError("busy")

    journal = Journal()
    np.testing.assert_array_equal(
        client(Suspect(moody, batch=2), journal).answer(POINTS, SPEC), POINTS
    )
    assert journal.spent("https://here") > len(POINTS)


def test_whatever_a_suspect_raises_is_said_in_one_place():
    """Errors of Python's network become tries, all others one line with their type."""
    for raised, kind in (
        (ConnectionResetError("gone"), TransientError),
        (TimeoutError("slow"), TransientError),
        (ZeroDivisionError("a\nb"), QueryError),
        (MemoryError(), QueryError),
        (SystemExit(0), QueryError),
    ):

        def trouble(_points, raised=raised):
            raise raised

        with pytest.raises(QueryError, match=f"the suspect raised {type(raised).__name__}: ") as c:
            client(Suspect(trouble), longest=0).answer(POINTS[:1], SPEC)
        assert type(c.value) is kind
        assert "\n" not in str(c.value)


def test_an_interrupted_audit_ends():
    """Ctrl-C while a suspect is asked is the user's, not the suspect's."""

    def interrupt(_points):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        client(Suspect(interrupt)).answer(POINTS[:1], SPEC)


def test_a_fixed_batch_is_filled_up():
    """A suspect that takes five at once gets five, and its surplus answers are dropped."""
    suspect = Suspect(lanes=1)
    suspect.port = Port("https://here", batch=5, concurrency=1)
    asked = client(suspect)
    np.testing.assert_array_equal(asked.answer(POINTS[:12], SPEC), POINTS[:12])
    assert suspect.sent == [5, 5, 5]


def test_lasting_troubles_end():
    """Who never answers is given up after the patience, alone and in batches."""

    def never(_points):
        raise TransientError("busy")

    suspect = Suspect(never, lanes=1)
    with pytest.raises(TransientError, match=r"busy \(tried for"):
        client(suspect, longest=0.05).answer(POINTS, SPEC)
    assert set(suspect.sent) == {16, 1}


def test_it_waits_as_long_as_asked():
    """Retry-After counts for all requests."""
    seen = []

    def once(_points):
        seen.append(time.monotonic())
        if len(seen) == 1:
            raise TransientError("busy", after=0.3)

    client(Suspect(once, batch=50)).answer(POINTS, SPEC)
    assert seen[1] - seen[0] >= 0.3


def test_pauses_grow_up_to_the_longest(monkeypatch):
    """Each try is later than the one before, so that a busy suspect gets air."""
    pauses, left = [], iter(range(6))

    def busy():
        if next(left) < 5:
            raise TransientError("busy")

    pace = Pace(None)
    monkeypatch.setattr(pace, "pause", pauses.append)
    patiently(busy, 10, pace)
    assert pauses == [0.001, 0.002, 0.004, 0.008, 0.01]


def test_a_suspect_that_writes_into_its_question_harms_nobody():
    """Points are the client's: the second try sends what the first did."""
    seen = []

    def spoil(points):
        seen.append(points.copy())
        points[:] = 0
        if len(seen) == 1:
            raise TransientError("busy")

    client(Suspect(spoil, batch=50)).answer(POINTS, SPEC)
    np.testing.assert_array_equal(seen[0], seen[1])


def test_failures_are_in_the_journal(tmp_path):
    """What was sent in vain is kept with the reason."""

    def refuse(_points):
        raise QueryError("wrong face")

    journal = Journal(tmp_path / "j")
    with pytest.raises(QueryError):
        client(Suspect(refuse), journal).answer(POINTS[:1], SPEC)
    journal.close()
    with sqlite3.connect(tmp_path / "j") as file:
        entries = file.execute("SELECT kind, content FROM entries").fetchall()
    file.close()
    assert [kind for kind, _ in entries] == ["asked", "failed"]
    assert json.loads(entries[1][1])["why"] == "wrong face"


def test_who_asks_for_an_hour_is_not_waited_for():
    """A wait beyond the patience ends the audit at once."""

    def later():
        raise TransientError("busy", after=3600)

    with pytest.raises(TransientError):
        patiently(later, 1, Pace(None))


def test_the_rate_is_kept():
    """No request starts before its turn, over all lanes, however late the ones before it were."""
    starts = []
    suspect = Suspect(lambda _points: starts.append(time.monotonic()), batch=10, lanes=8)
    begun = time.monotonic()
    client(suspect, rate=50).answer(POINTS, SPEC)
    turns = begun + np.arange(5) / 50
    assert (np.sort(starts) >= turns).all()


@pytest.mark.parametrize("make", [Journal, Memory])
@pytest.mark.parametrize("budget", [0, 1, 15, 16, 17, 49])
def test_the_budget_is_never_exceeded(budget, make):
    """No more points are sent than allowed, failed ones counted; answers so far are kept."""
    journal = make()
    suspect = Suspect(batch=4)
    asked = client(suspect, journal, budget=budget)
    with pytest.raises(BudgetError):
        asked.answer(POINTS, SPEC)
    assert sum(suspect.sent) == asked.sent == journal.spent("https://here") <= budget
    kept = asked.kept(POINTS, SPEC)
    assert sum(row is not None for row in kept) == sum(suspect.sent)


def test_a_budget_goes_to_the_first_points():
    """However requests overtake each other, what is answered is the beginning, and all of it."""
    pauses = np.random.default_rng(0)
    for _ in range(5):
        suspect = Suspect(lambda _points: time.sleep(0.01 * pauses.random()), batch=8, lanes=4)
        asked = client(suspect, budget=20)
        with pytest.raises(BudgetError, match="the budget of 20 queries is spent"):
            asked.answer(POINTS, SPEC)
        answered = [row is not None for row in asked.kept(POINTS, SPEC)]
        assert answered == [True] * 20 + [False] * 30


def test_failed_points_count_against_the_budget():
    """A point that was sent and not answered was sent."""

    def never(_points):
        raise TransientError("busy")

    suspect = Suspect(never, batch=1, lanes=1)
    with pytest.raises(BudgetError):
        client(suspect, budget=7).answer(POINTS, SPEC)
    assert sum(suspect.sent) == 7


def test_what_the_journal_has_is_not_asked(tmp_path):
    """A second audit in the same journal sends nothing, and says when it was answered."""
    for number in range(2):
        journal = Journal(tmp_path / "j")
        suspect = Suspect()
        asked = client(suspect, journal)
        np.testing.assert_array_equal(asked.answer(POINTS, SPEC), POINTS)
        np.testing.assert_array_equal(asked.answer(POINTS[:5], SPEC), POINTS[:5])
        journal.close()
        assert sum(suspect.sent) == (0 if number else 55)
        assert len(asked.reused) == (55 if number else 0)


@pytest.mark.parametrize("make", [Journal, Memory])
def test_asking_again_is_asked(make):
    """Within one audit a repeated point goes to the suspect again."""
    count = [0]

    def forgetful(points):
        count[0] += 1
        points[:] = count[0]

    asked = client(Suspect(forgetful), make())
    first, again = asked.answer(POINTS[:3], SPEC), asked.answer(POINTS[:3], SPEC)
    assert (first == 1).all()
    assert (again == 2).all()


@pytest.mark.parametrize("make", [Journal, Memory])
def test_other_ways_of_asking_have_other_answers(make):
    """The same point normalised otherwise is another question."""
    journal, suspect = make(), Suspect()
    client(suspect, journal).answer(POINTS, SPEC)
    other = InputSpec((2,), (0.0,), (1.0,), mean=(0.5,), std=(0.5,))
    client(suspect, journal).answer(POINTS, other)
    assert sum(suspect.sent) == 100


@pytest.mark.parametrize("reply", [None, "text", np.zeros((3, 4)), {"a": 1}, [[1, 2], [3]]])
def test_nonsense_is_one_line_and_no_answer(reply):
    """A reply that is no row for each point is refused, and not kept."""
    suspect = Suspect()
    suspect.answer = lambda _points: reply
    journal = Journal()
    with pytest.raises(QueryError):
        client(suspect, journal).answer(POINTS, SPEC)
    assert client(suspect, journal).kept(POINTS, SPEC) == [None] * 50


def test_changing_forms_are_one_line():
    """Scores now and labels then can't be compared."""
    forms = iter([np.zeros((25, 4)), np.zeros(25)])
    suspect = Suspect(batch=25, lanes=1)
    suspect.answer = lambda _points: next(forms)
    with pytest.raises(QueryError, match="now in one form"):
        client(suspect).answer(POINTS, SPEC)
