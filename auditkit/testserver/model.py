"""An ONNX classifier that can be served, and the errors that its clients get."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from auditkit.adapters.base import read_file
from auditkit.core.errors import SuspectLoadError
from auditkit.core.escape import first_line

TYPES = {"tensor(float)": "FP32", "tensor(float16)": "FP16", "tensor(double)": "FP64",
         "tensor(uint8)": "UINT8"}  # fmt: skip


class WrongError(Exception):
    """A request that gets an error instead of answers."""

    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers


class Model:
    """One ONNX file, able to answer several threads."""

    def __init__(self, path: Path) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = 1, 4
        try:
            self._session = ort.InferenceSession(
                read_file(str(path)), options, providers=["CPUExecutionProvider"]
            )
        except SuspectLoadError:
            raise
        except Exception as error:  # onnxruntime raises many kinds
            raise SuspectLoadError(f"{str(path)!r}: {first_line(error)}") from error
        self.input, *others = self._session.get_inputs()
        if others or self.input.type not in TYPES:
            raise SuspectLoadError(f"{str(path)!r} takes other inputs than one tensor of numbers")
        self.datatype = TYPES[self.input.type]
        sizes = [size if isinstance(size, int) else -1 for size in self.input.shape]
        self.shape = sizes

    def scores(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """One row for each point.

        Raises:
            WrongError: The model does not take this batch.
        """
        try:
            [first, *_] = self._session.run(None, {self.input.name: batch})
        except Exception as error:  # onnxruntime raises many kinds
            raise WrongError(400, first_line(error)) from error
        rows: NDArray[np.float32] = np.asarray(first, np.float32)
        return rows.reshape(len(batch), -1)


def datatype(rows: NDArray[Any]) -> str:
    """The protocol's word for them."""
    return "FP32" if rows.dtype.kind == "f" else "INT64"
