"""ONNX files, run by onnxruntime on CUDA if it works on this machine, else on the CPU.

Torch is not imported: an auditor of ONNX files need not install it. The package onnx is loaded only
where the weights are looked at.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from auditkit.adapters.base import Axes, Kind, Object, Outputs, Port, read_file
from auditkit.adapters.reasons import FLOAT32_WANTED, reason
from auditkit.core.arrays import DType, Rows
from auditkit.core.errors import (
    QueryError,
    SuspectError,
    SuspectLoadError,
    SuspectMismatchError,
)
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


class SessionAdapter:
    """An open onnxruntime session, whoever opened it."""

    def __init__(
        self,
        session: "ort.InferenceSession",
        identity: str,
        digest: str | None,
        runtime: Mapping[str, str],
    ) -> None:
        self._session: ort.InferenceSession | None = session
        self._input = _input(session)
        self._name = str(self._input.name)  # read here, since it may be no UTF-8
        self._outputs = [str(node.name) for node in session.get_outputs()]
        self.runtime = runtime
        axes = _axes(self._input.shape)
        self.port = Port(
            identity,
            digest,
            None if axes is None else axes.shape,
            DTYPES[self._input.type],
            batch=None if axes is None else axes.batch,
            batch_axis=0 if axes is None else axes.batch_axis,
            local=True,
        )

    def answer(self, batch: Rows) -> Outputs:
        """See `Adapter.answer`."""
        if self._session is None:
            raise QueryError("the suspect was closed")
        try:
            found = self._session.run(self._outputs, {self._name: batch})
        except Exception as error:
            raise QueryError(f"the suspect failed while answering: {reason(error)}") from error
        named = [_named(*one) for one in zip(self._outputs, found, strict=True)]
        return {name: array for one in named for name, array in one.items()}

    def close(self) -> None:
        """See `Adapter.close`."""
        self._session = None


class OnnxAdapter(SessionAdapter):
    """An onnxruntime session of the file's bytes as they were hashed."""

    def __init__(self, source: str, options: Options) -> None:
        from auditkit.adapters import onnx_external, runtime  # onnxruntime takes long to load

        # The file is read once: if it were opened by its path, another process could exchange it
        # after it was hashed, and another model would answer under the recorded digest.
        model = onnx_external.whole(source, read_file(source))
        # Kept as long as the session, which uses these weights where they lie.
        self._beside = runtime.values(model.beside)
        try:
            session = runtime.opened(model.data, options.device, self._beside, options.threads)
            told = runtime.described(session, options.device)
            super().__init__(session, model.digest, model.digest, told)
        except SuspectError:
            raise
        # onnxruntime has no common base class of its errors, and names that are no UTF-8 raise
        # UnicodeDecodeError when they are read.
        except Exception as error:
            raise SuspectLoadError(
                f"{source!r} is not a readable ONNX model: {reason(error)}"
            ) from error
        # For the weights, which onnxruntime neither hands out nor, where they are large, copies.
        self._model: onnx_external.Model | None = model

    def weights(self) -> tuple[Layer, ...]:
        """See `HasWeights.weights`."""
        from auditkit.adapters import onnx_weights

        if self._model is None:
            return ()
        return onnx_weights.read(self._model.data, self._model.beside)

    def close(self) -> None:
        """See `Adapter.close`."""
        super().close()
        self._model, self._beside = None, {}


def _input(session: "ort.InferenceSession") -> "ort.NodeArg":
    inputs = session.get_inputs()
    if len(inputs) != 1:
        listed = ", ".join(repr(node.name) for node in inputs)
        raise SuspectMismatchError(
            f"the suspect takes {len(inputs)} inputs ({listed}), auditkit asks with one tensor"
        )
    [node] = inputs
    if node.type == "tensor(bfloat16)":
        raise SuspectMismatchError(
            "the suspect takes bfloat16 numbers, wanted float32, float16, double or whole numbers; "
            f"{FLOAT32_WANTED}"
        )
    if node.type not in DTYPES:
        kind = "text" if node.type == "tensor(string)" else node.type
        raise SuspectMismatchError(
            f"the suspect takes {kind} as input, the points are numbers; export it with a tensor "
            "of floats or pixels as its input"
        )
    return node


def _axes(sizes: Sequence[int | str | None]) -> Axes | None:
    """The axes of the input; None if the file declares no shape at all."""
    # Such a file is asked in the owner's shape, and refuses it when it runs if that is wrong.
    if not sizes:
        return None
    # Axes of any size have a name or None, and exporters write 0 or -1 for them too.
    return Axes.of([s if isinstance(s, int) and s > 0 else None for s in sizes])


def _named(name: str, found: Any) -> dict[str, Rows]:
    """Return one output as arrays by name; none if it is text or no array."""
    # What converters of scikit-learn call ZipMap is one dict from classes to scores a point.
    if isinstance(found, list) and found and isinstance(found[0], dict):
        keys = [*found[0]]
        are_numbers = all(isinstance(key, int) for key in keys)
        rows = [
            [row.get(key, np.nan) for key in (sorted(keys) if are_numbers else keys)]
            for row in found
        ]
        return {name: np.array(rows, np.float32)}
    array = np.asarray(found) if isinstance(found, np.ndarray) else None
    return {} if array is None or array.dtype.kind not in "iufb" else {name: array}


def _prepare(_source: str) -> None:
    from auditkit.adapters import onnx_external, onnx_weights, runtime  # noqa: F401

    runtime.empty_folder()
    runtime.why_no_cuda()  # its libraries are loaded once, and not by each worker


def _prepare_many() -> None:
    from auditkit.adapters import onnx_weights

    onnx_weights.prepare()


def _takes(given: Object) -> bool:
    # Whoever holds a session has loaded onnxruntime, so it is not imported for that.
    loaded = sys.modules.get("onnxruntime")
    return loaded is not None and isinstance(given, loaded.InferenceSession)


def _held(session: Object, name: str) -> SessionAdapter:
    import onnxruntime

    # A session does not tell the bytes that it was made from.
    told = {"onnxruntime": str(onnxruntime.__version__), "provider": session.get_providers()[0]}
    return SessionAdapter(session, f"session:{name}", None, told)


onnx = Kind(
    OnnxAdapter,
    suffixes=(".onnx",),
    prepare=_prepare,
    prepare_many=_prepare_many,
    reads_beside=True,
    same_for_all=True,
    takes=_takes,
    hold=_held,
)
