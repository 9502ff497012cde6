"""Readers of weights: whatever a copy was exported to, its weights are the owner's."""

import logging
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.transformers.float16 import convert_float_to_float16

from auditkit import adapters
from auditkit.adapters import onnx_weights
from auditkit.adapters.base import weights_of
from auditkit.adapters.safetensors import read_layers
from auditkit.core import weights
from auditkit.core.errors import SuspectLoadError
from auditkit.core.requests import Options
from auditkit.core.weights import Layer, sketch
from auditkit.judging.likeness import likeness
from auditkit.owner.weights import layers_of

pytestmark = pytest.mark.torch
TRUSTING = Options("cpu")
SEED = 4


class Net(torch.nn.Module):
    """Whole, grouped and depthwise convolutions in two and one dimensions, and dense layers."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.first = torch.nn.Conv2d(3, 16, 5, stride=2, bias=False)
        self.norm = torch.nn.BatchNorm2d(16)
        self.grouped = torch.nn.Conv2d(16, 32, 3, groups=2)
        self.depthwise = torch.nn.Conv2d(32, 32, 5, padding=2, groups=32)
        self.line = torch.nn.Conv1d(32, 24, 3)
        self.hidden = torch.nn.Linear(24, 40)
        self.head = torch.nn.Linear(40, 6)
        with torch.no_grad():
            self.norm.running_var.uniform_(0.2, 5)
            self.norm.weight.uniform_(0.2, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, 3, 16, 16) -> (n, 6)."""
        x = self.grouped(self.norm(self.first(x)).relu()).relu()
        x = self.line(self.depthwise(x).relu().flatten(2)).relu().mean(2)
        return self.head(self.hidden(x).relu())


NET, STRANGER = Net(0).eval(), Net(1).eval()
OWNER = sketch(layers_of(NET), SEED)


class Calibration(CalibrationDataReader):
    """A few random inputs."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.left = [{"input": rng.normal(size=(1, 3, 16, 16)).astype("f")} for _ in range(4)]

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next one, or None."""
        return self.left.pop() if self.left else None


def exported(net: torch.nn.Module, path: Path) -> Path:
    """ONNX of opset 17; normalisation is folded into the convolution before it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net,
            (torch.zeros(1, 3, 16, 16),),
            str(path),
            dynamo=False,
            opset_version=17,
            input_names=["input"],
            output_names=["logits"],
            dynamic_axes={"input": {0: "n"}, "logits": {0: "n"}},
        )
    return path


def halved(source: Path, path: Path) -> None:
    """All in float16."""
    onnx.save(convert_float_to_float16(onnx.load(source), keep_io_types=True), path)


def quantised_at_run_time(source: Path, path: Path) -> None:
    """ConvInteger and MatMulInteger."""
    quantize_dynamic(str(source), str(path), weight_type=QuantType.QUInt8)


def quantised(form: QuantFormat, *, per_channel: bool) -> Callable[[Path, Path], None]:
    """Weights and activations in eight bits."""

    def convert(source: Path, path: Path) -> None:
        quantize_static(
            str(source),
            str(path),
            Calibration(),
            quant_format=form,
            per_channel=per_channel,
            weight_type=QuantType.QInt8,
        )

    return convert


def with_constants(source: Path, path: Path) -> None:
    """Initialisers as nodes, as some exporters write them."""
    model = onnx.load(source)
    nodes = [
        helper.make_node("Constant", [], [tensor.name], value=tensor)
        for tensor in model.graph.initializer
    ]
    nodes += model.graph.node
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save(model, path)


def within_a_branch(source: Path, path: Path) -> None:
    """The whole network in a branch of an If, its weights outside."""
    model = onnx.load(source)
    names = ("then_branch", "else_branch")
    graphs = {
        name: helper.make_graph(list(model.graph.node), name, [], list(model.graph.output))
        for name in names
    }
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    del model.graph.node[:]
    model.graph.node.append(helper.make_node("If", ["yes"], ["logits"], **graphs))
    onnx.save(model, path)


def as_it_is(source: Path, path: Path) -> None:
    """As torch wrote it."""
    path.write_bytes(source.read_bytes())


FORMS = {
    "plain": as_it_is,
    "fp16": halved,
    "dynamic": quantised_at_run_time,
    "qdq": quantised(QuantFormat.QDQ, per_channel=False),
    "qdq by channel": quantised(QuantFormat.QDQ, per_channel=True),
    "qoperator": quantised(QuantFormat.QOperator, per_channel=False),
    "qoperator by channel": quantised(QuantFormat.QOperator, per_channel=True),
    "constants": with_constants,
    "branch": within_a_branch,
}


def opened(path: Path) -> tuple[Layer, ...]:
    """The weights of a file, as an audit reads them."""
    adapter = adapters.open_suspect(adapters.identified(str(path)), TRUSTING)
    found = weights_of(adapter)
    adapter.close()
    return found


@pytest.mark.parametrize("form", sorted(FORMS))
def test_every_onnx_form_is_read(tmp_path, form):
    """All six tensors are found in each form, and a stranger's are not like them."""
    logging.disable(logging.WARNING)
    for net, low, high in ((NET, 0.99, 1.001), (STRANGER, -0.1, 0.1)):
        FORMS[form](exported(net, tmp_path / "source.onnx"), tmp_path / "model.onnx")
        found = opened(tmp_path / "model.onnx")
        assert low < likeness(found, OWNER) < high
        shapes = {one.rows.shape for one in found} | {one.rows.T.shape for one in found}
        assert {outline.shape for outline in OWNER.outlines} <= shapes
    logging.disable(logging.NOTSET)


def test_layers_come_in_the_order_of_their_use(tmp_path):
    """Whatever the order of initialisers in the file is."""
    path = exported(NET, tmp_path / "model.onnx")
    model = onnx.load(path)
    stored = sorted(model.graph.initializer, key=lambda one: -len(one.dims))
    del model.graph.initializer[:]
    model.graph.initializer.extend(reversed(stored))
    onnx.save(model, path)
    assert [one.rows.shape[0] for one in opened(path)] == [16, 32, 32, 24, 40, 6]


@pytest.mark.parametrize(
    "kind", [TensorProto.BFLOAT16, TensorProto.DOUBLE, TensorProto.INT4, TensorProto.UINT4]
)
def test_numbers_of_other_types_are_read(kind):
    """Four bits hold -8 to 7 or 0 to 15; the mean of a row does not matter."""
    rows = np.random.default_rng(0).integers(0, 8, (5, 7)).astype(np.float32)
    model = one_node(helper.make_tensor("w", kind, (5, 7), rows.ravel()))
    [found] = onnx_weights.read(model.SerializeToString())
    np.testing.assert_array_equal(found.rows, rows)


def one_node(*tensors: TensorProto, op: str = "Anything", **attributes: object) -> onnx.ModelProto:
    """A model of one node that uses these tensors."""
    node = helper.make_node(op, [tensor.name for tensor in tensors], ["y"], **attributes)
    return helper.make_model(helper.make_graph([node], "g", [], [], list(tensors)))


def test_what_is_no_weight_is_left_out():
    """Indices, biases, what nobody uses or can hold, and what lies in files that nobody hashed."""
    outside = helper.make_tensor("outside", TensorProto.FLOAT, (5, 7), np.zeros(35))
    outside.data_location = TensorProto.EXTERNAL
    outside.external_data.add(key="location", value="/etc/passwd")
    indices = numpy_helper.from_array(np.zeros((4, 4), np.int64), "indices")
    bias = numpy_helper.from_array(np.zeros(4, np.float32), "bias")
    huge = claimed(1 << 20, 1 << 20).graph.initializer[0]
    real = numpy_helper.from_array(np.zeros((4, 4), np.float32), "real")
    model = one_node(outside, indices, bias, huge, real)
    decoy = numpy_helper.from_array(np.zeros((4, 4), np.float32), "decoy")
    model.graph.initializer.append(decoy)
    assert [one.name for one in onnx_weights.read(model.SerializeToString())] == ["real"]


@pytest.mark.parametrize("op", ["Add", "Sub", "Sum"])
def test_weights_that_are_stored_in_two_parts_are_read_as_they_are_used(op):
    """What a runtime adds up when it opens a file hides nothing."""
    rng = np.random.default_rng(0)
    real, drawn = rng.normal(size=(8, 5)), 100 * rng.normal(size=(8, 5))
    parts = {"a": real + drawn, "b": drawn if op == "Sub" else -drawn}
    stored = [numpy_helper.from_array(v.astype(np.float32), n) for n, v in parts.items()]
    [found, *_] = onnx_weights.read(one_node(*stored, op=op).SerializeToString())
    assert np.allclose(found.rows, real, atol=1e-4)


def test_a_tensor_that_is_used_twice_is_one_layer():
    """Tied weights are not twice the evidence."""
    model = one_node(numpy_helper.from_array(np.zeros((4, 4), np.float32), "tied"))
    model.graph.node.append(model.graph.node[0])
    assert len(onnx_weights.read(model.SerializeToString())) == 1


def claimed(*sizes: int) -> onnx.ModelProto:
    """A tensor that claims a size and holds nothing."""
    tensor = helper.make_tensor("w", TensorProto.FLOAT, (1, 1), [1.0])
    del tensor.dims[:]
    tensor.dims.extend(sizes)
    return one_node(tensor)


def nested(depth: int) -> onnx.ModelProto:
    """Graphs within graphs, with a tensor in the innermost."""
    graph = one_node(numpy_helper.from_array(np.zeros((4, 4), np.float32), "w")).graph
    for _ in range(depth):
        graph = helper.make_graph([helper.make_node("Any", [], ["y"], body=graph)], "g", [], [])
    return helper.make_model(graph)


def calling_the_next(count: int) -> onnx.ModelProto:
    """Functions that call the next one nine times: followed naively, without end."""
    domain, opsets = "x", [helper.make_opsetid("", 17), helper.make_opsetid("x", 1)]
    functions = [
        helper.make_function(
            domain,
            f"f{number}",
            [],
            ["y"],
            [helper.make_node(f"f{number + 1}", [], [f"y{n}"], domain=domain) for n in range(9)],
            opsets,
        )
        for number in range(count)
    ]
    graph = helper.make_graph([helper.make_node("f0", [], ["y"], domain=domain)], "g", [], [])
    return helper.make_model(graph, functions=functions)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        claimed(1 << 20, 1 << 20).SerializeToString(),
        claimed(1 << 62, 4).SerializeToString(),
        claimed(-1, -1).SerializeToString(),
        claimed(64, 64).SerializeToString(),
        nested(20).SerializeToString(),
        calling_the_next(40).SerializeToString(),
    ],
    ids=["empty", "text", "huge", "beyond", "negative", "unfilled", "deep", "calls"],
)
def test_hostile_files_have_no_weights(data):
    """They are read in no time and no memory, and raise nothing."""
    assert onnx_weights.read(data) == ()


def test_a_file_may_hold_more_tensors_than_are_read(monkeypatch):
    """The first ones count."""
    monkeypatch.setattr(weights, "MOST_TENSORS", 3)
    tensors = [numpy_helper.from_array(np.zeros((4, n), "f"), str(n)) for n in range(1, 9)]
    found = onnx_weights.read(one_node(*tensors).SerializeToString())
    assert [one.name for one in found] == ["1", "2", "3"]


def scripted(net: torch.nn.Module, path: Path) -> None:
    """TorchScript with its parameters."""
    torch.jit.save(torch.jit.script(net), str(path))


def frozen(net: torch.nn.Module, path: Path) -> None:
    """TorchScript whose parameters became constants."""
    torch.jit.save(torch.jit.freeze(torch.jit.script(net)), str(path))


def program(net: torch.nn.Module, path: Path) -> None:
    """An exported program."""
    batch = {0: torch.export.Dim("n", min=1, max=1000)}
    example = (torch.zeros(2, 3, 16, 16),)
    torch.export.save(torch.export.export(net, example, dynamic_shapes=(batch,)), path)


@pytest.mark.parametrize("write", [scripted, frozen, program])
def test_torch_files_are_read(tmp_path, write):
    """Parameters of TorchScript, constants of frozen TorchScript, and .pt2."""
    for net, low, high in ((NET, 0.99, 1.001), (STRANGER, -0.1, 0.1)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            write(net, tmp_path / "model.pt")
        found = opened(tmp_path / "model.pt")
        assert low < likeness(found, OWNER) < high
        assert len(found) == 6


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
def test_safetensors_are_read_in_the_order_of_their_numbers(dtype):
    """The file sorts `10` before `2`; half precision changes little."""
    from safetensors.torch import save

    values = {f"layer{n}.w": torch.randn(8, n + 4).to(dtype) for n in (2, 10, 0)}
    found = read_layers(save(values))
    assert [one.name for one in found] == ["layer0.w", "layer2.w", "layer10.w"]
    np.testing.assert_array_equal(found[2].rows, values["layer10.w"].float().numpy())


@pytest.mark.parametrize("data", [b"", b"\xff" * 40, b"\x02\0\0\0\0\0\0\0[]"])
def test_what_is_no_safetensors_is_refused(data):
    """In one line."""
    with pytest.raises(SuspectLoadError, match="no readable safetensors"):
        read_layers(data)


def test_embeddings_of_the_owner_are_no_layers():
    """Their rows are words, whose order is no accident."""
    net = torch.nn.Sequential(torch.nn.Embedding(50, 16), torch.nn.Linear(16, 9))
    assert [one.name for one in layers_of(net)] == ["1.weight"]
