"""Named tensors of the Open Inference Protocol."""

import math
from typing import NamedTuple, Protocol

import numpy as np

from auditkit.core.arrays import DType, Json, Rows
from auditkit.core.errors import ReplyError

# Little-endian on every machine, since the protocol's raw tensors are. BF16 and BYTES are missing:
# numpy has no bfloat16, and text is no input that points could take.
DTYPES: dict[str, DType] = {
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
# Guesses that were not measured. Servers don't tell their limits; what is too large is answered
# with 400, 413 or 422 and sent again in halves, which costs the budget of the refused points.
FIRST_BYTES, FIRST_POINTS = 1 << 20, 32
"""Limits of a remote suspect's first requests: bytes of numbers, and points."""


class Tensor(NamedTuple):
    """Metadata of one input or output of a model."""

    name: str
    datatype: str
    """The protocol's name of the number type, a key of `DTYPES` if auditkit can use it."""
    shape: tuple[int, ...]
    """With the batch axis; -1 for an axis of any size, empty if the server does not tell."""


class Served(NamedTuple):
    """Metadata of a model, as its server tells it."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    version: str
    platform: str


class Wire(Protocol):
    """A connection to one model: the protocol over HTTP or gRPC."""

    def described(self) -> Served:
        """Ask the server for the model's metadata."""

    def infer(self, asked: Tensor, batch: Rows) -> dict[str, Rows]:
        """Send a batch as the input `asked` and return the model's outputs by name.

        Args:
            asked: Name and number type to send.
            batch: (b, …) array in the shape that the model takes.
        """

    def hide(self, text: str) -> str:
        """Remove secrets of the request from a text that the server wrote."""

    def close(self) -> None:
        """Close the connection."""


def tensor(datatype: str, shape: Json, values: Json) -> Rows:
    """Decode one tensor of a message, none of whose parts is trusted.

    Args:
        datatype: A key of `DTYPES`, else refused.
        shape: The tensor's sizes.
        values: Raw little-endian bytes, or numbers in a flat or nested list.

    Raises:
        ReplyError: Type, shape and values contradict each other.
    """
    try:
        sizes = [int(size) for size in shape]
        if isinstance(values, bytes):
            array: Rows = np.frombuffer(values, DTYPES[datatype])
        else:
            with np.errstate(over="ignore"):  # infinite then, which is no usable answer
                array = np.asarray(values, DTYPES[datatype]).ravel()
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise ReplyError(f"an output is no {datatype!r:.20} tensor of numbers") from error
    # Checked by hand, since reshape would take a size of -1 and so make up a shape.
    if any(size < 0 for size in sizes) or math.prod(sizes) != array.size:
        raise ReplyError(f"an output of shape {str(sizes)[:60]} has {array.size} numbers")
    return array.reshape(sizes)


def listed_tensors(found: Json) -> tuple[Tensor, ...]:
    """Metadata of tensors as JSON lists them; unreadable entries are left out."""
    listed: list[Json] = found if isinstance(found, list) else []
    return tuple(
        Tensor(port["name"], str(port.get("datatype", "FP32")), tuple(_sizes(port.get("shape"))))
        for port in listed
        if isinstance(port, dict) and isinstance(port.get("name"), str)
    )


def _sizes(shape: Json) -> list[int]:
    # Sizes may be texts, since protobuf's JSON mapping writes 64-bit integers so. Whatever is no
    # number counts as any size.
    sizes = shape if isinstance(shape, list) else []
    return [int(size) if str(size).lstrip("-").isdigit() else -1 for size in sizes]
