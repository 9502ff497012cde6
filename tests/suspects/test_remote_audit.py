"""An audit through an API ends like one of the file, whatever the API reveals or does wrong."""

import hashlib
import json
import random
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, replace

import numpy as np
import pytest

from auditkit import api
from auditkit.commands.testserver.behaviour import Behaviour
from auditkit.commands.testserver.server import Server
from auditkit.core.access import Access
from auditkit.core.points import point_digest
from auditkit.core.requests import Asking, Options, Patience, Reach
from auditkit.core.verdicts import Decision, ReasonCode, Refusal, Verdict
from auditkit.files import bundle as bundles
from auditkit.files.journal import Journal
from auditkit.reports.wording import sentence
from auditkit.suspects import patience
from tests.api import Api, Told, told
from tests.conftest import COPY, STRANGER, linear, linear_onnx

QUICK = Asking(options=Options("cpu", reach=Reach(timeout=0.5)))
MODELS = {"copy": (COPY, Decision.PIRATED), "stranger": (STRANGER, Decision.HOMOLOGOUS)}


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    """Pauses between tries are short here."""
    monkeypatch.setattr(patience, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(patience, "LONGEST_PAUSE", 0.05)


def judged(bundle, suspect, asking=QUICK) -> Verdict:
    """The verdict, which must not be a refusal."""
    [found] = api.audit(bundle, [suspect], asking)
    assert isinstance(found.outcome, Verdict), found
    return found.outcome


@pytest.mark.parametrize("name", MODELS)
def test_a_served_file_is_judged_as_the_file(tmp_path, lined_up, name):
    """Answers that came by HTTP are those of the file, and so is the verdict."""
    weights, decision = MODELS[name]
    path = linear_onnx(tmp_path / "model.onnx", weights=weights)
    by_file = api.query(lined_up, str(path))
    with Server(path) as server:
        by_address = api.query(lined_up, server.url, replace(QUICK, sequential=False))
        assert judged(lined_up, server.url).decision is decision
    np.testing.assert_array_equal(by_file.answers.labels, by_address.answers.labels)
    np.testing.assert_allclose(by_file.answers.scores, by_address.answers.scores, atol=1e-5)


@pytest.mark.parametrize(
    ("behaviour", "access"),
    [
        (Behaviour(Access.LABEL), Access.LABEL),
        (Behaviour(Access.TOP_K), Access.TOP_K),
        (Behaviour(Access.TOP_K, top=2), Access.LABEL),
        (Behaviour(Access.TOP_K, decimals=2), Access.LABEL),
        (Behaviour(Access.ROUNDED, decimals=2), Access.ROUNDED),
        (Behaviour(Access.PROBABILITIES), Access.PROBABILITIES),
        (Behaviour(Access.LOGITS), Access.LOGITS),
    ],
)
@pytest.mark.parametrize("name", MODELS)
def test_whatever_is_revealed_the_verdict_is_right(tmp_path, lined_up, name, behaviour, access):
    """Labels, the best three, rounded or all: seen as such; labels alone clear nobody."""
    weights, decision = MODELS[name]
    if access is Access.LABEL and decision is Decision.HOMOLOGOUS:
        decision = Decision.INCONCLUSIVE
    with Server(linear_onnx(tmp_path / "model.onnx", weights=weights), behaviour) as server:
        found = judged(lined_up, server.url)
    assert found.access is access
    assert found.decision is decision
    assert (found.queries < 120) == (name == "copy")  # an acquittal takes all answers


def test_without_twins_everything_is_asked(tmp_path, bundle):
    """An address is asked one by one only where a line-up carries a verdict."""
    with Server(linear_onnx(tmp_path / "model.onnx", weights=COPY)) as server:
        assert judged(bundle, server.url).queries == 120


FAULTS = Behaviour(errors=0.1, busy=0.1, hang=0.03, drop=0.07, max_batch=7)


@pytest.mark.parametrize("name", MODELS)
def test_faults_change_nothing(tmp_path, lined_up, name):
    """With three requests in ten failing, verdict, answers and journal are the same."""
    weights, decision = MODELS[name]
    path = linear_onnx(tmp_path / "model.onnx", weights=weights)
    answered = []
    for number, behaviour in enumerate((Behaviour(max_batch=7), FAULTS)):
        asking = replace(QUICK, journal=tmp_path / f"{number}.journal", sequential=False)
        with Server(path, behaviour, port=0) as server:
            assert judged(lined_up, server.url, asking).decision is decision
        journal = Journal(tmp_path / f"{number}.journal")
        [kept] = journal._answers.values()
        answered.append({point: [k.row.tolist() for k in rows] for point, rows in kept.items()})
        journal.close()
    assert answered[0] == answered[1]


def test_a_budget_ends_an_audit_with_what_is_known(tmp_path, lined_up, bundle):
    """Never more is sent than allowed; what was answered is judged, and never called innocent."""
    path = linear_onnx(tmp_path / "model.onnx", weights=STRANGER)
    for made in (lined_up, bundle):
        log = tmp_path / f"{made is bundle}.jsonl"
        with Server(path, Behaviour(errors=0.2), log=log) as server:
            asking = replace(QUICK, sequential=False, patience=Patience(budget=60))
            found = judged(made, server.url, asking)
        sent = sum(len(json.loads(line)["points"]) for line in log.read_text().splitlines())
        assert sent <= 60
        assert found.queries <= 60
        assert any("budget of 60 queries" in note for note in found.notes)
        assert found.decision is not Decision.PIRATED
    assert found.decision is Decision.INCONCLUSIVE
    assert found.reason.code == ReasonCode.PARTLY_ASKED
    assert "carries a verdict only with twins" in sentence(found.reason)


def test_a_budget_too_small_for_anything_is_one_line(tmp_path, lined_up):
    """Where not even the first look was reached, no verdict is given."""
    with Server(linear_onnx(tmp_path / "model.onnx", weights=COPY)) as server:
        asking = replace(QUICK, patience=Patience(budget=2))
        [found] = api.audit(lined_up, [server.url], asking)
    assert isinstance(found.outcome, Refusal)
    assert "raise --budget" in found.outcome.reason


def test_a_second_audit_asks_nothing(tmp_path, lined_up):
    """What is in the journal is not paid for again, and the report says so."""
    log, asking = tmp_path / "log", replace(QUICK, journal=tmp_path / "j", sequential=False)
    with Server(linear_onnx(tmp_path / "model.onnx", weights=COPY), log=log) as server:
        first = judged(lined_up, server.url, asking)
        before = log.read_text()
        again = judged(lined_up, server.url, asking)
    assert log.read_text() == before
    assert again.decision is first.decision
    assert any("come from the journal" in note for note in again.notes)
    assert again.suspect.runtime["journal"] == first.suspect.runtime["journal"]


def test_files_leave_no_journal(tmp_path, lined_up):
    """A file can be asked again for nothing, so nothing is kept of it."""
    path = linear_onnx(tmp_path / "model.onnx", weights=COPY)
    judged(lined_up, str(path), replace(QUICK, journal=tmp_path / "j"))
    assert not (tmp_path / "j").exists()


@pytest.mark.parametrize("after", [40, 100])
def test_an_exchanged_model_is_not_cleared(tmp_path, lined_up, after):
    """Who is another model after a while changes answers that were given before."""
    copy = linear_onnx(tmp_path / "copy.onnx", weights=COPY)
    stranger = linear_onnx(tmp_path / "stranger.onnx", weights=STRANGER)
    # A batch that is given up on counts as answered there: on a busy machine all that arrives
    # after a short timeout would be the other model's.
    asking = Asking(sequential=False, options=Options("cpu", reach=Reach(timeout=60)))
    with Server(copy, Behaviour(swap_after=after), other=stranger) as server:
        found = judged(lined_up, server.url, asking)
    assert found.decision is not Decision.HOMOLOGOUS
    assert any("exchanged" in note for note in found.notes)


ODD = {
    "nan": {"datatype": "FP32", "shape": [1, 5], "data": [float("nan")] * 5},
    "wrong length": {"datatype": "FP32", "shape": [1, 5], "data": [1, 2]},
    "another count": {"datatype": "FP32", "shape": [3, 5], "data": [1] * 15},
    "huge": {"datatype": "FP32", "shape": [10**9, 10**9], "data": []},
    "negative shape": {"datatype": "FP32", "shape": [-1, 5], "data": [1] * 5},
    "text": {"datatype": "BYTES", "shape": [1], "data": ["cat"]},
    "no shape": {"datatype": "FP32", "data": [1, 2]},
    "null": None,
    "other labels": {"datatype": "INT64", "shape": [1], "data": [-7]},
}


@pytest.mark.parametrize("name", [*ODD, "html", "empty", "list", "nested", "gzip"])
def test_hostile_replies_never_give_a_verdict(bundle, name):
    """NaN, wrong lengths, HTML and bombs end in one line or inconclusive, never in a traceback."""
    raw = {
        "html": Told(b"<html>busy</html>"),
        "empty": Told(b""),
        "list": told([1, 2, 3]),
        "nested": Told(b"[" * 100_000),
        "gzip": Told(b"\x1f\x8b", 200, {"content-encoding": "gzip"}),
    }
    page = {"name": "m", "inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 1, 4, 4]}]}

    def reply(asked):
        if asked.method == "GET":
            return told(page)
        return raw.get(name) or told({"outputs": [{"name": "scores", **(ODD[name] or {})}]})

    with Api(reply) as served:
        asking = replace(QUICK, patience=Patience(longest=0.2))
        [found] = api.audit(bundle, [f"{served.url}/v2/models/m"], asking)
    outcome = found.outcome
    if isinstance(outcome, Verdict):
        assert outcome.decision is Decision.INCONCLUSIVE
    else:
        assert "\n" not in outcome.reason


@pytest.mark.parametrize(
    "page",
    [
        [],
        {},
        {"inputs": 3},
        {"inputs": [{}]},
        {"inputs": [{"name": 1}]},
        {"inputs": [{"name": "x", "datatype": "BYTES", "shape": [1]}]},
        {"inputs": [{"name": "x", "datatype": "FP32", "shape": ["a", None]}]},
        {"inputs": [{"name": "x", "datatype": "FP32", "shape": 7}] * 2},
    ],
)
def test_odd_pages_are_one_line_or_a_try(bundle, page):
    """A model's page that says nonsense ends in one line, or the owner's shape is tried."""
    with Api(lambda asked: told(page) if asked.method == "GET" else told({}, 404)) as served:
        [found] = api.audit(bundle, [f"{served.url}/v2/models/m"], QUICK)
    assert isinstance(found.outcome, Refusal)
    assert "\n" not in found.outcome.reason


def test_a_planted_token_appears_nowhere(tmp_path, lined_up, monkeypatch):
    """It is in no report, evidence, journal or error, though the server repeats it."""
    token = "planted-token-0123456789"  # noqa: S105 - none
    monkeypatch.setenv("API_TOKEN", token)
    monkeypatch.chdir(tmp_path)
    path = linear_onnx(tmp_path / "model.onnx", weights=COPY)
    bundles.write(lined_up, tmp_path / "b.fp")
    with Server(path, Behaviour(token=token)) as server:
        for header in ("Authorization: Bearer ${API_TOKEN}", "Authorization: Basic ${API_TOKEN}"):
            done = subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "auditkit",
                    "check",
                    "b.fp",
                    server.url,
                    "--header",
                    header,
                    "-f",
                    "json",
                    "-o",
                    "report.json",
                    "--evidence",
                    "kept",
                ],
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == (3 if "Bearer" in header else 5), done.stderr
            assert token not in done.stdout + done.stderr
    written = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert any(file.name == "auditkit.journal" for file in written)
    assert not [file for file in written if token.encode() in file.read_bytes()]


KILLS = 50
CHILD = """
import sys
from pathlib import Path
from auditkit import api
from auditkit.core.requests import Asking
from auditkit.files import bundle
made = bundle.read(sys.argv[1])
print("ready", flush=True)
said = api.query(made, sys.argv[2], Asking(sequential=False, journal=Path(sys.argv[3])))
print(api.judge(made, said).decision, flush=True)
"""


def test_a_killed_audit_goes_on(tmp_path, lined_up):
    """Killed at 50 random moments, nothing that was kept is asked again, and nothing is lost."""
    path = linear_onnx(tmp_path / "model.onnx", weights=COPY, shape=(1, 1, 4, 4))
    bundles.write(lined_up, tmp_path / "b.fp")
    moments, kills, number = random.Random(0), 0, 0  # noqa: S311 - moments are no secrets
    log = tmp_path / "log"
    with Server(path, Behaviour(delay=0.01), log=log) as server:
        whole = _needed(lined_up, server.url, tmp_path / "calm", log)
        while kills < KILLS:
            journal, number = tmp_path / f"{number}.journal", number + 1
            ended = False
            while not ended:
                known, before = _kept(lined_up, server.url, journal), _sent(log)
                wait = moments.uniform(0, 0.12) if kills < KILLS else 60
                decision = _run(tmp_path, server.url, journal, wait)
                ended, kills = decision is not None, kills + (decision is None)
                asked = _sent(log) - before
                again = {p: n for p, n in asked.items() if n > whole[p] - known[p]}
                assert not again, "a point was asked that the journal has"
            assert decision == Decision.PIRATED
            assert _kept(lined_up, server.url, journal) == whole


def _run(folder, url, journal, wait) -> str | None:
    """One audit, killed after so many seconds unless it ends before."""
    command = [sys.executable, "-c", CHILD, str(folder / "b.fp"), url, str(journal)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        try:
            child.wait(wait)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            time.sleep(0.02)  # what was under way gets into the log
            return None
        return child.stdout.read().strip()


def _needed(bundle, url, journal, log) -> Counter:
    """What a calm audit asks, and how often."""
    # With the usual time limit: a reply that is late on a busy machine would be asked for twice.
    api.query(bundle, url, Asking(sequential=False, journal=journal))
    return _sent(log)


def _sent(log) -> Counter:
    return Counter(p for line in log.read_text().splitlines() for p in json.loads(line)["points"])


def _kept(bundle, url, path) -> Counter:
    """Answers in the journal, by the points' digests."""
    if not path.exists():
        return Counter()
    journal = Journal(path)
    spec = json.dumps(asdict(bundle.fingerprint.spec), sort_keys=True).encode()
    digests = [point_digest(point) for point in bundle.fingerprint.sheet.points]
    keys = {hashlib.sha256(digest.encode() + spec).hexdigest(): digest for digest in digests}
    found = Counter({keys[key]: len(rows) for key, rows in journal._answers[url].items()})
    journal.close()
    return found


def test_the_fixture_tells_kinds_apart():
    """The battery's premise: the copy is like the owner, the stranger is not."""
    points = np.random.default_rng(3).random((200, 1, 4, 4)).astype(np.float32)
    owner = linear(points).argmax(1)
    assert (linear(points, COPY).argmax(1) == owner).mean() > 0.8
    assert (linear(points, STRANGER).argmax(1) == owner).mean() < 0.7
