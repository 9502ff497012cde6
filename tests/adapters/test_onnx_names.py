"""ONNX files whose names are no text end in one line, never in a traceback."""

import json

import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from typer.testing import CliRunner

from auditkit.cli import app
from auditkit.files import bundle as bundles
from tests.conftest import CLASSES, SHAPE, WEIGHTS

PARTS = ("points_in", "scores_out", "MatMul", "weights_of", "node_name", "axis_size", "flat_mid")


def named(path, broken: str):
    """The linear owner, with the last letter of one of its names made a byte that is no text."""
    nodes = [
        helper.make_node("Flatten", ["points_in"], ["flat_mid"], name="node_name"),
        helper.make_node("MatMul", ["flat_mid", "weights_of"], ["scores_out"]),
    ]
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("points_in", TensorProto.FLOAT, ["axis_size", *SHAPE])],
        [helper.make_tensor_value_info("scores_out", TensorProto.FLOAT, ["axis_size", CLASSES])],
        [numpy_helper.from_array(WEIGHTS, "weights_of")],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    data = path.read_bytes()
    assert broken.encode() in data
    path.write_bytes(data.replace(broken.encode(), broken[:-1].encode() + b"\xff"))


@pytest.mark.parametrize("output_format", ["terminal", "json"])
@pytest.mark.parametrize("part", PARTS)
def test_names_that_are_no_text(tmp_path, monkeypatch, bundle, part, output_format):
    """Of inputs, outputs, operators, weights, nodes and axes: a verdict, or a refusal of a line."""
    monkeypatch.chdir(tmp_path)
    bundles.write(bundle, tmp_path / "model.fp")
    named(tmp_path / "m.onnx", part)
    result = CliRunner().invoke(app, ["check", "model.fp", "m.onnx", "-f", output_format])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code in (3, 5)
    if output_format == "json":
        [found] = json.loads(result.stdout)["suspects"]
        assert found["verdict"] == {3: "pirated", 5: "refused"}[result.exit_code]
        assert found["reason_code"] in ("cannot-open", "cannot-answer", "shares-as-copies")
        assert "\n" not in found["reason"]


@pytest.mark.parametrize("part", ["points_in", "MatMul"])
def test_some_of_them_are_refused(tmp_path, monkeypatch, bundle, part):
    """The premise: at least inputs and operators must have names that can be read."""
    monkeypatch.chdir(tmp_path)
    bundles.write(bundle, tmp_path / "model.fp")
    named(tmp_path / "m.onnx", part)
    assert CliRunner().invoke(app, ["check", "model.fp", "m.onnx"]).exit_code == 5
