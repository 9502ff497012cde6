"""ONNX files through onnxruntime: CUDA where it really works, else CPU; never torch, never onnx."""

from collections.abc import Sequence
from typing import Any

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

__all__ = ["onnx"]

DTYPES: dict[str, DType] = {
    "tensor(float)": np.dtype(np.float32),
    "tensor(float16)": np.dtype(np.float16),
    "tensor(double)": np.dtype(np.float64),
    "tensor(uint8)": np.dtype(np.uint8),
}
SCORES = ("logit", "prob", "score", "output")
"""Words in the names of outputs that hold scores."""


class OnnxAdapter:
    """An onnxruntime session over the very bytes that were hashed."""

    def __init__(self, source: str, options: Options) -> None:
        from auditkit.adapters import runtime  # onnxruntime takes long to load

        data = read_file(source)
        try:
            self._session = runtime.opened(data, options.device)
            self._input = _input(self._session)
            self._output = _output(self._session, source)
        except SuspectError:
            raise
        except Exception as error:  # onnxruntime raises many kinds, and names may be no text
            line = first_line(error).removeprefix("[ONNXRuntimeError] : ")
            raise SuspectLoadError(f"{source!r} is not a readable ONNX model: {line}") from error
        self._is_out_of_memory = runtime.is_out_of_memory
        self.runtime = runtime.described(self._session)
        digest = sha256(data)
        self.port = Port(
            digest,
            digest,
            _shape(self._input.shape),
            DTYPES[self._input.type],
            batch=_fixed(self._input.shape),
        )

    def answer(self, batch: Rows) -> Rows:
        """See `Adapter.answer`; what is too much for a card's memory may fit in smaller batches."""
        try:
            [found] = self._session.run([self._output], {self._input.name: batch})
        except Exception as error:  # onnxruntime raises many kinds
            line = first_line(error).removeprefix("[ONNXRuntimeError] : ")
            kind = BatchError if self._is_out_of_memory(error) else QueryError
            raise kind(f"the suspect failed while answering: {line}") from error
        return _two_axes(np.asarray(found))

    def close(self) -> None:
        """See `Adapter.close`."""
        self._session = None


def _input(session: Any) -> Any:
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


def _shape(sizes: Sequence[Any]) -> Shape | None:
    """None where the file says nothing at all: what fits shows when it runs."""
    if not sizes:
        return None
    return tuple(size if isinstance(size, int) and size > 0 else None for size in sizes[1:])


def _fixed(sizes: Sequence[Any]) -> int | None:
    size = sizes[0] if sizes else None
    return size if isinstance(size, int) and size > 0 else None


def _output(session: Any, source: str) -> str:
    """Scores before labels; among several, one whose name says so, else the first."""
    outputs = session.get_outputs()
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


def _is_rows(shape: Sequence[Any] | None) -> bool:
    """(batch, classes), perhaps with axes of size 1 behind; unknown shapes are tried."""
    return not shape or (len(shape) >= 2 and shape[1] != 1 and all(s == 1 for s in shape[2:]))


def _two_axes(outputs: Rows) -> Rows:
    """(b, k, 1, 1) -> (b, k); half precision -> single."""
    while outputs.ndim > 2 and outputs.shape[-1] == 1:
        outputs = outputs[..., 0]
    return outputs.astype(np.float32) if outputs.dtype.kind == "f" else outputs


onnx = Kind(OnnxAdapter, suffixes=(".onnx",))
