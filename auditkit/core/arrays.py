"""Arrays by what they hold."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]


IntArray = NDArray[np.int64]


BoolArray = NDArray[np.bool_]


def frozen(array: NDArray[Any], dtype: type[np.generic]) -> NDArray[Any]:
    """A read-only copy, so that a frozen type stays as it was checked."""
    copy = np.array(array, dtype=dtype, order="C")
    copy.setflags(write=False)
    return copy
