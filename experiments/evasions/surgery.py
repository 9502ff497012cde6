"""Changes to an ONNX file that answer alike and show other weights."""

from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper


def hidden(source: Path, target: Path) -> Path:
    """Write a file whose weights are each the sum of two random-looking tensors."""
    model = onnx.load(source)
    graph, rng = model.graph, np.random.default_rng(0)
    sums = []
    for tensor in list(graph.initializer):
        values = numpy_helper.to_array(tensor)
        if values.ndim < 2 or values.dtype != np.float32:
            continue
        drawn = rng.normal(size=values.shape, scale=1000 * values.std()).astype(np.float32)
        parts = {f"{tensor.name}.a": drawn, f"{tensor.name}.b": values - drawn}
        graph.initializer.remove(tensor)
        graph.initializer.extend(numpy_helper.from_array(v, n) for n, v in parts.items())
        sums.append(helper.make_node("Add", list(parts), [tensor.name]))
    nodes = [*sums, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.save(model, target)
    return target


def branched(source: Path, target: Path) -> Path:
    """Write a file in which each layer is the sum of two layers whose weights look random."""
    model = onnx.load(source)
    graph, rng = model.graph, np.random.default_rng(0)
    stored = {tensor.name: tensor for tensor in graph.initializer}
    nodes = []
    for node in graph.node:
        name = node.input[1] if node.op_type in ("Conv", "Gemm") else ""
        if name not in stored:
            nodes.append(node)
            continue
        values = numpy_helper.to_array(stored[name])
        drawn = rng.normal(size=values.shape, scale=1000 * values.std()).astype(np.float32)
        for number, part in enumerate((drawn, values - drawn)):
            half = onnx.NodeProto()
            half.CopyFrom(node)
            half.name = f"{node.name}.{number}"
            half.output[0] = f"{node.output[0]}.{number}"
            half.input[1] = f"{node.output[0]}.weight.{number}"
            if number:
                del half.input[2:]
            graph.initializer.append(numpy_helper.from_array(part, half.input[1]))
            nodes.append(half)
        halves = [half.output[0] for half in nodes[-2:]]
        nodes.append(helper.make_node("Add", halves, [node.output[0]]))
    used = {name for node in nodes for name in node.input}
    for tensor in list(graph.initializer):
        if tensor.name not in used:
            graph.initializer.remove(tensor)
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.save(model, target)
    return target
