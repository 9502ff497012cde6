"""The Open Inference Protocol v2 over HTTP: JSON, and raw tensors where the server offers them."""

import itertools
import json
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from auditkit.adapters.wire.tensors import DTYPES, Served, Tensor, listed_tensors, tensor
from auditkit.adapters.wire.web import Reply, Web
from auditkit.core.errors import QueryError
from auditkit.core.requests import Reach

LENGTH = "inference-header-content-length"
BINARY = "binary_tensor_data"


class RestWire:
    """One model at `https://host/…/v2/models/NAME[/versions/V]`."""

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
        """See `Wire`; a server that says nothing of its model is asked as the owner is."""
        model = _object(self._web.get(self._model).json())
        self._binary = BINARY in self._extensions()
        versions = model.get("versions")
        listed = ", ".join(map(str, versions[:5])) if isinstance(versions, list) else ""
        inputs, outputs = listed_tensors(model.get("inputs")), listed_tensors(model.get("outputs"))
        return Served(inputs, outputs, listed, str(model.get("platform") or ""))

    def _extensions(self) -> list[Any]:
        try:
            found = _object(self._web.get(self._server).json()).get("extensions")
        except QueryError:
            return []  # only the model's own page is needed
        return found if isinstance(found, list) else []

    def infer(self, asked: Tensor, batch: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """See `Wire`."""
        if self._binary:
            return self._outputs(self._web.post(self._infer, *self._raw(asked, batch)))
        values = batch.astype(np.float64).ravel().tolist() if batch.dtype.kind == "f" else None
        entry = {**_entry(asked, batch), "data": values or batch.ravel().tolist()}
        body = json.dumps({"id": str(next(self._numbers)), "inputs": [entry]}).encode()
        return self._outputs(
            self._web.post(self._infer, body, {"content-type": "application/json"})
        )

    def _raw(self, asked: Tensor, batch: NDArray[Any]) -> tuple[bytes, dict[str, str]]:
        data = np.ascontiguousarray(batch, DTYPES[asked.datatype]).tobytes()
        entry = {**_entry(asked, batch), "parameters": {"binary_data_size": len(data)}}
        wanted = {
            "id": str(next(self._numbers)),
            "inputs": [entry],
            "parameters": {"binary_data_output": True},
        }
        header = json.dumps(wanted).encode()
        kind = {"content-type": "application/octet-stream", LENGTH: str(len(header))}
        return header + data, kind

    def _outputs(self, reply: Reply) -> dict[str, NDArray[Any]]:
        length = reply.headers.get(LENGTH, "")
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
            if entry.get("datatype") in DTYPES:  # texts beside the scores are no answer
                name = str(entry.get("name"))
                outputs[name] = tensor(entry["datatype"], entry.get("shape") or [], values)
        return outputs

    def hide(self, text: str) -> str:
        """See `Wire`."""
        return self._web.secrets.hide(text)

    def close(self) -> None:
        """See `Wire`."""
        self._web.close()


def _entry(asked: Tensor, batch: NDArray[Any]) -> dict[str, Any]:
    return {"name": asked.name, "shape": list(batch.shape), "datatype": asked.datatype}


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise QueryError(f"wanted a JSON object, got {type(value).__name__}")
    return value
