"""The Open Inference Protocol v2 over HTTP, with raw tensors if the server offers them."""

import itertools
import json
from dataclasses import dataclass
from urllib.parse import urlsplit

import numpy as np

from auditkit.adapters.wire.tensors import DTYPES, Served, Tensor, listed_tensors, tensor
from auditkit.adapters.wire.web import Reply, Web
from auditkit.core.arrays import Json, JsonObject, Rows
from auditkit.core.errors import QueryError, ReplyError
from auditkit.core.requests import Reach

LENGTH = "inference-header-content-length"
"""Header with the length of the JSON that precedes the raw tensors in a body."""
BINARY = "binary_tensor_data"
"""Name of the protocol's extension for raw tensors."""


@dataclass(frozen=True, slots=True)
class _Request:
    """Body and headers of one HTTP request."""

    body: bytes
    headers: dict[str, str]


class RestWire:
    """An HTTP connection to a model at `https://host/…/v2/models/NAME[/versions/V]`; see `Wire`."""

    def __init__(self, url: str, reach: Reach) -> None:
        parts = urlsplit(url)
        path = parts.path.rstrip("/").removesuffix("/infer")
        self._model = parts._replace(path=path).geturl()
        self._infer = parts._replace(path=f"{path}/infer").geturl()
        root = path.rpartition("/v2/models/")[0]
        self._server = parts._replace(path=f"{root}/v2").geturl()
        self._web = Web(url, reach)
        self._numbers = itertools.count(1)
        self._binary = False

    def described(self) -> Served:
        """See `Wire`. Inputs and outputs are empty if the server declares none."""
        model = _object(self._web.get(self._model).json())
        self._binary = BINARY in self._extensions()
        versions = model.get("versions")
        listed = ", ".join(map(str, versions[:5])) if isinstance(versions, list) else ""
        inputs, outputs = listed_tensors(model.get("inputs")), listed_tensors(model.get("outputs"))
        return Served(inputs, outputs, listed, str(model.get("platform") or ""))

    def _extensions(self) -> list[Json]:
        """Names of the protocol's extensions that the server supports."""
        try:
            found = _object(self._web.get(self._server).json()).get("extensions")
        except QueryError:
            return []  # behind a gateway, often only the model's own page can be reached
        return found if isinstance(found, list) else []

    def infer(self, asked: Tensor, batch: Rows) -> dict[str, Rows]:
        """See `Wire`."""
        request = self._raw(asked, batch) if self._binary else self._json(asked, batch)
        return self._outputs(self._web.post(self._infer, request.body, request.headers))

    def _json(self, asked: Tensor, batch: Rows) -> _Request:
        # The protocol also allows nested lists, which are longer and slower to read.
        entry = {**_entry(asked, batch), "data": batch.ravel().tolist()}
        body = json.dumps({"id": str(next(self._numbers)), "inputs": [entry]}).encode()
        return _Request(body, {"content-type": "application/json"})

    def _raw(self, asked: Tensor, batch: Rows) -> _Request:
        data = np.ascontiguousarray(batch, DTYPES[asked.datatype]).tobytes()
        entry = {**_entry(asked, batch), "parameters": {"binary_data_size": len(data)}}
        wanted = {
            "id": str(next(self._numbers)),
            "inputs": [entry],
            "parameters": {"binary_data_output": True},
        }
        header = json.dumps(wanted).encode()
        kind = {"content-type": "application/octet-stream", LENGTH: str(len(header))}
        return _Request(header + data, kind)

    def _outputs(self, reply: Reply) -> dict[str, Rows]:
        """Decode a reply, as JSON or as JSON followed by raw tensors; nothing in it is trusted."""
        length = reply.headers.get(LENGTH, "")
        # int() raises for more than 4,300 digits, and nothing that is read is as long.
        size = int(length) if length.isdecimal() and len(length) < 12 else len(reply.body)
        found = _object(Reply(reply.headers, reply.body[:size]).json())
        rest, outputs = memoryview(reply.body)[size:], {}
        listed = found.get("outputs")
        for output in listed if isinstance(listed, list) else []:
            entry = _object(output)
            values = entry.get("data")
            raw = _object(entry.get("parameters") or {}).get("binary_data_size")
            if isinstance(raw, int) and 0 <= raw <= len(rest):
                values, rest = bytes(rest[:raw]), rest[raw:]
            datatype = str(entry.get("datatype"))
            if datatype in DTYPES:  # class names as texts are no scores
                name = str(entry.get("name"))
                outputs[name] = tensor(datatype, entry.get("shape") or [], values)
        return outputs

    def hide(self, text: str) -> str:
        """See `Wire`."""
        return self._web.secrets.hide(text)

    def close(self) -> None:
        """See `Wire`."""
        self._web.close()


def _entry(asked: Tensor, batch: Rows) -> JsonObject:
    return {"name": asked.name, "shape": list(batch.shape), "datatype": asked.datatype}


def _object(value: Json) -> JsonObject:
    if not isinstance(value, dict):
        raise ReplyError(f"wanted a JSON object, got {type(value).__name__}")
    return value
