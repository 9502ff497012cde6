"""The ONNX classifier that the test server runs, and the errors that its clients get."""

from pathlib import Path

import numpy as np
import onnxruntime as ort

from auditkit.adapters.base import read_file
from auditkit.adapters.wire.tensors import DTYPES
from auditkit.core.arrays import FloatArray, Rows
from auditkit.core.errors import SuspectLoadError
from auditkit.core.escape import first_line

TYPES = {
    "tensor(float)": "FP32",
    "tensor(float16)": "FP16",
    "tensor(double)": "FP64",
    **{
        f"tensor({kind})": kind.upper()
        for kind in ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64")
    },
}
"""onnxruntime's names of number types, and the protocol's."""
NAMES = {dtype: name for name, dtype in DTYPES.items()}


class WrongError(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers


class Model:
    """One ONNX file; several threads may ask it at once."""

    def __init__(self, path: Path) -> None:
        options = ort.SessionOptions()
        # The server answers each request in a thread of its own. One thread each for the operators
        # keeps these from competing for the cores.
        options.intra_op_num_threads, options.log_severity_level = 1, 4
        try:
            self._session = ort.InferenceSession(
                read_file(str(path)), options, providers=["CPUExecutionProvider"]
            )
        except SuspectLoadError:
            raise
        except Exception as error:  # onnxruntime's errors have no common base class
            raise SuspectLoadError(f"{str(path)!r}: {first_line(error)}") from error
        self.input, *others = self._session.get_inputs()
        if others or self.input.type not in TYPES:
            raise SuspectLoadError(f"{str(path)!r} takes other inputs than one tensor of numbers")
        self._names = [str(output.name) for output in self._session.get_outputs()]
        self.datatype = TYPES[self.input.type]
        sizes = [size if isinstance(size, int) else -1 for size in self.input.shape]
        self.shape = sizes

    def outputs(self, batch: Rows) -> dict[str, Rows]:
        """Run the model.

        Args:
            batch: (b, …) array of the model's number type.

        Returns:
            All outputs by name, as the model gives them; the only one is called `scores`.

        Raises:
            WrongError: The model does not take this batch.
        """
        try:
            found = self._session.run(self._names, {self.input.name: batch})
        except Exception as error:  # the batch is a client's
            raise WrongError(400, first_line(error)) from error
        names = self._names if len(found) > 1 else ["scores"]
        return {name: np.asarray(array) for name, array in zip(names, found, strict=True)}

    def scores(self, batch: Rows) -> FloatArray:
        """Run the model, and return (b, classes) float32, its first output; see `outputs`."""
        first = next(iter(self.outputs(batch).values()))
        rows: FloatArray = first.astype(np.float32)
        return rows.reshape(len(batch), -1)


def datatype(rows: Rows) -> str:
    """The protocol's name of an output's number type."""
    return NAMES[rows.dtype.newbyteorder("<")]
