"""An inference request of the Open Inference Protocol, read with suspicion."""

import json
from typing import Any, NamedTuple

from numpy.typing import NDArray

from auditkit.adapters.wire.tensors import tensor
from auditkit.core.errors import QueryError
from auditkit.testserver.model import Model, WrongError


class Question(NamedTuple):
    """What an inference request asks."""

    number: str | None
    batch: NDArray[Any]
    binary: bool
    """Whether the outputs are wanted raw."""


def read(header: bytes, raw: bytes, model: Model, most: int | None) -> Question:
    """A request's parts -> what it asks.

    Raises:
        WrongError: It is malformed, or asks for something else.
    """
    try:
        found = json.loads(header)
        [entry] = found["inputs"]
        size = (entry.get("parameters") or {}).get("binary_data_size")
        values = entry["data"] if size is None else raw[: int(size)]
        name, datatype, shape = entry["name"], entry["datatype"], entry["shape"]
        wanted = found.get("parameters") or {}
        binary = bool(wanted.get("binary_data_output")) or any(
            (output.get("parameters") or {}).get("binary_data")
            for output in found.get("outputs") or []
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise WrongError(400, "failed to parse the request") from error
    if (name, datatype) != (model.input.name, model.datatype):
        raise WrongError(400, f"wanted input {model.input.name!r} of {model.datatype}")
    try:
        batch = tensor(datatype, shape, values)
    except QueryError as error:
        raise WrongError(400, str(error)) from error
    if batch.ndim != len(model.shape) or not len(batch):
        raise WrongError(400, f"wanted shape {model.shape}, got {list(batch.shape)}")
    if most is not None and len(batch) > most:
        raise WrongError(400, f"batch of {len(batch)}; at most {most} are taken")
    number = found.get("id")
    return Question(number if isinstance(number, str) else None, batch, binary)
