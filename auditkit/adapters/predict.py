"""Models behind `https://…/NAME:predict`: TensorFlow Serving, KServe's first protocol.

Rows go as `{"instances": …}`; the layout comes from `…/metadata` where the server has it, else it
is the owner's.
"""

import json
from urllib.parse import urlsplit

import numpy as np

from auditkit.adapters.base import CONCURRENT, Kind, Port, Shape
from auditkit.adapters.wire.tensors import LARGEST_REQUEST, MOST
from auditkit.adapters.wire.tensors import answer as answer_among
from auditkit.core.arrays import Json, Rows
from auditkit.core.errors import QueryError
from auditkit.core.requests import Options

__all__ = ["predict"]


class PredictAdapter:
    """Asks in rows; the reply's `predictions` are rows of scores, labels, or named ones of each."""

    def __init__(self, source: str, options: Options) -> None:
        from auditkit.adapters.wire.web import Web  # its HTTP client takes long to load

        self._web = Web(source, options.reach)
        self._url, self._classes = source, options.classes
        self.runtime = {"protocol": "predict"}
        try:
            shape = self._declared()
        except Exception:
            self._web.close()
            raise
        self.port = Port(
            source,
            shape=shape,
            at_once=MOST,
            largest_request=LARGEST_REQUEST,
            concurrency=CONCURRENT,
        )

    def _declared(self) -> Shape | None:
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
        return tuple(size if size > 0 else None for size in sizes[1:]) or None

    def answer(self, batch: Rows) -> Rows:
        """See `Adapter.answer`."""
        body = json.dumps({"instances": batch.astype(np.float64).tolist()}).encode()
        reply = self._web.post(self._url, body, {"content-type": "application/json"}).json()
        if not isinstance(reply, dict) or not isinstance(reply.get("predictions"), list):
            raise QueryError("the reply has no list of 'predictions'")
        return answer_among(_columns(reply["predictions"]), len(batch), self._classes)

    def close(self) -> None:
        """See `Adapter.close`."""
        self._web.close()


def _columns(rows: list[Json]) -> dict[str, Rows]:
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


predict = Kind(PredictAdapter, addresses=(r"https?://.+:predict(\?|$)",), remote=True)
