"""ONNX files: what is walked before onnxruntime sees them, links to other files and weights."""

from pathlib import Path
from random import Random

import numpy as np
from google.protobuf.message import DecodeError
from onnx import ModelProto, TensorProto, helper, numpy_helper

from auditkit.adapters import onnx_external, onnx_weights
from auditkit.core.weights import sketch
from fuzz.base import Harness, Wrong
from fuzz.mutator import changed

WEIGHTS = "model.onnx.data"
SIZES = (-1, 0, 1, 2, 3, 64, 1 << 20, 1 << 31, 1 << 40, (1 << 63) - 1, -(1 << 63))
PLACES = ("", "..", "../x", "/etc/passwd", "a\0b", ".", "model.onnx.data", "folder", "link", "\\x")
NUMBERS = ("", "0", "-1", "4", "64", "1e3", "²", "9" * 19, "9" * 30, " 4")


class _Files:
    """Mutants of models with weights inside, beside them, in inner graphs and in functions."""

    def __init__(self, folder: Path) -> None:
        self._source = str(folder / "model.onnx")
        (folder / WEIGHTS).write_bytes(bytes(range(256)) * 8)
        (folder / "folder").mkdir()
        (folder / "link").symlink_to("/etc/hostname")
        self._models = [_inside(), _beside(), _nested()]
        self._good = [model.SerializeToString() for model in self._models]

    def draw(self, chance: Random) -> bytes:
        """See `Target.draw`."""
        which = chance.randrange(len(self._good))
        if chance.random() < 0.5:
            return changed(self._good[which], chance, self._good)
        model = ModelProto()
        model.CopyFrom(self._models[which])
        for _ in range(chance.choice((1, 1, 2, 3))):
            _changed_message(model, chance)
        return model.SerializeToString()

    def attempt(self, given: bytes) -> None:
        """See `Target.attempt`."""
        model = onnx_external.whole(self._source, given)
        _check_nothing_is_elsewhere(model.data)
        # Numbers that are none are of no direction: a sketch is finite whatever the weights are.
        sketch(onnx_weights.read(model.data, model.beside), 0)


def _check_nothing_is_elsewhere(data: bytes) -> None:
    """No path of the author's may be left for onnxruntime to open."""
    parsed = ModelProto()
    try:
        parsed.ParseFromString(data)
    except DecodeError:
        return
    for tensor in onnx_external._tensors(parsed):
        if tensor.data_location == TensorProto.EXTERNAL:
            places = [one.value for one in tensor.external_data if one.key == "location"]
            if places not in ([], [onnx_external.PLACE]):
                raise Wrong(f"onnxruntime would open {places}")


def _graph(nodes: list, weights: list, name: str = "graph") -> object:
    taken = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])
    given = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4])
    return helper.make_graph(nodes, name, [taken], [given], weights)


def _model(nodes: list, weights: list, functions: tuple = ()) -> ModelProto:
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    return helper.make_model(
        _graph(nodes, weights), opset_imports=opsets, ir_version=8, functions=list(functions)
    )


def _weight(name: str) -> TensorProto:
    numbers = np.random.default_rng(len(name)).normal(size=(4, 4)).astype(np.float32)
    return numpy_helper.from_array(numbers, name)


def _inside() -> ModelProto:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Relu", ["h"], ["y"])]
    return _model(nodes, [_weight("w")])


def _beside() -> ModelProto:
    model = _inside()
    [tensor] = model.graph.initializer
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", WEIGHTS), ("offset", "64"), ("length", "64")):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    return model


def _nested() -> ModelProto:
    inner = helper.make_graph(
        [helper.make_node("MatMul", ["x", "v"], ["z"])],
        "inner",
        [],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)],
        [_weight("v")],
    )
    body = [
        helper.make_node("Constant", [], ["c"], value=_weight("cc")),
        helper.make_node("MatMul", ["a", "c"], ["b"]),
    ]
    called = helper.make_function(
        "own", "Call", ["a"], ["b"], body, [helper.make_opsetid("", 17)], []
    )
    condition = helper.make_tensor("true", TensorProto.BOOL, [], [True])
    nodes = [
        helper.make_node("Constant", [], ["yes"], value=condition),
        helper.make_node("If", ["yes"], ["h"], then_branch=inner, else_branch=inner),
        helper.make_node("Call", ["h"], ["y"], domain="own"),
    ]
    return _model(nodes, [], (called,))


def _changed_message(model: ModelProto, chance: Random) -> None:
    """Change a tensor's type, sizes or place, or move a part of the model into another."""
    tensors = list(onnx_external._tensors(model))
    way = chance.randrange(7)
    tensor = chance.choice(tensors) if tensors else model.graph.initializer.add()
    if way == 0:
        tensor.data_type = chance.choice((*range(30), -1, 1 << 30))
    elif way == 1:
        tensor.dims.append(chance.choice(SIZES))
    elif way == 2 and tensor.dims:
        tensor.dims[chance.randrange(len(tensor.dims))] = chance.choice(SIZES)
    elif way == 3:
        tensor.raw_data = changed(tensor.raw_data, chance)
    elif way == 4:
        _place_elsewhere(tensor, chance)
    elif way == 5 and model.functions:
        model.functions[0].node.add().CopyFrom(chance.choice([*model.graph.node]))
    else:
        model.graph.initializer.add().CopyFrom(tensor)


def _place_elsewhere(tensor: TensorProto, chance: Random) -> None:
    tensor.data_location = TensorProto.EXTERNAL
    for key in chance.sample(("location", "offset", "length", "checksum"), 3):
        entry = tensor.external_data.add()
        entry.key = key
        entry.value = chance.choice(PLACES if key == "location" else NUMBERS)


HARNESS = Harness("onnx_files", _Files)
