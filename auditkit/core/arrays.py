"""Arrays by what they hold."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
DoubleArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
Rows = NDArray[Any]
"""Numbers of any type: what goes to a suspect, or a reply before it is checked."""
DType = np.dtype[Any]

Json = Any
"""A JSON value, of a file or a reply that somebody else wrote."""
JsonObject = dict[str, Any]


def frozen(array: Rows, dtype: type[np.generic]) -> Rows:
    """Return a read-only copy, so that a frozen type stays as it was checked."""
    copy = np.array(array, dtype=dtype, order="C")
    copy.setflags(write=False)
    return copy
