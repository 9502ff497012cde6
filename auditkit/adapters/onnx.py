"""ONNX files, run by onnxruntime on CUDA if it works on this machine, else on the CPU.

Torch is not imported: an auditor of ONNX files need not install it. The package onnx is loaded only
where the weights are looked at.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from auditkit.adapters.base import Kind, Port, Shape, read_file
from auditkit.core.arrays import DType, Rows
from auditkit.core.errors import (
    QueryError,
    SuspectError,
    SuspectLoadError,
    SuspectMismatchError,
)
from auditkit.core.escape import first_line
from auditkit.core.requests import Options
from auditkit.core.weights import Layer

if TYPE_CHECKING:
    import onnxruntime as ort

__all__ = ["onnx"]

DTYPES: dict[str, DType] = {
    "tensor(float)": np.dtype(np.float32),
    "tensor(float16)": np.dtype(np.float16),
    "tensor(double)": np.dtype(np.float64),
    **{
        f"tensor({kind})": np.dtype(kind)
        for kind in ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64")
    },
}
SCORES = ("logit", "prob", "score", "output")
"""Words in the names of outputs that hold scores."""
PREFIX = "[ONNXRuntimeError] : "
"""What onnxruntime puts before its messages."""


class OnnxAdapter:
    """An onnxruntime session of the file's bytes as they were hashed."""

    def __init__(self, source: str, options: Options) -> None:
        from auditkit.adapters import onnx_external, runtime  # onnxruntime takes long to load

        # The file is read once: if it were opened by its path, another process could exchange it
        # after it was hashed, and another model would answer under the recorded digest.
        model = onnx_external.whole(source, read_file(source))
        # Kept as long as the session, which uses these weights where they lie.
        self._beside = runtime.values(model.beside)
        try:
            self._session = runtime.opened(model.data, options.device, self._beside)
            self._input = _input(self._session)
            self._name = str(self._input.name)  # read here, since it may be no UTF-8
            self._output = _output(self._session, source)
        except SuspectError:
            raise
        # onnxruntime has no common base class of its errors, and names that are no UTF-8 raise
        # UnicodeDecodeError when they are read.
        except Exception as error:
            line = first_line(error).removeprefix(PREFIX)
            raise SuspectLoadError(f"{source!r} is not a readable ONNX model: {line}") from error
        self.runtime = runtime.described(self._session)
        # For the weights, which onnxruntime neither hands out nor, where they are large, copies.
        self._model: onnx_external.Model | None = model
        sizes = self._input.shape
        axis = _batch_axis(sizes)
        self.port = Port(
            model.digest,
            model.digest,
            _shape(sizes, axis),
            DTYPES[self._input.type],
            batch=_size(sizes[axis]) if sizes else None,
            batch_axis=axis,
            local=True,
        )

    def answer(self, batch: Rows) -> Rows:
        """See `Adapter.answer`."""
        try:
            [found] = self._session.run([self._output], {self._name: batch})
        except Exception as error:
            line = first_line(error).removeprefix(PREFIX)
            raise QueryError(f"the suspect failed while answering: {line}") from error
        answered: Rows = np.asarray(found)
        return answered

    def weights(self) -> tuple[Layer, ...]:
        """See `HasWeights.weights`."""
        from auditkit.adapters import onnx_weights

        if self._model is None:
            return ()
        return onnx_weights.read(self._model.data, self._model.beside)

    def close(self) -> None:
        """See `Adapter.close`."""
        self._session, self._model, self._beside = None, None, {}


def _input(session: "ort.InferenceSession") -> "ort.NodeArg":
    inputs = session.get_inputs()
    if len(inputs) != 1:
        listed = ", ".join(repr(node.name) for node in inputs)
        raise SuspectMismatchError(
            f"the suspect takes {len(inputs)} inputs ({listed}), auditkit asks with one tensor"
        )
    [node] = inputs
    if node.type not in DTYPES:
        kind = "text" if node.type == "tensor(string)" else node.type
        raise SuspectMismatchError(
            f"the suspect takes {kind} as input, the points are numbers; export it with a tensor "
            "of floats or pixels as its input"
        )
    return node


Sizes = Sequence[int | str | None]
"""A declared shape. Axes of any size have a name or None, and exporters write 0 or -1 for them."""


def _shape(sizes: Sizes, batch: int) -> Shape | None:
    """Shape of one input; None if the file declares no shape at all."""
    # Such a file is asked in the owner's shape, and refuses it when it runs if that is wrong.
    if not sizes:
        return None
    return tuple(_size(size) for axis, size in enumerate(sizes) if axis != batch)


def _size(size: int | str | None) -> int | None:
    """Size of an axis; None for any size."""
    return size if isinstance(size, int) and size > 0 else None


def _batch_axis(sizes: Sizes) -> int:
    """The axis that counts the points: the first, or the only one of any size."""
    free = [axis for axis, size in enumerate(sizes) if _size(size) is None]
    return free[0] if len(free) == 1 else 0


def _output(session: "ort.InferenceSession", source: str) -> str:
    """Name of the output that is used: scores before labels.

    Of several outputs of scores, the first whose name has one of the words `SCORES` is chosen, else
    the first.
    """
    outputs = session.get_outputs()
    # Names decide, since embeddings beside the scores have the same form: (batch, n) floats.
    floats = ("tensor(float)", "tensor(float16)", "tensor(double)", "tensor(uint8)")
    scores = [node for node in outputs if node.type in floats and _is_rows(node.shape)]
    labels = [node for node in outputs if node.type in ("tensor(int64)", "tensor(int32)")]
    named = [node for node in scores if any(word in node.name.lower() for word in SCORES)]
    for candidates in (named, scores, labels):
        if candidates:
            return str(candidates[0].name)
    listed = ", ".join(f"{node.name!r} {node.type} {node.shape}" for node in outputs)
    raise SuspectMismatchError(
        f"{source!r} has no output of one row of scores, or one label, for each input: {listed}"
    )


def _is_rows(shape: Sequence[int | str | None] | None) -> bool:
    """Whether the shape is of several numbers for each point, or unknown."""
    return not shape or (len(shape) >= 2 and any(size != 1 for size in shape[1:]))


onnx = Kind(OnnxAdapter, suffixes=(".onnx",))
