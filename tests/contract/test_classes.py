"""Suspects that know more or fewer classes than the owner are compared by the shared ones."""

import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from auditkit import api
from auditkit.core.points import CONTROL
from auditkit.core.requests import Asking, Options
from auditkit.core.verdicts import Decision, Verdict
from auditkit.suspects.class_matching import matching
from tests.conftest import CLASSES, COPY, SHAPE, STRANGER, WEIGHTS, linear, said_by

pytestmark = pytest.mark.torch
TRUSTING = Asking(options=Options("cpu"))
LOW = -6.0
"""Score of an added class: below all others, as a class that no point has."""

Form = tuple[list[int], bool]
FORMS: dict[str, Form] = {
    "background first": ([-1, 0, 1, 2, 3, 4], False),
    "one class added": ([0, 1, 2, 3, 4, -1], False),
    "three added": ([0, 1, 2, 3, 4, -1, -1, -1], False),
    "added between, another order": ([3, -1, 0, 4, 1, 2], False),
    "a subset in order": ([0, 1, 2, 3], False),
    "a subset in another order": ([4, 2, 0, 3], False),
    "labels from 1": ([-1, 0, 1, 2, 3, 4], True),
}
"""The owner's class of each of the suspect's, -1 for one that it lacks; whether it gives labels."""


def head(weights: np.ndarray, form: Form) -> tuple[np.ndarray, np.ndarray]:
    """Weights and biases for these classes."""
    places, _ = form
    columns = [weights[:, p] if p >= 0 else np.zeros(16, np.float32) for p in places]
    bias = [0.0 if p >= 0 else LOW for p in places]
    return np.stack(columns, 1).astype(np.float32), np.array(bias, np.float32)


def as_onnx(folder: Path, weights, bias, *, labels: bool) -> str:
    """An ONNX file."""
    make = helper.make_node
    nodes = [
        make("Flatten", ["x"], ["f"]),
        make("MatMul", ["f", "w"], ["m"]),
        make("Add", ["m", "b"], ["s"]),
        make("ArgMax", ["s"], ["l"], axis=1, keepdims=0),
    ]
    kind, name = (TensorProto.INT64, "l") if labels else (TensorProto.FLOAT, "s")
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *SHAPE])],
        [helper.make_tensor_value_info(name, kind, None)],
        [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(bias, "b")],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), folder / "m.onnx")
    return str(folder / "m.onnx")


class Head(torch.nn.Module):
    """The same as a module."""

    def __init__(self, weights, bias, *, labels: bool):
        super().__init__()
        self.labels = labels
        self.register_buffer("w", torch.from_numpy(weights))
        self.register_buffer("b", torch.from_numpy(bias))

    def forward(self, x):
        """(n, 1, 4, 4) -> (n, classes) or (n,)."""
        found = x.flatten(1) @ self.w + self.b
        return found.argmax(1) if self.labels else found


def as_script(folder: Path, weights, bias, *, labels: bool) -> str:
    """TorchScript."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = torch.jit.trace(Head(weights, bias, labels=labels), torch.zeros(2, *SHAPE))
        torch.jit.save(net, str(folder / "m.pt"))
    return str(folder / "m.pt")


def as_callable(folder: Path, weights, bias, *, labels: bool) -> str:
    """A function."""
    np.save(folder / "w.npy", weights)
    np.save(folder / "b.npy", bias)
    (folder / "vendor_head.py").write_text(
        "import numpy as np\n"
        f"W, B = np.load({str(folder / 'w.npy')!r}), np.load({str(folder / 'b.npy')!r})\n"
        "def ask(x):\n"
        "    s = x.reshape(len(x), -1) @ W + B\n"
        f"    return s.argmax(1) if {labels} else s\n"
    )
    sys.modules.pop("vendor_head", None)
    return "python:vendor_head:ask"


KINDS = {"onnx": as_onnx, "script": as_script, "callable": as_callable}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", FORMS)
def test_shared_classes_decide(form, kind, tmp_path, lined_up, monkeypatch):
    """A copy is pirated and an innocent is not; the report says how many classes are shared."""
    monkeypatch.chdir(tmp_path)
    for weights, expected in ((COPY, True), (STRANGER, False)):
        made, labels = head(weights, FORMS[form]), FORMS[form][1]
        path = KINDS[kind](tmp_path, *made, labels=labels)
        [found] = api.audit(lined_up, [path], TRUSTING)
        assert isinstance(found.outcome, Verdict), found.outcome
        if expected and form == "a subset in another order":
            # Two shared classes are too few for this bundle, which has no control of a third.
            assert found.outcome.decision is not Decision.HOMOLOGOUS
        else:
            assert (found.outcome.decision is Decision.PIRATED) == expected
        if expected:
            # In another order, only classes that a control has can be matched.
            controls = lined_up.fingerprint.sheet.of_family(CONTROL)
            places = {place for place in FORMS[form][0] if place >= 0}
            is_moved = "another order" in form
            shared = len(places & {*controls.labels.tolist()} if is_moved else places)
            [told] = [line for line in found.evidence.disguises if "shared" in line]
            assert f"; {shared} are shared and compared" in told


def test_features_are_no_classes(lined_up):
    """Rows that know nothing of the controls are matched with nothing."""
    controls = lined_up.fingerprint.sheet.of_family(CONTROL)
    noise = np.random.default_rng(0).normal(size=(16, 9)).astype(np.float32)
    assert matching(controls.labels, said_by(controls.points, noise), CLASSES) is None


def test_as_many_classes_are_left_as_they_are(lined_up):
    """Another order of the same classes is another matter, which has its own rule."""
    controls = lined_up.fingerprint.sheet.of_family(CONTROL)
    assert matching(controls.labels, said_by(controls.points, WEIGHTS), CLASSES) is None


def test_points_of_classes_that_are_not_shared_are_not_answered(lined_up):
    """Only labels are left of a suspect with fewer classes."""
    controls = lined_up.fingerprint.sheet.of_family(CONTROL)
    answers = said_by(controls.points, WEIGHTS[:, :4])
    found = matching(controls.labels, answers, CLASSES)
    assert found is not None
    told = found(answers, controls.labels)
    assert (told.answered == (controls.labels < 4)).all()
    assert told.scores is None
    expected = linear(controls.points)[:, :4].argmax(axis=1)
    np.testing.assert_array_equal(told.labels[told.answered], expected[told.answered])
    assert found.shared.tolist() == [0, 1, 2, 3]
