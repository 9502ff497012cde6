"""The served model keeps the protocol, reveals what it may, fails as told, outlives nonsense."""

import functools
import http.client
import json
import signal
import socket
import subprocess
import sys
from urllib.parse import urlsplit

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditkit.commands.testserver.behaviour import FAULTS, Behaviour, Luck, revealed
from auditkit.commands.testserver.handler import LENGTH
from auditkit.commands.testserver.server import Server
from auditkit.core.access import Access
from auditkit.core.errors import SuspectLoadError
from tests.conftest import CLASSES, SHAPE, STRANGER, linear, linear_onnx

POINTS = np.random.default_rng(0).random((3, *SHAPE)).astype(np.float32)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """The linear owner as a file."""
    return linear_onnx(tmp_path_factory.mktemp("served") / "model.onnx")


@pytest.fixture(scope="module")
def calm(path):
    """It is served calmly and openly."""
    with Server(path) as server:
        yield server


def exchange(server, method, path, body=b"", **headers):
    """Status, headers and body of the reply to one request."""
    parts = urlsplit(server.url)
    line = http.client.HTTPConnection(parts.hostname, parts.port, timeout=5)
    try:
        line.request(method, path, body, {n.replace("_", "-"): v for n, v in headers.items()})
        reply = line.getresponse()
        return reply.status, dict(reply.getheaders()), reply.read()
    finally:
        line.close()


def page(server, path, **headers):
    """A page's status and JSON."""
    status, _, body = exchange(server, "GET", path, **headers)
    return status, json.loads(body)


def asking(server, points=POINTS, **changes):
    """A question in JSON."""
    entry = {
        "name": "input",
        "datatype": "FP32",
        "shape": list(points.shape),
        "data": points.ravel().tolist(),
    }
    return json.dumps({"id": "7", "inputs": [{**entry, **changes}]}).encode()


def asked(server, body, **headers):
    """Status and JSON of the reply to a question."""
    path = urlsplit(server.url).path + "/infer"
    status, _, found = exchange(server, "POST", path, body, **headers)
    return status, json.loads(found)


def test_pages_tell_about_server_and_model(calm):
    """Metadata, readiness and versions are where the protocol has them, and nowhere else."""
    assert page(calm, "/v2")[1]["extensions"] == ["binary_tensor_data"]
    for found in ("/v2/health/live", "/v2/health/ready", "/v2/models/model/ready"):
        assert page(calm, found)[0] == 200
    status, model = page(calm, "/v2/models/model")
    assert status == 200
    assert model == page(calm, "/v2/models/model/versions/1")[1]
    assert model["inputs"] == [{"name": "input", "datatype": "FP32", "shape": [-1, *SHAPE]}]
    assert model["outputs"] == [{"name": "scores", "datatype": "FP32", "shape": [-1, CLASSES]}]
    status, error = page(calm, "/v2/models/other")
    assert status == 404
    assert "the model is 'model'" in error["error"]


def test_answers_in_json_are_the_model_s(calm):
    """Name, shape and values, with the question's number."""
    status, found = asked(calm, asking(calm))
    assert status == 200
    assert found["id"] == "7"
    [output] = found["outputs"]
    assert output["shape"] == [3, CLASSES]
    scores = np.reshape(output["data"], (3, CLASSES))
    np.testing.assert_allclose(scores, linear(POINTS), rtol=1e-5, atol=1e-5)


def test_answers_in_raw_bytes_are_the_same(calm):
    """The binary extension, both ways: the JSON's length in a header, the numbers after it."""
    entry = {"name": "input", "datatype": "FP32", "shape": list(POINTS.shape)}
    raw = POINTS.tobytes()
    entry["parameters"] = {"binary_data_size": len(raw)}
    header = json.dumps({"inputs": [entry], "parameters": {"binary_data_output": True}}).encode()
    path = urlsplit(calm.url).path + "/infer"
    sizes = {LENGTH.replace("-", "_"): str(len(header))}
    status, headers, body = exchange(calm, "POST", path, header + raw, **sizes)
    assert status == 200
    size = int(headers[LENGTH])
    [output] = json.loads(body[:size])["outputs"]
    assert output["parameters"]["binary_data_size"] == len(body) - size
    scores = np.frombuffer(body[size:], "<f4").reshape(output["shape"])
    np.testing.assert_allclose(scores, linear(POINTS), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "other"}, "wanted input 'input' of FP32"),
        ({"datatype": "INT8"}, "wanted input 'input' of FP32"),
        ({"shape": [3, 16]}, "wanted shape"),
        ({"shape": [2, *SHAPE]}, "numbers"),
        ({"shape": [3, 1, 2, 8]}, "invalid dimensions"),
        ({"data": "words"}, ""),
        ({"parameters": {"binary_data_size": 5}}, ""),
    ],
)
def test_wrong_questions_get_400(calm, changes, message):
    """One line that says what was wanted, in the protocol's error object."""
    status, found = asked(calm, asking(calm, **changes))
    assert status == 400
    assert message in found["error"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
ENTRY = st.fixed_dictionaries(
    {
        "name": st.just("input") | JSON,
        "datatype": st.just("FP32") | JSON,
        "shape": st.just([1, *SHAPE]) | st.lists(st.integers(), max_size=5) | JSON,
        "data": st.just([0.0] * 16) | st.lists(st.floats(), max_size=20) | JSON,
    },
    optional={"parameters": JSON | st.fixed_dictionaries({"binary_data_size": JSON})},
)
QUESTIONS = st.fixed_dictionaries(
    {"inputs": st.lists(ENTRY, max_size=2) | JSON},
    optional={"id": JSON, "outputs": JSON, "parameters": JSON},
).map(json.dumps).map(str.encode)  # fmt: skip


@settings(deadline=None)
@given(QUESTIONS | JSON.map(json.dumps).map(str.encode) | st.binary(max_size=64))
def test_nonsense_gets_an_error_and_no_more(calm, body):
    """Whatever is sent, the reply is an answer or a client's error; the server goes on."""
    status, found = asked(calm, body)
    assert status in (200, 400)
    assert ("error" in found) == (status == 400)


@pytest.mark.parametrize("size", ["", "-1", "x", "1e3", "9" * 11, "9" * 40])
def test_bodies_of_no_size_are_refused(calm, size):
    """A length that is none, or far too large, reserves nothing."""
    parts = urlsplit(calm.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=5) as line:
        line.sendall(f"POST {parts.path}/infer HTTP/1.1\r\nContent-Length: {size}\r\n\r\n".encode())
        assert line.recv(64).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("length", ["-1", "x", "9" * 13])
def test_header_lengths_that_are_none_are_refused(calm, length):
    """The binary extension's length is a number."""
    status, found = asked(calm, asking(calm), **{LENGTH.replace("-", "_"): length})
    assert status == 400
    assert LENGTH in found["error"]


@pytest.mark.parametrize(
    ("behaviour", "names"),
    [
        (Behaviour(Access.LABEL), ["label"]),
        (Behaviour(Access.TOP_K, top=2), ["labels", "scores"]),
        (Behaviour(Access.ROUNDED, decimals=2), ["probabilities"]),
        (Behaviour(Access.PROBABILITIES), ["probabilities"]),
        (Behaviour(Access.LOGITS), ["scores"]),
    ],
)
def test_no_more_is_revealed_than_told(behaviour, names):
    """Labels alone, the best few, rounded, or all; ordered as the scores are."""
    scores = linear(POINTS)
    shown = revealed(scores, behaviour)
    assert list(shown) == names
    if behaviour.reveal is Access.LABEL:
        np.testing.assert_array_equal(shown["label"], scores.argmax(axis=1))
    if behaviour.reveal is Access.TOP_K:
        assert shown["labels"].shape == shown["scores"].shape == (3, 2)
        np.testing.assert_array_equal(shown["labels"][:, 0], scores.argmax(axis=1))
    if behaviour.decimals is not None:
        rows = shown["probabilities"]
        np.testing.assert_array_equal(rows, np.round(rows, behaviour.decimals))
        assert np.abs(rows.sum(axis=1) - 1).max() < 0.03


def test_probabilities_are_not_squashed_twice():
    """A model that ends in a softmax is revealed as it is."""
    rows = np.array([[0.9, 0.1], [0.2, 0.8]], np.float32)
    found = revealed(rows, Behaviour(Access.PROBABILITIES))["probabilities"]
    np.testing.assert_array_equal(found, rows)


def test_who_brings_no_token_is_turned_away(path):
    """Neither pages nor answers; with the token both."""
    with Server(path, Behaviour(token="abc")) as server:  # noqa: S106 - none
        assert page(server, "/v2/models/model")[0] == 401
        assert asked(server, asking(server))[0] == 401
        assert asked(server, asking(server), Authorization="Bearer abd")[0] == 401
        assert asked(server, asking(server), Authorization="Bearer abc")[0] == 200


def test_pages_in_a_browser_are_turned_away(calm):
    """A page says where it is from, and a made-up name is not this server's; programs are heard."""
    for headers in ({"Origin": "https://elsewhere.example"}, {"Host": "elsewhere.example"}):
        assert page(calm, "/v2", **headers)[0] == 403
        assert asked(calm, asking(calm), **headers)[0] == 403
    assert page(calm, "/v2", Host=urlsplit(calm.url).netloc)[0] == 200


def test_too_many_points_at_once_are_refused(path):
    """More than --max-batch get 400, so many are answered."""
    with Server(path, Behaviour(max_batch=2)) as server:
        status, found = asked(server, asking(server))
        assert status == 400
        assert "at most 2" in found["error"]
        assert asked(server, asking(server, POINTS[:2]))[0] == 200


def test_another_model_takes_over(path, tmp_path):
    """After --swap-after points answers are the other's."""
    other = linear_onnx(tmp_path / "other.onnx", weights=STRANGER)
    with Server(path, Behaviour(swap_after=3), other=other) as server:
        first, second = (asked(server, asking(server))[1]["outputs"][0]["data"] for _ in range(2))
    np.testing.assert_allclose(np.reshape(first, (3, -1)), linear(POINTS), atol=1e-5)
    np.testing.assert_allclose(np.reshape(second, (3, -1)), linear(POINTS, STRANGER), atol=1e-5)


@pytest.mark.parametrize(
    ("fault", "status"), [("errors", 503), ("busy", 429), ("drop", None), ("hang", None)]
)
def test_faults_are_what_they_are_called(path, tmp_path, fault, status):
    """A status, or a connection that ends without a whole reply; each is in the log."""
    log = tmp_path / "log.jsonl"
    with Server(path, Behaviour(**{fault: 1.0}), log=log) as server:
        if status is None:
            parts = urlsplit(server.url)
            line = http.client.HTTPConnection(parts.hostname, parts.port, timeout=0.3)
            line.request("POST", f"{parts.path}/infer", asking(server))
            with pytest.raises((OSError, http.client.HTTPException)):
                line.getresponse().read()
            line.close()
        else:
            assert asked(server, asking(server))[0] == status
    [entry] = [json.loads(text) for text in log.read_text().splitlines()]
    assert entry["status"] == fault
    assert len(entry["points"]) == 3


def test_faults_come_as_often_as_told_and_the_same_again():
    """Shares over many draws, and the seed decides which."""
    behaviour = Behaviour(errors=0.2, busy=0.1, hang=0.05, drop=0.15, seed=3)
    draws = [Luck(behaviour).draw() for _ in range(5)]
    assert len(set(draws)) == 1
    luck = Luck(behaviour)
    many = [luck.draw() for _ in range(4000)]
    for fault in FAULTS:
        assert abs(many.count(fault) / 4000 - getattr(behaviour, fault)) < 0.03
    again = Luck(behaviour)
    assert many[:100] == [again.draw() for _ in range(100)]


@pytest.mark.parametrize("faults", [{"errors": -0.1}, {"errors": 0.6, "drop": 0.6}])
def test_shares_that_are_none_are_refused(faults):
    """Faults take at most all of the requests."""
    with pytest.raises(ValueError, match="shares of faults"):
        Behaviour(**faults)


def test_what_cant_be_served_is_one_line(tmp_path, path):
    """No such file, no model, a taken port."""
    with pytest.raises(SuspectLoadError, match=r"nothere\.onnx"):
        Server(tmp_path / "nothere.onnx")
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(SuspectLoadError, match=r"text\.onnx"):
        Server(tmp_path / "text.onnx")
    with Server(path) as server, pytest.raises(SuspectLoadError, match="can't be taken"):
        Server(path, port=urlsplit(server.url).port)


@pytest.mark.skipif(sys.platform == "win32", reason="interrupts are told otherwise there")
def test_the_command_serves_until_it_is_interrupted(path):
    """It names the address to check, answers there, and ends with 0 at Ctrl-C."""
    command = [sys.executable, "-m", "auditkit", "serve", str(path), "--port", "0"]
    # Jobs in the background of a script ignore Ctrl-C, and so would what they start.
    heed = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=heed) as process:
        words = process.stderr.readline()
        url = words.split()[-1]
        assert url.startswith("http://127.0.0.1:")
        parts = urlsplit(url)
        line = http.client.HTTPConnection(parts.hostname, parts.port, timeout=5)
        line.request("GET", parts.path)
        assert json.loads(line.getresponse().read())["name"] == "model"
        line.close()
        process.send_signal(signal.SIGINT)
        assert "ended" in process.stderr.read()
        assert process.wait(10) == 0
