"""ONNX files through onnxruntime: CUDA where it really works, else CPU; never torch, never onnx."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditkit.adapters import runtime
from auditkit.adapters.base import AT_ONCE, one_line, read_file
from auditkit.core.arrays import FloatArray
from auditkit.core.errors import (
    BatchError,
    QueryError,
    SuspectLoadError,
    SuspectMismatchError,
)
from auditkit.core.points import InputSpec
from auditkit.core.provenance import sha256
from auditkit.core.requests import Options
from auditkit.suspects.arrangement import Arrangement, arrange

__all__ = ["OnnxAdapter"]

DTYPES: dict[str, np.dtype[Any]] = {
    "tensor(float)": np.dtype(np.float32),
    "tensor(float16)": np.dtype(np.float16),
    "tensor(double)": np.dtype(np.float64),
    "tensor(uint8)": np.dtype(np.uint8),
}
SCORES = ("logit", "prob", "score", "output")


class OnnxAdapter:
    """An onnxruntime session over the very bytes that were hashed."""

    def __init__(self, source: str, spec: InputSpec, options: Options) -> None:
        data = read_file(source)
        self.digest: str | None = sha256(data)
        self.identity = self.digest
        self.batch, self.lanes = AT_ONCE, 1
        self._source = source
        with _loading(source):
            self._session = runtime.opened(data, options.device)
        self.runtime = runtime.described(self._session)
        self._input, self._arrangement = _input(self._session, spec, options)
        self._batch = _fixed_batch(self._session)
        self._output = _output(self._session, source)

    def answer(self, points: FloatArray) -> NDArray[Any]:
        """See `Adapter.answer`."""
        batch = self._arrangement(points)
        with _answering():
            if self._batch is None:
                return _two_axes(self._run(batch))
            missing = -len(batch) % self._batch
            padded = np.concatenate([batch, np.repeat(batch[:1], missing, axis=0)])
            parts = np.split(padded, len(padded) // self._batch)
            return _two_axes(np.concatenate([self._run(part) for part in parts]))[: len(batch)]

    def _run(self, batch: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(self._session.run([self._output], {self._input: batch})[0])

    def close(self) -> None:
        """See `Adapter.close`."""
        self._session = None


@contextlib.contextmanager
def _loading(source: str) -> Iterator[None]:
    try:
        yield
    except runtime.FOREIGN_ERRORS as error:
        raise SuspectLoadError(
            f"{source!r} is not a readable ONNX model: {_line(error)}"
        ) from error


@contextlib.contextmanager
def _answering() -> Iterator[None]:
    """What is too much for a card's memory at once may fit in smaller batches."""
    try:
        yield
    except runtime.FOREIGN_ERRORS as error:
        kind = BatchError if runtime.is_out_of_memory(error) else QueryError
        raise kind(f"the suspect failed while answering: {_line(error)}") from error


def _line(error: Exception) -> str:
    return one_line(error).removeprefix("[ONNXRuntimeError] : ")


def _input(session: Any, spec: InputSpec, options: Options) -> tuple[str, Arrangement]:
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
    sizes = [size if isinstance(size, int) and size > 0 else None for size in node.shape[1:]]
    shape = tuple(sizes) if node.shape else spec.shape  # no shape at all: it will show when run
    return node.name, arrange(spec, shape, DTYPES[node.type], resize=options.resize)


def _fixed_batch(session: Any) -> int | None:
    [node] = session.get_inputs()
    size = node.shape[0] if node.shape else None
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


def _two_axes(outputs: NDArray[Any]) -> NDArray[Any]:
    """(b, k, 1, 1) -> (b, k); half precision -> single."""
    while outputs.ndim > 2 and outputs.shape[-1] == 1:
        outputs = outputs[..., 0]
    return outputs.astype(np.float32) if outputs.dtype.kind == "f" else outputs
