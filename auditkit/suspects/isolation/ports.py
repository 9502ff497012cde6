"""What a suspect takes, on its way from a worker to the auditor."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from auditkit.adapters.base import Port, Values
from auditkit.core.arrays import JsonObject

LONGEST_NAME = 256
LARGEST = 1 << 62
"""Largest size that is read; whoever makes a batch looks whether there is memory for it."""
MOST_LANES, MOST_AXES = 64, 64


def described(port: Port) -> JsonObject:
    """Return a port as JSON."""
    return {
        "identity": port.identity,
        "digest": port.digest,
        "shape": None if port.shape is None else list(port.shape),
        "dtype": None if port.dtype is None else port.dtype.str,
        "values": str(port.values),
        "channels_last": port.channels_last,
        "fits_any_size": port.fits_any_size,
        "batch": port.batch,
        "batch_axis": port.batch_axis,
        "at_once": port.at_once,
        "local": port.local,
        "concurrency": port.concurrency,
        "answers": port.answers,
    }


def read(told: Mapping[str, Any]) -> Port:
    """Return the port that JSON describes.

    Raises:
        KeyError, TypeError, ValueError: It describes none, or one that no batch can be made for.
    """
    dtype = None if told["dtype"] is None else np.dtype(told["dtype"])
    if dtype is not None and dtype.kind not in "biuf":
        raise ValueError(f"inputs of {dtype}")
    shape = None if told["shape"] is None else tuple(_size(n, LARGEST) for n in told["shape"])
    return Port(
        identity=str(told["identity"])[:LONGEST_NAME],
        digest=None if told["digest"] is None else str(told["digest"])[:LONGEST_NAME],
        shape=shape,
        dtype=dtype,
        values=Values(told["values"]),
        channels_last=told["channels_last"] is True,
        fits_any_size=told["fits_any_size"] is True,
        batch=_size(told["batch"], LARGEST),
        batch_axis=_size(told["batch_axis"], MOST_AXES) or 0,
        at_once=_size(told["at_once"], LARGEST) or 1,
        local=told["local"] is True,
        concurrency=_size(told["concurrency"], MOST_LANES) or 1,
        answers=told["answers"] is not False,
    )


def texts(told: Mapping[str, Any]) -> dict[str, str]:
    """Return facts for the report, none of them long."""
    return {str(name)[:LONGEST_NAME]: str(text)[:LONGEST_NAME] for name, text in told.items()}


def _size(told: Any, most: int) -> int | None:
    if told is None:
        return None
    if type(told) is not int or not 0 <= told <= most:
        raise ValueError(f"a size of {told!r}")
    return told
