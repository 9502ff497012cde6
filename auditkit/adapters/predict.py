"""Models behind `https://…/NAME:predict`: TensorFlow Serving, KServe's first protocol.

Rows go as `{"instances": …}`; the layout comes from `…/metadata` where the server has it, else it
is the owner's.
"""

import json
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from auditkit.adapters.base import LANES
from auditkit.adapters.wire.tensors import answer, points_at_once
from auditkit.adapters.wire.web import Web
from auditkit.core.arrays import FloatArray
from auditkit.core.errors import QueryError
from auditkit.core.points import InputSpec
from auditkit.core.requests import Options
from auditkit.suspects.arrangement import Arrangement, arrange

__all__ = ["PredictAdapter"]


class PredictAdapter:
    """Asks in rows; the reply's `predictions` are rows of scores, labels, or named ones of each."""

    def __init__(self, source: str, spec: InputSpec, options: Options) -> None:
        self._web = Web(source, options.reach)
        self._url, self._classes = source, options.classes
        self.digest: str | None = None
        self.identity = source
        self.runtime = {"protocol": "predict"}
        try:
            self._arrangement = self._arranged(spec, options)
        except Exception:
            self._web.close()
            raise
        self.batch, self.lanes = points_at_once(spec.shape), LANES

    def _arranged(self, spec: InputSpec, options: Options) -> Arrangement:
        shape = self._declared() or spec.shape
        return arrange(spec, shape, np.dtype(np.float32), resize=options.resize)

    def _declared(self) -> tuple[int | None, ...] | None:
        """The only input's shape as the server's metadata has it."""
        parts = urlsplit(self._url)
        page = parts._replace(path=parts.path.removesuffix(":predict") + "/metadata").geturl()
        try:
            found = self._web.get(page).json()
            signatures = found["metadata"]["signature_def"]["signature_def"]
            [port] = signatures["serving_default"]["inputs"].values()
            sizes = [int(axis["size"]) for axis in port["tensor_shape"]["dim"]]
        except (QueryError, KeyError, TypeError, ValueError, AttributeError):
            return None  # only TensorFlow Serving has such a page
        return tuple(size if size > 0 else None for size in sizes[1:])

    def answer(self, points: FloatArray) -> NDArray[Any]:
        """See `Adapter.answer`."""
        rows = self._arrangement(points).astype(np.float64).tolist()
        body = json.dumps({"instances": rows}).encode()
        reply = self._web.post(self._url, body, {"content-type": "application/json"}).json()
        if not isinstance(reply, dict) or not isinstance(reply.get("predictions"), list):
            raise QueryError("the reply has no list of 'predictions'")
        return answer(_columns(reply["predictions"]), len(points), self._classes)

    def close(self) -> None:
        """See `Adapter.close`."""
        self._web.close()


def _columns(rows: list[Any]) -> dict[str, NDArray[Any]]:
    """Predictions as named arrays: one for each key that all rows have, or one in all."""
    named = all(isinstance(row, dict) for row in rows) and bool(rows)
    keys = [key for key in rows[0] if all(key in row for row in rows)] if named else []
    columns = {str(key): [row[key] for row in rows] for key in keys} if named else {"scores": rows}
    found = {}
    for name, values in columns.items():
        try:
            array = np.asarray(values)
        except ValueError:
            continue  # rows of different lengths are no answer
        if array.dtype.kind in "iuf":
            found[name] = array
    return found
