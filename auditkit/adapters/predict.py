"""Models behind `https://…/NAME:predict`: TensorFlow Serving and KServe's version 1 protocol.

Points are sent as `{"instances": …}`. Their layout is read from `…/metadata`, which only TensorFlow
Serving has; without it, points are sent as the owner's model takes them.
"""

import json
from urllib.parse import urlsplit

import numpy as np

from auditkit.adapters.base import CONCURRENT, Kind, Outputs, Port, Shape
from auditkit.adapters.wire.replies import excerpt, unpacked
from auditkit.adapters.wire.tensors import FIRST_BYTES, FIRST_POINTS
from auditkit.core.arrays import Json, Rows
from auditkit.core.errors import QueryError, ReplyError
from auditkit.core.requests import Options

__all__ = ["predict"]


class PredictAdapter:
    """Sends points as JSON rows; reads `predictions`: scores, labels, or objects of both."""

    def __init__(self, source: str, options: Options) -> None:
        from auditkit.adapters.wire.web import Web  # its HTTP client takes long to load

        self._web = Web(source, options.reach)
        self._url = source
        self.runtime = {"protocol": "predict"}
        try:
            shape = self._declared()
        except Exception:
            # Without an adapter there is no one else to close the connection.
            self._web.close()
            raise
        self.port = Port(
            source,
            shape=shape,
            at_once=FIRST_POINTS,
            largest_request=FIRST_BYTES,
            concurrency=CONCURRENT,
        )

    def _declared(self) -> Shape | None:
        """Shape of the model's only input by the server's metadata; None if there is none."""
        parts = urlsplit(self._url)
        page = parts._replace(path=parts.path.removesuffix(":predict") + "/metadata").geturl()
        try:
            found = self._web.get(page).json()
            signatures = found["metadata"]["signature_def"]["signature_def"]
            [port] = signatures["serving_default"]["inputs"].values()
            sizes = [int(axis["size"]) for axis in port["tensor_shape"]["dim"]]
        except (QueryError, KeyError, TypeError, ValueError, AttributeError):
            # KServe has no such page, and a model of several inputs fits no `Port`. The owner's
            # shape is tried then; a model that takes another one says so when it is queried.
            return None
        # TensorFlow writes -1 for an axis of any size; the first axis is the batch.
        return tuple(size if size > 0 else None for size in sizes[1:]) or None

    def answer(self, batch: Rows) -> Outputs:
        """See `Adapter.answer`."""
        body = json.dumps({"instances": batch.tolist()}).encode()
        found = self._web.post(self._url, body, {"content-type": "application/json"}).json()
        reply = unpacked(found)
        if not isinstance(reply, dict) or not isinstance(reply.get("predictions"), list):
            raise ReplyError(f"the reply has no list of 'predictions': {excerpt(reply)}")
        return _columns(reply["predictions"])

    def close(self) -> None:
        """See `Adapter.close`."""
        self._web.close()


def _columns(rows: list[Json]) -> dict[str, Rows]:
    """Predictions as arrays by name: one for each key that all rows share, else `scores` alone.

    Raises:
        ReplyError: They tell classes by name, whose order in the owner nobody knows here.
    """
    named = all(isinstance(row, dict) for row in rows) and bool(rows)
    keys = [key for key in rows[0] if all(key in row for row in rows)] if named else []
    columns = {str(key): [row[key] for row in rows] for key in keys} if named else {"scores": rows}
    read = {name: _array(values) for name, values in columns.items()}
    found = {name: array for name, array in read.items() if array.dtype.kind in "iuf"}
    texts = {array.shape: array for array in read.values() if array.dtype.kind == "U"}
    # Scores beside as many names are sorted, mostly, and not those of classes 0, 1, 2, …
    beside = any(array.ndim == 2 and array.shape in texts for array in found.values())
    by_number = any(array.ndim == 2 or array.dtype.kind in "iu" for array in found.values())
    if texts and (beside or not by_number):
        word = str(next(iter(texts.values())).ravel()[0])
        raise ReplyError(
            f"classes are told by name ({word[:40]!r}); describe the API in a file.toml with their "
            "names in the owner's order (auditkit probe URL -o api.toml)",
            final=True,
        )
    return found


def _array(values: list[Json]) -> Rows:
    """A column as numbers, also if they are written as texts, or as texts; empty if neither."""
    try:
        array = np.asarray(values)
        if array.dtype.kind == "U" and array.size and np.char.isdecimal(array).all():
            return array.astype(np.int64)
    except (ValueError, OverflowError):
        return np.empty(0)  # rows of different lengths; another key may hold the answers
    return array


predict = Kind(PredictAdapter, addresses=(r"https?://.+:predict(\?|$)",), remote=True)
