"""ONNX suspects come in many forms; all that carry the same answers are asked right."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from auditkit import api
from auditkit.adapters.onnx import OnnxAdapter
from auditkit.adapters.runtime import why_no_cuda
from auditkit.core.errors import (
    QueryError,
    SuspectError,
    SuspectMismatchError,
)
from auditkit.core.points import CORE, InputSpec
from auditkit.core.requests import Asking, Options
from auditkit.core.verdicts import Refusal
from tests.conftest import CLASSES, SHAPE, answered_by, linear, linear_onnx

CPU = Options("cpu")


def answers(path, bundle, options=CPU):
    """What the file says about the core points."""
    made = bundle.fingerprint
    points = made.sheet.of_family(CORE).points
    return answered_by(OnnxAdapter(str(path), options), points, made.spec, resize=options.resize)


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"kind": TensorProto.FLOAT16},
        {"kind": TensorProto.DOUBLE},
        {"shape": ("batch", 16)},
        {"shape": ("batch", 4, 4)},
        {"shape": ("batch", 4, 4, 1), "transpose": True},
        {"shape": (8, *SHAPE)},
        {"shape": (1, *SHAPE)},
        {"shape": ("b", "c", "h", "w")},
        {"shape": None},
        {"extra_output": True},
    ],
)
def test_every_form_gives_the_owners_scores(tmp_path, bundle, form):
    """Number type, layout, batch size and extra outputs don't change the answers."""
    found = answers(linear_onnx(tmp_path / "model.onnx", **form), bundle)
    expected = linear(bundle.fingerprint.sheet.of_family(CORE).points)
    np.testing.assert_allclose(found, expected, atol=2e-2 if form.get("kind") == 10 else 1e-4)


@pytest.mark.parametrize("kind", [TensorProto.UINT8, TensorProto.INT32, TensorProto.INT64])
def test_bytes_are_given_pixels(tmp_path, bundle, kind):
    """A model that takes whole numbers is given 0..255."""
    found = answers(linear_onnx(tmp_path / "model.onnx", kind=kind), bundle)
    expected = linear(bundle.fingerprint.sheet.of_family(CORE).points) * 255
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-2)


def test_labels_and_probabilities_are_answers(tmp_path, bundle):
    """A model that ends in ArgMax or Softmax is asked as well."""
    expected = linear(bundle.fingerprint.sheet.of_family(CORE).points)
    labels = answers(linear_onnx(tmp_path / "l.onnx", last="ArgMax"), bundle)
    rows = answers(linear_onnx(tmp_path / "p.onnx", last="Softmax"), bundle)
    assert labels.tolist() == expected.argmax(1).tolist()
    np.testing.assert_allclose(rows.sum(axis=1), 1, atol=1e-5)


def test_another_size_is_resized_only_when_asked_for(tmp_path, bundle):
    """One line says how to have points resized; then it works."""
    path = linear_onnx(
        tmp_path / "m.onnx", shape=("n", 1, 8, 8), weights=np.ones((64, CLASSES), np.float32)
    )
    with pytest.raises(SuspectMismatchError, match=r"\(1, 8, 8\).*\(1, 4, 4\); add --resize"):
        answers(path, bundle)
    assert answers(path, bundle, Options("cpu", resize=True)).shape == (100, CLASSES)


def test_another_channel_count_is_made_to_fit_only_when_asked_for(tmp_path, bundle):
    """A grey point is repeated for a colour model."""
    path = linear_onnx(
        tmp_path / "m.onnx", shape=("n", 3, 4, 4), weights=np.ones((48, CLASSES), np.float32)
    )
    with pytest.raises(SuspectMismatchError, match="--resize"):
        answers(path, bundle)
    grey = bundle.fingerprint.sheet.of_family(CORE).points.reshape(100, -1).sum(axis=1)
    found = answers(path, bundle, Options("cpu", resize=True))
    np.testing.assert_allclose(found[:, 0], 3 * grey, rtol=1e-5)


def test_normalisation_is_applied_to_floats(tmp_path, bundle):
    """Points live in pixel space; the model gets what the owner's model gets."""
    spec = InputSpec(SHAPE, (0.0,), (1.0,), (0.5,), (0.25,))
    path = linear_onnx(tmp_path / "m.onnx")
    points = bundle.fingerprint.sheet.of_family(CORE).points
    found = answered_by(OnnxAdapter(str(path), CPU), points, spec)
    np.testing.assert_allclose(found, linear((points - 0.5) / 0.25), atol=1e-3)


def two_inputs(path):
    """A model that adds two tensors."""
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 16]) for name in "ab"]
    output = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 16])
    graph = helper.make_graph(
        [helper.make_node("Add", ["a", "b"], ["scores"])], "g", infos, [output]
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path
    )


def test_two_inputs_are_refused(tmp_path, bundle):
    """One line names the inputs."""
    two_inputs(tmp_path / "m.onnx")
    with pytest.raises(SuspectMismatchError, match="2 inputs \\('a', 'b'\\)"):
        answers(tmp_path / "m.onnx", bundle)


def test_text_is_refused(tmp_path, bundle):
    """Inputs that are no numbers can't be asked."""
    path = linear_onnx(tmp_path / "m.onnx", kind=TensorProto.STRING)
    with pytest.raises(SuspectMismatchError, match="takes text"):
        answers(path, bundle)


def test_a_suspect_that_fails_is_one_line(tmp_path, bundle):
    """A model whose run fails gives a query error of one line."""
    path = linear_onnx(
        tmp_path / "m.onnx", shape=("n", "c", "h", "w"), weights=np.ones((7, CLASSES), np.float32)
    )
    with pytest.raises(QueryError) as caught:
        answers(path, bundle)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_file_never_answers(tmp_path, bundle, share):
    """A cut file is refused when opened."""
    data = linear_onnx(tmp_path / "whole.onnx").read_bytes()
    (tmp_path / "m.onnx").write_bytes(data[: int(share * len(data))])
    with pytest.raises(SuspectError):
        answers(tmp_path / "m.onnx", bundle)


def test_weights_of_the_fixture_survive(tmp_path):
    """The fixture's premise: the file holds the weights."""
    model = onnx.load(linear_onnx(tmp_path / "m.onnx"))
    assert numpy_helper.to_array(model.graph.initializer[0]).shape == (16, CLASSES)


@pytest.mark.parametrize(
    "device",
    [
        "cpu",
        pytest.param(
            "cuda",
            marks=[
                pytest.mark.gpu,
                pytest.mark.skipif(why_no_cuda() is not None, reason=f"{why_no_cuda()}"),
            ],
        ),
    ],
)
def test_more_memory_than_there_is_asks_for_smaller_batches(tmp_path, bundle, device):
    """A model that wants more than any machine has is asked in smaller parts, then refused."""
    shape = helper.make_tensor("shape", TensorProto.INT64, [2], [1 << 22, 1 << 22])
    nodes = [
        helper.make_node("ReduceMax", ["input"], ["one"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Unsqueeze", ["one", "last"], ["column"]),
        helper.make_node("ReduceMax", ["column"], ["single"], keepdims=1),
        helper.make_node("Expand", ["single", "shape"], ["huge"]),
        helper.make_node("ReduceMax", ["huge"], ["top"], axes=[1], keepdims=0),
        helper.make_node("Add", ["column", "top"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "huge",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", *SHAPE])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", "m"])],
        [shape, helper.make_tensor("last", TensorProto.INT64, [1], [1])],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / "huge.onnx")
    asking = Asking(options=Options(device))
    [found] = api.audit(bundle, [str(tmp_path / "huge.onnx")], asking)
    assert isinstance(found.outcome, Refusal)
    assert "failed while answering" in found.outcome.reason
