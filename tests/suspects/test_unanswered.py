"""A reply without an answer costs its point, never the audit; what is wrong shows at once."""

import itertools
import json
import threading

import numpy as np
import pytest

from auditkit import api
from auditkit.core.errors import QueryError
from auditkit.core.requests import Asking, Patience
from auditkit.core.verdicts import Decision
from auditkit.suspects import sending as module
from auditkit.suspects.client import LOST
from tests.api import Api, Told, told
from tests.conftest import COPY, linear

WORDS = ["zero", "one", "two", "three", "four"]
NESTED = 'batch = {batch}\n[request]\njson = {{ inputs = "$points.nested" }}\n[response]\n'
HICCUPS = {
    "an error with status 200": told({"error": "worker restarted"}),
    "an error as a text": told("overloaded, try again"),
    "a web page": Told(b"<html>Bad gateway</html>", 200, {"content-type": "text/html"}),
    "an empty list": told({"predictions": []}),
    "null": told(None),
    "an object in place of the list": told({"predictions": {"status": "queued"}}),
    "words in place of numbers": told({"predictions": [["n/a"] * 5]}),
    "too few rows": told({"predictions": [[0.1] * 5, [0.2] * 5]}),
    "one score": told({"predictions": [[0.5]]}),
}


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    """Pauses between tries are short here."""
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.001)


class Moody:
    """A copy whose replies are `trouble(number of the request, inputs)` where that is a reply."""

    def __init__(self, trouble, told_as=lambda scores: told({"predictions": scores.tolist()})):
        self.trouble, self.told_as = trouble, told_as
        self.sizes, self.lock = [], threading.Lock()

    def __call__(self, asked):
        """Count, then trouble or answer."""
        inputs = np.array(json.loads(asked.body)["inputs"], np.float32)
        with self.lock:
            self.sizes.append(len(inputs))
            number = len(self.sizes)
        return self.trouble(number, inputs) or self.told_as(linear(inputs, COPY))


def audited(bundle, folder, mood, response='scores = "predictions"', batch=1, **patience):
    """The examination of a described API of this mood."""
    with Api(mood) as server:
        text = NESTED.format(batch=batch)
        (folder / "api.toml").write_text(f'url = "{server.url}/x"\n{text}{response}\n')
        asking = Asking(sequential=False, patience=Patience(longest=1, **patience))
        [found] = api.audit(bundle, [str(folder / "api.toml")], asking)
        return found


@pytest.mark.parametrize("hiccup", HICCUPS)
@pytest.mark.parametrize("batch", [1, 16])
def test_now_and_then_a_reply_without_an_answer_is_asked_again(bundle, tmp_path, hiccup, batch):
    """Whatever comes in place of every ninth answer, the verdict is that of a calm copy."""
    mood = Moody(lambda number, _: HICCUPS[hiccup] if number % 9 == 5 else None)
    found = audited(bundle, tmp_path, mood, batch=batch, lanes=1)
    assert found.outcome.decision is Decision.PIRATED
    assert found.outcome.answered == 120


@pytest.mark.parametrize("hiccup", HICCUPS)
def test_points_that_get_no_answer_count_as_unanswered(bundle, tmp_path, hiccup):
    """Asked three times in vain, a few points are left out, and the report says how many."""
    lost = {point.tobytes() for point in bundle.fingerprint.sheet.points[[20, 60]]}
    mood = Moody(lambda _, x: HICCUPS[hiccup] if x[0].tobytes() in lost else None)
    found = audited(bundle, tmp_path, mood)
    assert found.outcome.decision is Decision.PIRATED
    assert found.outcome.answered == 118
    assert any("2 points got replies without an answer" in note for note in found.outcome.notes)


def test_a_silent_share_clears_nobody(lined_up, tmp_path):
    """Who leaves out the points that would give it away is not called homologous."""
    core = {point.tobytes() for point in lined_up.fingerprint.sheet.points[::2]}
    mood = Moody(lambda _, x: told({"predictions": [[None] * 5]}) if x.tobytes() in core else None)
    assert audited(lined_up, tmp_path, mood).outcome.decision is Decision.INCONCLUSIVE


def test_a_wrong_path_shows_at_the_first_point(bundle, tmp_path):
    """It is tried three times, one request at a time, and the reply is told."""
    mood = Moody(lambda _n, _x: None)
    found = audited(bundle, tmp_path, mood, 'scores = "result"')
    assert "'result' leads nowhere in the reply: {\"predictions\":" in found.outcome.reason
    assert mood.sizes == [1] * 3


@pytest.mark.parametrize(
    ("response", "words", "unknown"),
    [
        (f'labels = "label"\nclasses = {WORDS}', [w.upper() + "!" for w in WORDS], "!"),
        (f'best = "@"\nclasses = {[*WORDS[:4], "5"]}', ["20", "30", "50", "60", "70"], "0"),
        ('labels = "label"', WORDS, "labels are names"),
    ],
)
def test_an_unknown_label_shows_at_the_first_point(bundle, tmp_path, response, words, unknown):
    """It is named, after one question."""

    def told_as(scores):
        return told({"label": words[scores[0].argmax()], "score": 0.7})

    mood = Moody(lambda _n, _x: None, told_as)
    found = audited(bundle, tmp_path, mood, response)
    assert unknown in found.outcome.reason
    assert mood.sizes == [1]


def test_an_unknown_label_later_on_costs_its_point_once(bundle, tmp_path):
    """An API may know more classes than the owner; asked again it would say the same."""
    odd = {point.tobytes() for point in bundle.fingerprint.sheet.points[20:120:20]}
    mood = Moody(
        lambda _n, x: told({"label": "yak"}) if x[0].tobytes() in odd else None,
        lambda scores: told({"label": WORDS[scores[0].argmax()]}),
    )
    found = audited(bundle, tmp_path, mood, f'labels = "label"\nclasses = {WORDS}')
    assert found.outcome.answered == 115
    assert len(mood.sizes) == 120 + found.evidence.repeated


def test_an_api_that_breaks_for_good_ends_soon(bundle, tmp_path):
    """After ten points in turn nothing more is sent, and what went wrong is told."""
    mood = Moody(lambda number, _: told({"error": "quota exceeded"}) if number > 40 else None)
    found = audited(bundle, tmp_path, mood, lanes=1)
    assert "quota exceeded" in found.outcome.reason
    assert len(mood.sizes) == 40 + 3 * LOST


def test_the_budget_holds_while_points_are_asked_again(bundle, tmp_path):
    """Repeated questions count, and what was answered until then is judged."""
    count = itertools.count()
    mood = Moody(lambda _n, _x: told({"error": "busy"}) if next(count) % 2 else None)
    found = audited(bundle, tmp_path, mood, budget=60, lanes=1)
    assert len(mood.sizes) == 60
    assert found.outcome.decision is Decision.INCONCLUSIVE


def test_a_file_is_not_asked_in_vain(bundle, tmp_path):
    """Recorded answers and models on disk would say the same again: the first fault is told."""
    np.savez(tmp_path / "short.npz", scores=np.zeros((30, 5)))
    [found] = api.audit(bundle, [str(tmp_path / "short.npz")])
    assert "30 answers are recorded" in found.outcome.reason
    with pytest.raises(QueryError):
        api.query(bundle, str(tmp_path / "short.npz"))
