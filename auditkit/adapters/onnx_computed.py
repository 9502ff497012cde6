"""Weights that an ONNX file computes from constants before it uses them.

A file can hide whose weights it holds by keeping each as the sum of two tensors that look random.
Runtimes add them up when they open the file, so they are read here as they are then.
"""

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from auditkit.core.arrays import Rows
from auditkit.core.weights import MOST_NUMBERS

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

ARITHMETIC: dict[str, Callable[..., Rows]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.divide,
    "Neg": np.negative,
    "Sum": lambda *terms: sum(terms[1:], terms[0]),
    "Identity": np.positive,
}


def computed(graph: "GraphProto") -> Iterator[tuple[str, Rows]]:
    """Yield name and numbers of each tensor of two or more axes that is computed from constants.

    Only arithmetic on the main graph's own float32 tensors is followed, which is what a runtime
    folds and costs no more than the file's size.
    """
    from onnx import TensorProto, numpy_helper

    stored = {one.name: one for one in graph.initializer}
    stored |= {node.output[0]: node.attribute[0].t for node in graph.node if _is_constant(node)}
    plain = {
        name
        for name, one in stored.items()
        if one.data_type == TensorProto.FLOAT and one.data_location != TensorProto.EXTERNAL
    }
    made: dict[str, Rows] = {}
    left = MOST_NUMBERS
    for node in graph.node:
        if node.op_type not in ARITHMETIC or not plain.union(made).issuperset(node.input):
            continue
        try:
            parts = [
                made[name] if name in made else numpy_helper.to_array(stored[name])
                for name in node.input
            ]
            shape = np.broadcast_shapes(*(part.shape for part in parts))
            left -= math.prod(shape)
            if left < 0:
                return
            with np.errstate(all="ignore"):
                made[node.output[0]] = ARITHMETIC[node.op_type](*parts)
        except (ValueError, TypeError):  # sizes that don't fit, or that a tensor only claims
            continue
        if len(shape) > 1:
            yield node.output[0], made[node.output[0]]


def _is_constant(node: "NodeProto") -> bool:
    return node.op_type == "Constant" and node.attribute[0].HasField("t")
