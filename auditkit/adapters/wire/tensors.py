"""Named tensors as the Open Inference Protocol describes them, and which of them is the answer."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from auditkit.core.access import from_best
from auditkit.core.errors import QueryError

DTYPES: dict[str, np.dtype[Any]] = {
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    "UINT8": np.dtype("u1"),
    "INT8": np.dtype("i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
}
LARGEST_REQUEST, MOST = 1 << 20, 32
"""Bytes of numbers, and points, in one request at first."""
SCORES = ("logit", "prob", "score", "output")


class Tensor(NamedTuple):
    """One input or output that a model has."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    """With the batch axis; -1 where any size will do."""


class Served(NamedTuple):
    """What a server says of a model."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    version: str
    platform: str


class Wire(Protocol):
    """One encoding of the protocol."""

    def described(self) -> Served:
        """What the server says of the model."""

    def infer(self, asked: Tensor, batch: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """The outputs to a batch, by name."""

    def hide(self, text: str) -> str:
        """A server's words without secrets."""

    def close(self) -> None:
        """Let go of the connection."""


def tensor(datatype: str, shape: Any, values: Any) -> NDArray[Any]:
    """Raw little-endian bytes, or numbers flat or nested -> an array of that shape.

    Raises:
        QueryError: They don't fit each other.
    """
    try:
        sizes = [int(size) for size in shape]
        if isinstance(values, bytes):
            array: NDArray[Any] = np.frombuffer(values, DTYPES[datatype])
        else:
            array = np.asarray(values, DTYPES[datatype]).ravel()
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise QueryError(f"an output is no {datatype!r:.20} tensor of numbers") from error
    if any(size < 0 for size in sizes) or math.prod(sizes) != array.size:
        raise QueryError(f"an output of shape {str(sizes)[:60]} has {array.size} numbers")
    return array.reshape(sizes)


def answer(outputs: Mapping[str, NDArray[Any]], count: int, classes: int | None) -> NDArray[Any]:
    """The output that answers: scores before labels; the best few as labels and scores beside.

    Args:
        outputs: By name.
        count: How many points were asked.
        classes: How many the owner knows; needed where only the best are listed.

    Raises:
        QueryError: No output has a row for each point.
    """
    rows = {name: _flat(array) for name, array in outputs.items() if len(array) == count}
    scores = [name for name, array in rows.items() if array.dtype.kind == "f" and array.ndim == 2]
    labels = [name for name, array in rows.items() if array.dtype.kind in "iu"]
    for label in labels:
        beside = [name for name in scores if rows[name].shape == rows[label].shape]
        if beside and classes is not None:
            return from_best(rows[label], rows[beside[0]], classes)
    named = [name for name in scores if any(word in name.lower() for word in SCORES)]
    for names in (named, scores, labels):
        if names:
            return rows[names[0]]
    listed = ", ".join(f"{name[:40]} {array.shape}" for name, array in list(outputs.items())[:5])
    raise QueryError(f"no output has one row of scores, or one label, for each point: {listed}")


def _flat(array: NDArray[Any]) -> NDArray[Any]:
    """Without axes of size 1 behind the second."""
    while array.ndim > 2 and array.shape[-1] == 1:
        array = array[..., 0]
    return array


def listed_tensors(found: Any) -> tuple[Tensor, ...]:
    """Tensors as JSON lists them; what is unreadable is left out."""
    listed: Sequence[Any] = found if isinstance(found, list) else []
    return tuple(
        Tensor(port["name"], str(port.get("datatype", "FP32")), tuple(_sizes(port.get("shape"))))
        for port in listed
        if isinstance(port, dict) and isinstance(port.get("name"), str)
    )


def _sizes(shape: Any) -> list[int]:
    sizes = shape if isinstance(shape, list) else []
    return [int(size) if str(size).lstrip("-").isdigit() else -1 for size in sizes]
