"""Named tensors of the Open Inference Protocol, and which of a reply's tensors is the answer."""

import math
from collections.abc import Mapping
from typing import NamedTuple, Protocol

import numpy as np

from auditkit.core.access import from_best, squeezed
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
SCORES = ("logit", "prob", "score", "output")
"""Words in the names of outputs that hold scores."""


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
            array = np.asarray(values, DTYPES[datatype]).ravel()
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise ReplyError(f"an output is no {datatype!r:.20} tensor of numbers") from error
    # Checked by hand, since reshape would take a size of -1 and so make up a shape.
    if any(size < 0 for size in sizes) or math.prod(sizes) != array.size:
        raise ReplyError(f"an output of shape {str(sizes)[:60]} has {array.size} numbers")
    return array.reshape(sizes)


def answering_rows(outputs: Mapping[str, Rows], count: int, classes: int | None) -> Rows:
    """Choose the output that holds the answers: a row of scores or a label for each point.

    Args:
        outputs: Arrays by name; those without `count` rows are ignored.
        count: How many points were sent.
        classes: How many classes the owner knows. Scores of so many come before others, and it is
            needed for models that list only the best, as labels beside scores.

    Returns:
        (count, classes) scores, or (count,) labels.

    Raises:
        ReplyError: No output has a row for each point.
    """
    # A model without a batch axis answers the one point that it was asked without one.
    alone = [n for n, array in outputs.items() if count == 1 and array.shape == (classes,)]
    whole = {**outputs, **{name: outputs[name][None] for name in alone}}
    rows = {name: squeezed(array, count) for name, array in whole.items() if len(array) == count}
    scores = [name for name, array in rows.items() if array.dtype.kind == "f" and array.ndim == 2]
    labels = [name for name, array in rows.items() if array.dtype.kind in "iu"]
    # First of all, because the scores of such a list alone would pass for scores of classes 0 to k.
    for label in labels:
        beside = [name for name in scores if rows[name].shape == rows[label].shape]
        if beside and classes is not None:
            return from_best(rows[label], rows[beside[0]], classes)
    # Scores tell more than labels; features are float rows too. As many scores as the owner has
    # classes come before others, and then names that say so.
    scores.sort(key=lambda name: (rows[name].shape[1] != classes, not _is_named(name)))
    for names in (scores, labels):
        if names:
            return rows[names[0]]
    listed = ", ".join(f"{name[:40]} {array.shape}" for name, array in list(outputs.items())[:5])
    raise ReplyError(f"no output has one row of scores, or one label, for each point: {listed}")


def _is_named(name: str) -> bool:
    return any(word in name.lower() for word in SCORES)


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
