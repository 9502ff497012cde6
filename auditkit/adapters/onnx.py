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
    BatchError,
    QueryError,
    SuspectError,
    SuspectLoadError,
    SuspectMismatchError,
)
from auditkit.core.escape import first_line
from auditkit.core.provenance import sha256
from auditkit.core.requests import Options
from auditkit.core.weights import Layer

if TYPE_CHECKING:
    import onnxruntime as ort

__all__ = ["onnx"]

DTYPES: dict[str, DType] = {
    "tensor(float)": np.dtype(np.float32),
    "tensor(float16)": np.dtype(np.float16),
    "tensor(double)": np.dtype(np.float64),
    "tensor(uint8)": np.dtype(np.uint8),
}
SCORES = ("logit", "prob", "score", "output")
"""Words in the names of outputs that hold scores."""
PREFIX = "[ONNXRuntimeError] : "
"""What onnxruntime puts before its messages."""


class OnnxAdapter:
    """An onnxruntime session of the file's bytes as they were hashed."""

    def __init__(self, source: str, options: Options) -> None:
        from auditkit.adapters import runtime  # onnxruntime takes long to load

        # The file is read once: if it were opened by its path, another process could exchange it
        # after it was hashed, and another model would answer under the recorded digest.
        data = read_file(source)
        try:
            self._session = runtime.opened(data, options.device)
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
        self._is_out_of_memory = runtime.is_out_of_memory
        self.runtime = runtime.described(self._session)
        self._data = data  # for the weights, which onnxruntime does not hand out
        digest = sha256(data)
        self.port = Port(
            digest,
            digest,
            _shape(self._input.shape),
            DTYPES[self._input.type],
            batch=_fixed(self._input.shape),
        )

    def answer(self, batch: Rows) -> Rows:
        """See `Adapter.answer`. BatchError means that the batch exceeds the GPU's memory."""
        try:
            [found] = self._session.run([self._output], {self._name: batch})
        except Exception as error:
            line = first_line(error).removeprefix(PREFIX)
            kind = BatchError if self._is_out_of_memory(error) else QueryError
            raise kind(f"the suspect failed while answering: {line}") from error
        return _two_axes(np.asarray(found))

    def weights(self) -> tuple[Layer, ...]:
        """See `HasWeights.weights`."""
        from auditkit.adapters import onnx_weights

        return onnx_weights.read(self._data)

    def close(self) -> None:
        """See `Adapter.close`."""
        self._session, self._data = None, b""


def _input(session: "ort.InferenceSession") -> "ort.NodeArg":
    inputs = session.get_inputs()
    if len(inputs) != 1:
        listed = ", ".join(repr(node.name) for node in inputs)
        raise SuspectMismatchError(
            f"the suspect takes {len(inputs)} inputs ({listed}), auditkit asks with one tensor"
        )
    [node] = inputs
    if node.type not in DTYPES:
        raise SuspectMismatchError(
            f"the suspect takes {node.type} inputs, points are float numbers; "
            "token ids and text can't be asked yet"
        )
    return node


def _shape(sizes: Sequence[int | str | None]) -> Shape | None:
    """Shape of one input; None if the file declares no shape at all."""
    # Such a file is asked in the owner's shape, and refuses it when it runs if that is wrong.
    if not sizes:
        return None
    # Axes of any size have a name or None, and exporters write 0 or -1 for them too.
    return tuple(size if isinstance(size, int) and size > 0 else None for size in sizes[1:])


def _fixed(sizes: Sequence[int | str | None]) -> int | None:
    """The batch size that the file was exported with; None for any size."""
    size = sizes[0] if sizes else None
    return size if isinstance(size, int) and size > 0 else None


def _output(session: "ort.InferenceSession", source: str) -> str:
    """Name of the output that is used: scores before labels.

    Of several outputs of scores, the first whose name has one of the words `SCORES` is chosen, else
    the first.
    """
    outputs = session.get_outputs()
    # Names decide, since embeddings beside the scores have the same form: (batch, n) floats.
    scores = [node for node in outputs if node.type in DTYPES and _is_rows(node.shape)]
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
    """Whether the shape is (batch, classes), perhaps with trailing axes of size 1, or unknown."""
    return not shape or (len(shape) >= 2 and shape[1] != 1 and all(s == 1 for s in shape[2:]))


def _two_axes(outputs: Rows) -> Rows:
    """Drop trailing axes of size 1, and convert floats of any precision to float32."""
    while outputs.ndim > 2 and outputs.shape[-1] == 1:
        outputs = outputs[..., 0]
    return outputs.astype(np.float32) if outputs.dtype.kind == "f" else outputs


onnx = Kind(OnnxAdapter, suffixes=(".onnx",))
