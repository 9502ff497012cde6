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
