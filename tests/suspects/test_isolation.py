"""Suspects that are files can't harm whoever opens them, and never end the audit of others."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from auditkit import api
from auditkit.core.requests import Asking, Isolation, Limits, Options
from auditkit.core.verdicts import Decision, Refusal, Verdict
from auditkit.suspects.isolation import forks
from auditkit.suspects.isolation.isolated import walls_here
from auditkit.suspects.isolation.walls import Wall
from tests.conftest import COPY, SHAPE, linear_onnx
from tests.hostile.torch_files import in_weights

LIMITS = Limits(seconds=20.0, memory=2 << 30)
ASKING = Asking(options=Options("cpu", limits=LIMITS))


def refused(bundle, suspect: object, asking: Asking = ASKING) -> Refusal:
    """The refusal of this suspect, in one line."""
    [found] = api.audit(bundle, [str(suspect)], asking)
    assert isinstance(found.outcome, Refusal), found.outcome
    assert "\n" not in found.outcome.reason
    return found.outcome


def evaluating(path: Path, expression: str) -> Path:
    """A .pt2 file that evaluates an expression when it is opened; the refusal tells its value."""
    told = f"'value: ' + str({expression})[:100]"
    in_weights(path, f"(_ for _ in ()).throw(SystemExit({told}))")
    return path


def test_every_wall_holds_here():
    """The premise of this file: this machine has all walls."""
    assert walls_here() == frozenset(Wall)


def test_code_in_a_file_is_run_by_the_worker(tmp_path, bundle):
    """The premise of the test below: its expressions are evaluated, and their values are told."""
    found = refused(bundle, evaluating(tmp_path / "m.pt2", "6 * 7"))
    assert "value: 42" in found.reason


@pytest.mark.parametrize(
    "expression",
    [
        "open('{folder}/mark', 'w')",
        "open('mark', 'w')",
        "__import__('os').unlink('{folder}/precious')",
        "__import__('os').rename('{folder}/precious', '{folder}/mark')",
        "__import__('os').truncate('{folder}/precious', 0)",
        "__import__('os').chmod('{folder}/precious', 0)",
        "__import__('os').symlink('/', '{folder}/mark')",
        "open('{folder}/precious').read()",
        "open('/proc/{parent}/environ').read()",
        "__import__('os').listdir('{folder}')",
        "__import__('subprocess').run(['true'])",
        "__import__('os').fork()",
        "__import__('os').execv('/bin/true', ['true'])",
        "__import__('os').kill({parent}, 0)",
        "__import__('os').kill(__import__('os').getppid(), 0)",
        "__import__('socket').socket()",
        "__import__('socket').socketpair()",
        "__import__('socket').create_connection(('127.0.0.1', 9))",
        "__import__('ctypes').CDLL(None).ptrace(16, {parent}, 0, 0) or 1 / 0",
        "bytearray(3 << 30)",
        "__import__('mmap').mmap(-1, 9 << 30) and 1",
    ],
)
def test_no_code_of_a_file_gets_past_the_walls(tmp_path, bundle, expression):
    """It writes, reads, changes, sends and starts nothing, and takes no more than its memory."""
    (tmp_path / "precious").write_text("kept")
    text = expression.format(folder=tmp_path, parent=os.getpid())
    found = refused(bundle, evaluating(tmp_path / "m.pt2", text))
    tried = found.reason.partition("value: ")[2]
    assert tried in ("", "-1"), found.reason
    assert (tmp_path / "precious").read_text() == "kept"
    assert not (tmp_path / "mark").exists()


def test_secrets_of_the_environment_are_not_there(tmp_path, bundle, monkeypatch):
    """A worker sees none of the auditor's variables but a few that say how to compute."""
    monkeypatch.setenv("API_TOKEN", "s3cret")
    text = "sorted(__import__('os').environ)"
    found = refused(bundle, evaluating(tmp_path / "m.pt2", text))
    names = set(json.loads(found.reason.partition("value: ")[2].replace("'", '"')))
    assert names <= {*forks.KEPT, "LC_CTYPE", "TORCHINDUCTOR_CACHE_DIR"}
    assert "API_TOKEN" not in names


@pytest.mark.parametrize("ending", ["os._exit(0)", "os._exit(3)", "os.abort()"])
def test_a_function_that_ends_its_process_is_refused(tmp_path, monkeypatch, bundle, ending):
    """It is neither cleared by the exit code 0 nor accused by 3, and the next one is judged."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "leaver.py").write_text(f"import os\ndef ask(x):\n    {ending}\n")
    good = linear_onnx(tmp_path / "good.onnx", weights=COPY)
    left, judged = api.audit(bundle, ["python:leaver:ask", str(good)], ASKING)
    assert (left.outcome.code, "\n" in left.outcome.reason) == ("crashed", False)
    assert judged.outcome.decision is Decision.PIRATED


def test_a_function_has_what_the_auditor_has(tmp_path, monkeypatch, bundle):
    """Variables, folder and modules are those of the command: it is the auditor's own code."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("API_TOKEN", "s3cret")
    np.save("weights.npy", COPY)
    (tmp_path / "own_client.py").write_text(
        "import os\nimport numpy as np\nassert os.environ['API_TOKEN'] == 's3cret'\n"
        "W = np.load('weights.npy')\n"
        "def ask(x):\n    print('noise')\n    return x.reshape(len(x), -1) @ W\n"
    )
    [found] = api.audit(bundle, ["python:own_client:ask"], ASKING)
    assert isinstance(found.outcome, Verdict), found.outcome
    assert found.outcome.suspect.runtime["isolation"] == "a process of its own"


def endless(path: Path) -> Path:
    """An ONNX file whose loop does not end."""
    true = helper.make_tensor("true", TensorProto.BOOL, [], [True])
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["on"]),
            helper.make_node("Identity", ["state"], ["next"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("n", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, ["b", *SHAPE]),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, ["b", *SHAPE]),
        ],
    )
    graph = helper.make_graph(
        [
            helper.make_node("Loop", ["", "true", "input"], ["looped"], body=body),
            helper.make_node("Flatten", ["looped"], ["scores"]),
        ],
        "endless",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["b", *SHAPE])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["b", 16])],
        [true],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


def test_a_file_that_never_answers_is_refused_in_time(tmp_path, bundle):
    """An endless loop ends with its time, and the suspect beside it is judged."""
    good = linear_onnx(tmp_path / "good.onnx", weights=COPY)
    asking = Asking(options=Options("cpu", limits=Limits(seconds=3.0)))
    started = time.monotonic()
    bad, judged = api.audit(bundle, [str(endless(tmp_path / "bad.onnx")), str(good)], asking)
    assert bad.outcome.code == "time-limit"
    assert "--suspect-seconds" in bad.outcome.reason
    assert time.monotonic() - started < 3.0 + 20.0  # and not for ever; the rest is the machine's
    assert judged.outcome.decision is Decision.PIRATED


@pytest.mark.parametrize("adapter", ["onnx", "torchscript", "nonsense", ""])
def test_what_is_loaded_ahead_is_no_worker(tmp_path, bundle, adapter):
    """Workers come when they are asked for, whatever was loaded before."""
    forks.load(adapter)
    [found] = api.audit(bundle, [str(linear_onnx(tmp_path / "m.onnx"))], ASKING)
    assert isinstance(found.outcome, Verdict)


def test_no_worker_outlives_its_suspect(tmp_path, bundle):
    """Whoever was asked has ended when the verdict is there, also one that hangs."""
    asking = Asking(options=Options("cpu", limits=Limits(seconds=2.0)))
    list(api.audit(bundle, [str(endless(tmp_path / "bad.onnx"))], asking))
    nursery = forks._nursery(os.getpid())._process.pid
    children = Path(f"/proc/{nursery}/task/{nursery}/children")
    until = time.monotonic() + 10
    while children.read_text() and time.monotonic() < until:
        time.sleep(0.05)
    assert not children.read_text()


KILLED = """
import sys, time
from auditkit.suspects.isolation import forks
worker = forks.fork("onnx", "")
print(forks._nursery(__import__("os").getpid())._process.pid, worker.process, flush=True)
time.sleep(60)
"""


def test_a_killed_audit_leaves_no_process():
    """Workers, and the process that forks them, end with the auditor's."""
    with subprocess.Popen([sys.executable, "-c", KILLED], stdout=subprocess.PIPE) as audit:
        numbers = audit.stdout.readline().split()
        audit.kill()
    until = time.monotonic() + 10
    left = [Path(f"/proc/{int(number)}/exe") for number in numbers]
    while any(os.path.lexists(one) and _runs(one) for one in left) and time.monotonic() < until:
        time.sleep(0.05)
    assert len(numbers) == 2
    assert not any(_runs(one) for one in left)


def _runs(exe: Path) -> bool:
    try:
        return bool(exe.readlink())
    except OSError:  # it is gone, or waits to be taken note of
        return False


def test_required_isolation_opens_nothing_without_it(tmp_path, bundle, monkeypatch):
    """With --isolation require, no file is opened where a wall does not hold."""
    path = linear_onnx(tmp_path / "good.onnx", weights=COPY)
    asking = Asking(options=Options("cpu", isolation=Isolation.REQUIRE))
    [found] = api.audit(bundle, [str(path)], asking)
    assert isinstance(found.outcome, Verdict)
    monkeypatch.setattr("auditkit.suspects.isolation.isolated.SUPPORTED", False)
    assert refused(bundle, path, asking).code == "not-isolated"


def test_the_report_tells_what_held(tmp_path, bundle):
    """The walls around each suspect stand beside its runtime; without any, that is said."""
    path = linear_onnx(tmp_path / "good.onnx", weights=COPY)
    for isolation, told in ((Isolation.AUTO, ", ".join(sorted(Wall))), (Isolation.OFF, "none")):
        asking = Asking(options=Options("cpu", isolation=isolation))
        [found] = api.audit(bundle, [str(path)], asking)
        assert found.outcome.suspect.runtime["isolation"] == told
