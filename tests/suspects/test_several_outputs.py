"""A server's further outputs are judged from the replies that were paid for already."""

import json

import numpy as np
import pytest

from auditkit import api
from auditkit.commands.testserver.behaviour import Behaviour
from auditkit.commands.testserver.server import Server
from auditkit.core.requests import Asking, Options, Patience
from auditkit.core.verdicts import Decision, Verdict
from auditkit.files.journal import Journal
from auditkit.suspects.readings import Reading
from tests.api import Api, told
from tests.conftest import CLASSES, COPY, STRANGER, linear
from tests.contract.test_wrappings import as_onnx

pytestmark = pytest.mark.torch
DECOY = STRANGER[:, ::-1].copy()
HEADS = {"head_0": "d", "head_1": "s", "pooled": "f"}


@pytest.fixture
def served(tmp_path):
    """A server of two heads and an embedding, with a list of the points that it was sent."""
    log = tmp_path / "log"
    with Server(_file(tmp_path, COPY), log=log) as server:
        yield (
            server.url,
            lambda: [
                point
                for line in log.read_text().splitlines()
                for point in json.loads(line)["points"]
            ],
        )


def _file(folder, weights):
    return folder / as_onnx(folder, weights, DECOY, HEADS)


def test_further_outputs_cost_no_queries(served, bundle, tmp_path):
    """The second head is judged, and as many points are sent as for the first alone."""
    url, sent = served
    [found] = api.audit(bundle, [url], Asking(journal=tmp_path / "journal"))
    assert found.outcome.decision is Decision.PIRATED
    assert found.evidence.looks == 2
    assert "'head_0', 'head_1' were each asked and judged; 'head_1' counts" in " ".join(
        found.evidence.notes
    )
    named = Asking(options=Options(output="head_0"), journal=tmp_path / "of one output")
    [alone] = api.audit(bundle, [url], named)
    assert len(sent()) == 2 * alone.evidence.sent
    assert found.evidence.sent == alone.evidence.sent


def test_an_audit_goes_on_with_all_outputs(served, bundle, tmp_path):
    """From the journal alone comes the same verdict, and nothing is sent."""
    url, sent = served
    asking = Asking(journal=tmp_path / "journal")
    [first] = api.audit(bundle, [url], asking)
    before = len(sent())
    [again] = api.audit(bundle, [url], asking)
    assert len(sent()) == before
    assert again.evidence.looks == first.evidence.looks == 2
    assert again.outcome.decision is first.outcome.decision is Decision.PIRATED


def test_the_budget_is_one_for_all_outputs(served, bundle, tmp_path):
    """Further outputs are judged by what the budget has answered."""
    url, sent = served
    asking = Asking(journal=tmp_path / "journal", patience=Patience(budget=60))
    [found] = api.audit(bundle, [url], asking)
    assert isinstance(found.outcome, Verdict)
    assert found.evidence.looks == 2
    assert len(sent()) == 60


def test_an_innocent_of_two_heads_is_not_accused(bundle, tmp_path):
    """The closest of two strangers is a stranger."""
    with Server(_file(tmp_path, STRANGER)) as server:
        [found] = api.audit(bundle, [server.url], Asking(journal=None))
    assert found.outcome.decision is not Decision.PIRATED


def test_whoever_restricts_replies_shows_one_output(bundle, tmp_path):
    """The test server's restrictions are for the first output."""
    with Server(_file(tmp_path, COPY), Behaviour(reveal="label")) as server:
        [found] = api.audit(bundle, [server.url], Asking(journal=None))
    assert found.evidence.looks == 1


def test_a_head_that_fails_now_and_then_spoils_no_other(bundle, tmp_path):
    """Points without the second head's answer are asked again for it alone, then left open."""

    def reply(asked):
        if asked.method == "GET":
            return told({}, 404)
        points = json.loads(asked.body)["instances"]
        batch = np.array(points, np.float32)
        rows = zip(linear(batch, DECOY).tolist(), linear(batch, COPY).tolist(), strict=True)
        both = [{"head_0": one, "head_1": other} for one, other in rows]
        reply.count += 1
        if reply.count % 4 == 0:
            both = [{"head_0": one["head_0"]} for one in both]
        return told({"predictions": both})

    reply.count = 0
    with Api(reply) as server:
        [found] = api.audit(bundle, [f"{server.url}/m:predict"], Asking(journal=None))
    assert found.outcome.decision is Decision.PIRATED


def test_places_in_the_log_tell_their_readings():
    """What is kept on disk names the outputs, whatever they are called."""
    for names in (("a",), ("labels", 'sco"res'), ("output 1",)):
        reading = Reading(names)
        assert Reading.placed(reading.place("http://x/m"), "http://x/m") == reading
    assert Reading.placed("http://x/m", "http://x/m") is None
    assert Reading.placed("http://x/m output ?", "http://x/m") is None
    assert Reading.placed(Reading(("a",)).place("http://x/m"), "http://x") is None


def test_the_journal_lists_places_with_answers(tmp_path):
    """Endpoints without an answer are none."""
    journal = Journal(tmp_path / "j")
    journal.asked("a", ["p"], None)
    journal.answered("b", ["p"], np.zeros((1, CLASSES), np.float32))
    assert journal.answers("c", "p") == ()
    assert journal.endpoints() == ["b"]
    journal.close()
