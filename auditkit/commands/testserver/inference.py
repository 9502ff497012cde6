"""Inference requests of the Open Inference Protocol, as the test server reads them.

Requests are checked as strictly as a real server does, so that a client that would fail there fails
here.
"""

import json
from dataclasses import dataclass

from auditkit.adapters.wire.tensors import tensor
from auditkit.commands.testserver.model import Model, WrongError
from auditkit.core.arrays import Rows
from auditkit.core.errors import QueryError


@dataclass(frozen=True, slots=True, eq=False)
class InferenceRequest:
    """A request that was read and fits the model."""

    number: str | None
    """The client's id of the request, which the answer repeats; None if it has none."""
    batch: Rows
    """(b, …) array of the model's number type."""
    binary: bool
    """Whether the client wants the outputs as raw bytes."""


def read_request(
    header: bytes, raw: bytes, model: Model, max_batch: int | None
) -> InferenceRequest:
    """Read the body of a request.

    Args:
        header: JSON part of the body.
        raw: Tensor bytes behind it; empty if the JSON holds the numbers.
        model: The model that is asked.
        max_batch: Largest number of points; None for no limit.

    Raises:
        WrongError: The body is malformed, or does not fit the model.
    """
    try:
        found = json.loads(header)
        [entry] = found["inputs"]
        # Exactly one input was unpacked; a ValueError otherwise.
        size = (entry.get("parameters") or {}).get("binary_data_size")
        values = entry["data"] if size is None else raw[: int(size)]
        name, datatype, shape = entry["name"], entry["datatype"], entry["shape"]
        # The protocol's extension lets a client ask for raw outputs as a whole or for each output.
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
    _check(batch, model, max_batch)
    number = found.get("id")
    return InferenceRequest(number if isinstance(number, str) else None, batch, binary)


def _check(batch: Rows, model: Model, max_batch: int | None) -> None:
    if batch.ndim != len(model.shape) or not len(batch):
        raise WrongError(400, f"wanted shape {model.shape}, got {list(batch.shape)}")
    if max_batch is not None and len(batch) > max_batch:
        raise WrongError(400, f"batch of {len(batch)}; at most {max_batch} are taken")
