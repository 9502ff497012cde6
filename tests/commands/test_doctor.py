"""What a machine can do is found out by doing it."""

import json

import numpy as np
import onnxruntime as ort
import pytest
from typer.testing import CliRunner

from auditkit.adapters import identified, open_suspect, runtime
from auditkit.adapters.onnx import OnnxAdapter
from auditkit.adapters.reasons import reason
from auditkit.cli import app
from auditkit.commands import diagnosis
from auditkit.commands.diagnosis import Finding, State, examine, fit_for
from auditkit.core.errors import AuditkitError, SuspectLoadError
from auditkit.core.points import InputSpec
from auditkit.core.requests import Options, Order, Patience
from auditkit.suspects.client import Client
from auditkit.suspects.log import Memory
from tests.conftest import linear_onnx

HAS_CARD = runtime.why_no_cuda() is None
WITHOUT = pytest.mark.skipif(HAS_CARD, reason="CUDA works here")


def test_this_machine_is_fit_for_audits():
    """Where these tests run, everything needed on the CPU was seen to work."""
    findings = {finding.subject: finding for finding in examine()}
    for subject in ("packages", "onnxruntime", "CPU provider", "torch", "gRPC"):
        assert findings[subject].state is State.WORKS, findings[subject]
    assert "2 of its nodes there" in findings["CPU provider"].told
    assert fit_for(tuple(findings.values()), "auto")


def test_a_small_model_runs_behind_walls():
    """As a suspect's file does; on a card this is how it is found out whether CUDA starts there."""
    assert diagnosis._ran_shut_in("cpu") == "a small model ran, CPUExecutionProvider"


@WITHOUT
def test_what_keeps_from_cuda_is_named():
    """The first missing thing and what to do; --device cuda is not fit, and says so by its code."""
    why = runtime.why_no_cuda()
    assert any(word in why for word in ("driver", "can't be loaded", "built without"))
    result = CliRunner().invoke(app, ["doctor", "--device", "cuda", "-f", "json"])
    assert result.exit_code == 5
    findings = json.loads(result.stdout)["findings"]
    [cuda] = [finding for finding in findings if finding["subject"] == "CUDA provider"]
    assert (cuda["state"], cuda["told"]) == ("absent", why)


def test_the_table_has_a_line_for_each(monkeypatch):
    """State, what was seen and what to do; exit code 5 once something is broken."""
    found = (
        Finding("first", State.WORKS, "as it should"),
        Finding("second", State.BROKEN, "it [red]burns[/red]", "pour water"),
    )
    monkeypatch.setattr(diagnosis, "examine", lambda: found)
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 5
    for words in ("first", "works", "as it should", "broken", "it [red]burns[/red]", "pour water"):
        assert words in result.stdout
    assert CliRunner().invoke(app, ["doctor", "-f", "xml"]).exit_code == 2


@pytest.mark.parametrize(
    ("installed", "state"),
    [
        ({"onnxruntime-gpu": "1"}, State.WORKS),
        ({"onnxruntime": "1"}, State.WORKS),
        ({"onnxruntime": "1", "onnxruntime-gpu": "1"}, State.BROKEN),
        ({}, State.BROKEN),
    ],
)
def test_two_runtimes_at_once_are_broken(monkeypatch, installed, state):
    """Both packages write the same files: one of them has to go."""
    monkeypatch.setattr(diagnosis, "_version", installed.get)
    [finding] = diagnosis._runtime()
    assert finding.state is state
    assert bool(finding.advice) == (state is State.BROKEN)


def test_what_fails_when_used_is_broken():
    """Whatever a broken package raises is a line and not a traceback."""
    finding = diagnosis._seen("thing", lambda: 1 / 0, "mend it")
    assert finding == Finding(
        "thing", State.BROKEN, "ZeroDivisionError: division by zero", "mend it"
    )


def test_nodes_are_counted_where_they_run(tmp_path):
    """What runs is told by placement, not by the list of providers."""
    session = runtime.opened(linear_onnx(tmp_path / "m.onnx").read_bytes(), "cpu")
    placed = runtime.placed(session)
    assert list(placed) == [runtime.CPU]
    assert 1 <= placed[runtime.CPU] <= 3
    assert runtime.described(session, "cpu")["provider"] == runtime.CPU


@WITHOUT
def test_cuda_that_is_asked_for_is_not_replaced(tmp_path):
    """--device cuda ends in one line with the reason, where CUDA does not work."""
    path = linear_onnx(tmp_path / "m.onnx")
    with pytest.raises(SuspectLoadError, match="nothing would run on CUDA here, since"):
        open_suspect(identified(str(path)), Options("cuda"))


@pytest.mark.parametrize(
    ("driver", "device", "why"),
    [
        (True, "auto", "libcudnn.so.9 can't be loaded"),
        (True, "cpu", None),
        (False, "auto", None),
    ],
)
def test_a_card_that_is_not_used_is_told(tmp_path, monkeypatch, driver, device, why):
    """With an NVIDIA driver, a session on the CPU says why, unless the CPU was asked for."""
    monkeypatch.setattr(runtime, "_loads", lambda _library: driver)
    monkeypatch.setattr(runtime, "why_no_cuda", lambda: "libcudnn.so.9 can't be loaded")
    session = runtime.opened(linear_onnx(tmp_path / "m.onnx").read_bytes(), "cpu")
    assert runtime.described(session, device).get("not on CUDA") == why


@pytest.mark.parametrize(
    "line",
    [
        "Failed to allocate memory for requested buffer of size 9663676416",
        "CUDA failure 2: out of memory ; GPU=0 ; hostname=x",
        "CUDNN failure 4000: CUDNN_STATUS_ALLOC_FAILED",
    ],
)
def test_too_little_memory_makes_batches_smaller(tmp_path, line):
    """A card that is full at more than eight points answers all of them, eight at a time."""
    adapter = OnnxAdapter(str(linear_onnx(tmp_path / "m.onnx")), Options("cpu"))
    session = adapter._session

    class Full:
        def run(self, names, question):
            if len(next(iter(question.values()))) > 8:
                raise RuntimeError(line)
            return session.run(names, question)

    points = np.random.default_rng(0).random((20, 1, 4, 4), np.float32)
    spec = InputSpec((1, 4, 4), (0.0,), (1.0,))
    expected = Client(adapter, spec, Patience(), Memory()).answer(points, spec)
    adapter._session = Full()
    found = Client(adapter, spec, Patience(), Memory()).answer(points, spec)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_small_model_is_right():
    """Its answers are the product's positive part, so wrong hardware would be seen."""
    weights = np.array([[1, -1], [2, 0]], np.float32)
    session = ort.InferenceSession(diagnosis._model(weights), providers=["CPUExecutionProvider"])
    [found] = session.run(None, {"points": np.array([[1, 1]], np.float32)})
    assert found.tolist() == [[3, 0]]


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", "CUDA", "cuda:-1", "cuda:9999"])
@pytest.mark.parametrize(
    "command", [["doctor"], ["check", "b.fp", "s.onnx"], ["fingerprint", "m.pt"]]
)
def test_a_device_of_another_name_is_a_wrong_option(command, device):
    """One line says which there are, before anything is opened."""
    result = CliRunner().invoke(app, [*command, "--device", device])
    assert result.exit_code == 2
    assert f"--device wants auto, cpu, cuda or cuda:0, got {device!r}" in result.output


def test_devices_are_checked_in_python_too():
    """Whoever calls from Python is told the same."""
    with pytest.raises(AuditkitError, match="--device wants"):
        Options("gpu")
    with pytest.raises(AuditkitError, match="--device wants"):
        Order("m.pt", device="gpu")


class Said:
    """A function of a library."""

    def __init__(self, answer):
        self.answer, self.restype = answer, None

    def __call__(self, *arguments):
        """Answer."""
        return self.answer(*arguments)


class Cuda:
    """As much of CUDA's runtime as says which cards there are."""

    def __init__(self, code: int, count: int) -> None:
        self.code, self.count = code, count
        self.cudaGetDeviceCount = Said(self.counted)
        self.cudaGetErrorString = Said(lambda code: f"error number {code}".encode())

    def counted(self, count):
        """Write the number of cards, and return an error's number."""
        count._obj.value = self.count
        return self.code


@pytest.mark.parametrize(
    ("cuda", "device", "why"),
    [
        (Cuda(35, 0), "cuda", "CUDA does not start: error number 35 (35)"),
        (Cuda(0, 1), "cuda:1", "CUDA finds 1 card, and counts them from 0"),
        (Cuda(0, 2), "cuda:9", "CUDA finds 2 cards, and counts them from 0"),
    ],
)
def test_a_card_that_is_not_there_is_no_fault_of_the_file(tmp_path, monkeypatch, cuda, device, why):
    """All of CUDA's libraries are there, but no card that it could use."""
    monkeypatch.setattr(runtime, "why_no_cuda", lambda: None)
    monkeypatch.setattr(runtime, "_needed", lambda: ("libcudart",))
    monkeypatch.setattr(runtime.ctypes, "CDLL", lambda _name: cuda)
    path = linear_onnx(tmp_path / "m.onnx")
    with pytest.raises(SuspectLoadError, match="nothing would run on CUDA here") as refused:
        open_suspect(identified(str(path)), Options(device))
    assert why in str(refused.value)


def test_what_fails_on_a_card_is_said_in_short():
    """CUDA's few words come wrapped in several lines of names of onnxruntime's source."""
    long = (
        "/src/cuda_call.cc:154 std::conditional_t<THRW> onnxruntime::CudaCall(ERRTYPE) CUDA "
        "failure 35: CUDA driver version is insufficient ; GPU=-1 ; hostname=vm ; file=/x.cc"
    )
    assert reason(RuntimeError(long)) == (
        "CUDA fails on this card: CUDA driver version is insufficient (35)"
    )
