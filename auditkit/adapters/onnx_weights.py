"""The weights of an ONNX file, read with the package onnx from the bytes that were hashed.

Tensors are taken in the order in which nodes use them, so that the first layers come first whatever
the file's order is. Which operator uses one does not matter: float and quantised tensors of two or
more axes are weights. Integers serve as they are, since rows are compared without their mean and
length, which undoes scale and zero point.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from auditkit.adapters.onnx_computed import computed
from auditkit.adapters.onnx_external import Tensor
from auditkit.core.arrays import Rows
from auditkit.core.weights import MOST_NUMBERS, Layer, layers

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto

DEEPEST = 16
"""Graphs within graphs that are followed."""
TYPES = (
    *("FLOAT", "FLOAT16", "BFLOAT16", "DOUBLE", "FLOAT8E4M3FN", "FLOAT8E4M3FNUZ", "FLOAT8E5M2"),
    *("FLOAT8E5M2FNUZ", "FLOAT4E2M1", "INT16", "UINT16", "INT8", "UINT8", "INT4", "UINT4"),
    *("INT2", "UINT2"),
)
"""Types of tensors that may be weights; indices and shapes are int64 or int32."""

Scope = dict[str, "TensorProto"]
"""Initialisers that no node has used yet, by their names."""


def prepare() -> None:
    """Load the package onnx, so that processes that are forked from this one have it."""
    from onnx import ModelProto, TensorProto, numpy_helper  # noqa: F401


def read(data: bytes, beside: Mapping[str, Tensor] | None = None) -> tuple[Layer, ...]:
    """Return the layers of an ONNX file's bytes, inputs first; none where they can't be read.

    Args:
        data: The model.
        beside: Initialisers that it keeps in other files, by their names.
    """
    # The bytes are a stranger's, and the package onnx may be missing or not know a type: whatever
    # happens, such a file has no weights to compare and is asked all the same.
    try:
        from onnx import ModelProto  # loads in 0.1 s, which only this needs

        model = ModelProto()
        model.ParseFromString(data)
        given = beside or {}
        found = [one for one in _Reading(model).tensors() if _may_be_weights(one, given)]
        stored = ((str(tensor.name), _numbers(tensor, given)) for tensor in found)
        return layers(itertools.chain(computed(model.graph), stored))
    except Exception:
        return ()


def _may_be_weights(tensor: "TensorProto", beside: Mapping[str, Tensor]) -> bool:
    from onnx import TensorProto

    known = {getattr(TensorProto, name) for name in TYPES if hasattr(TensorProto, name)}
    return (
        tensor.data_type in known
        and (tensor.data_location != TensorProto.EXTERNAL or tensor.name in beside)
        and len(tensor.dims) > 1
        and 0 < math.prod(tensor.dims) <= MOST_NUMBERS
    )


def _numbers(tensor: "TensorProto", beside: Mapping[str, Tensor]) -> Rows:
    from onnx import TensorProto, numpy_helper

    if tensor.data_location != TensorProto.EXTERNAL:
        within: Rows = numpy_helper.to_array(tensor)
        return within
    found = beside[tensor.name].numbers
    if tensor.data_type == TensorProto.BFLOAT16:  # the upper half of a float32, held as it lies
        found = (found.astype(np.uint32) << 16).view(np.float32)
    return found


class _Reading:
    """Goes through a model's nodes in their order, into graphs within them and into functions."""

    def __init__(self, model: "ModelProto") -> None:
        self._graph = model.graph
        # Each function is followed once: functions that call each other could take forever.
        self._functions = {(one.domain, one.name): one.node for one in model.functions}

    def tensors(self) -> Iterator["TensorProto"]:
        """Yield every tensor once, where it is used first."""
        yield from self._of_graph(self._graph, ())

    def _of_graph(self, graph: "GraphProto", outer: tuple[Scope, ...]) -> Iterator["TensorProto"]:
        if len(outer) < DEEPEST:
            scopes = (*outer, {tensor.name: tensor for tensor in graph.initializer})
            yield from self._of_nodes(graph.node, scopes)

    def _of_nodes(
        self, nodes: Iterable["NodeProto"], scopes: tuple[Scope, ...]
    ) -> Iterator["TensorProto"]:
        for node in nodes:
            for name in node.input:
                found = [scope for scope in scopes if name in scope]
                if found:
                    yield found[-1].pop(name)
            for attribute in node.attribute:
                if attribute.HasField("t"):
                    yield attribute.t
                for graph in (
                    *([attribute.g] if attribute.HasField("g") else []),
                    *attribute.graphs,
                ):
                    yield from self._of_graph(graph, scopes)
            called = self._functions.pop((node.domain, node.op_type), ())
            # A function sees no names of its caller.
            yield from self._of_nodes(called, ())
