"""Any JSON or upload API that a small TOML file describes; see `adapters.wire.description`."""

import base64
import io
import json
from dataclasses import dataclass, replace

import jmespath
import numpy as np
from jmespath.exceptions import JMESPathError

from auditkit.adapters.base import CONCURRENT, Kind, Port, Values, read_file
from auditkit.adapters.wire.addresses import shown
from auditkit.adapters.wire.description import PICTURES, Description, parse
from auditkit.core.access import from_best
from auditkit.core.arrays import Json, Rows
from auditkit.core.errors import QueryError, SuspectLoadError
from auditkit.core.provenance import sha256
from auditkit.core.requests import Options

__all__ = ["template"]

TYPES = {"npy": "application/octet-stream", "png": "image/png", "jpeg": "image/jpeg"}
"""Content type of each binary form that a point can be sent in."""


@dataclass(frozen=True, slots=True)
class _Body:
    """The body of one HTTP request."""

    content: bytes
    content_type: str


class TemplateAdapter:
    """Fills points into the described request, and finds the answers in the reply by JMESPath."""

    def __init__(self, source: str, options: Options) -> None:
        from auditkit.adapters.wire.web import Web  # httpx takes long to load

        data = read_file(source)
        try:
            self._api = parse(data.decode("utf-8"), source)
        except UnicodeDecodeError as error:
            raise SuspectLoadError(f"{source!r} is no text; wanted TOML") from error
        self._classes = len(self._api.classes) or options.classes
        self._numbers = {name: number for number, name in enumerate(self._api.classes)}
        headers = {**options.reach.headers, **self._api.headers}
        self._web = Web(self._api.url, replace(options.reach, headers=headers))
        # Another description of the same API may get other answers (pixel range, layout), so the
        # journal must not serve the old ones: the file's digest is part of the identity.
        digest = sha256(data)
        self.port = _port(self._api, f"{self._api.url} as {digest}")
        self.runtime = {
            "protocol": "described",
            "address": shown(self._api.url),
            "description": digest,
        }

    def answer(self, batch: Rows) -> Rows:
        """See `Adapter.answer`."""
        body = _body(self._api, batch)
        headers = {"content-type": body.content_type}
        reply = self._web.post(self._api.url, body.content, headers).json()
        found = _found(self._api.path, reply)
        readers = {"scores": self._scores, "labels": self._labels, "best": self._best}
        return readers[self._api.response](found, len(batch))

    def _scores(self, found: Json, count: int) -> Rows:
        try:
            rows = np.asarray(found, np.float64)
        except (ValueError, TypeError) as error:
            raise QueryError(f"{self._api.path!r} leads to no rows of numbers") from error
        # Many APIs that take one picture answer one row without a list around it.
        return rows[None] if rows.ndim == 1 and count == 1 else rows

    def _labels(self, found: Json, count: int) -> Rows:
        labels = found if isinstance(found, list) else [found]
        if len(labels) != count:
            raise QueryError(f"{self._api.path!r} leads to {len(labels)} labels, wanted {count}")
        return np.array([self._number(label) for label in labels], np.float64)

    def _best(self, found: Json, count: int) -> Rows:
        lists = [found] if count == 1 and _is_one_list(found) else found
        if not isinstance(lists, list) or len(lists) != count:
            raise QueryError(f"{self._api.path!r} leads to no list of classes for each point")
        return np.concatenate([self._row(entries) for entries in lists])

    def _row(self, entries: Json) -> Rows:
        """Convert one point's list of best classes to (1, classes) scores, or to a (1,) label."""
        if isinstance(entries, dict):
            pairs = list(entries.items())  # {"cat": 0.9, "dog": 0.1}
        else:
            listed = entries if isinstance(entries, list) else [entries]
            pairs = [(_found(self._api.label, e), _found(self._api.score, e)) for e in listed]
        labels = np.array([[self._number(label) for label, _ in pairs]], np.float64)
        if (labels < 0).any():
            raise QueryError("the reply lists a class that [response] classes does not name")
        try:
            scores = np.array([[float(score) for _, score in pairs]])
        except (ValueError, TypeError) as error:
            raise QueryError(f"{self._api.score!r} leads to no number") from error
        if not pairs or self._classes is None:
            raise QueryError("the reply lists no class, or it is not known how many there are")
        return from_best(labels, scores, self._classes)

    def _number(self, label: Json) -> float:
        """Number of a class by its number or name; -1 if the description does not list the name."""
        # No error: an API may know more classes than the owner, and the point with such a label
        # counts as unanswered. In a list of best classes the name is refused by the caller.
        if isinstance(label, str) and not label.isdecimal():
            if not self._numbers:
                raise QueryError(
                    f"labels are names ({label[:40]!r}); list them in the owner's order as "
                    "classes in [response]"
                )
            return self._numbers.get(label, -1)
        try:
            return float(label)
        except (ValueError, TypeError) as error:
            raise QueryError(f"{self._api.path!r} leads to no label") from error

    def close(self) -> None:
        """See `Adapter.close`."""
        self._web.close()


def _is_one_list(found: Json) -> bool:
    """Whether the reply to a single point is its list of classes, without a list around it."""
    return isinstance(found, dict) or (
        isinstance(found, list) and bool(found) and not isinstance(found[0], list)
    )


def _found(path: str, value: Json) -> Json:
    try:
        found = jmespath.search(path, value)
    except (JMESPathError, RecursionError) as error:
        raise QueryError(f"{path!r} does not fit the reply") from error
    if found is None:
        raise QueryError(f"{path!r} leads nowhere in the reply")
    return found


def _port(api: Description, identity: str) -> Port:
    # Pictures hold bytes, whatever `values` says, and have no layout of their own. `npy` is packed
    # like a picture where it is an upload or a body.
    pictures = api.request != "json" or any(f".{kind}" in repr(api.content) for kind in PICTURES)
    as_pixels = api.values == "0..255" or pictures
    values = Values.PIXELS if as_pixels else Values(api.values)
    last = api.layout == "channels-last" and not pictures
    size = api.size or (None, None)
    return Port(
        identity,
        shape=None if api.size is None else (*size, None) if last else (None, *size),
        dtype=np.dtype(np.uint8 if as_pixels else np.float32),
        values=values,
        channels_last=last,
        fits_any_size=api.size is not None,
        at_once=api.batch,
        concurrency=CONCURRENT,
    )


def _body(api: Description, batch: Rows) -> _Body:
    if api.request == "json":
        return _Body(json.dumps(_filled(api.content, batch)).encode(), "application/json")
    if api.request == "body":
        return _Body(_bytes(batch[0], api.content), TYPES[api.content])
    name, kind = api.content["field"], api.content["kind"]
    files = [(name, (f"{n}.{kind}", _bytes(row, kind), TYPES[kind])) for n, row in enumerate(batch)]
    import httpx  # takes long to load, and only uploads need it

    # httpx encodes multipart forms only as part of a request. This one is never sent: `Web` sends
    # its body with the connection's own headers.
    made = httpx.Request("POST", "https://unused", files=files)
    return _Body(made.read(), made.headers["content-type"])


def _filled(value: Json, batch: Rows) -> Json:
    """Replace each text `$point.KIND` or `$points.KIND` in a JSON value."""
    if isinstance(value, dict):
        return {key: _filled(item, batch) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, batch) for item in value]
    if not isinstance(value, str) or not value.startswith("$point"):
        return value
    word, _, kind = value.partition(".")
    return _shown(batch[0], kind) if word == "$point" else _together(batch, kind)


def _together(batch: Rows, kind: str) -> Json:
    # All points are one npy array, but a picture file holds one point.
    if kind == "npy":
        return base64.b64encode(_bytes(batch, kind)).decode()
    return [_shown(row, kind) for row in batch]


def _shown(row: Rows, kind: str) -> Json:
    if kind in ("nested", "flat"):
        return (row if kind == "nested" else row.ravel()).tolist()
    return base64.b64encode(_bytes(row, kind)).decode()


def _bytes(array: Rows, kind: str) -> bytes:
    if kind in PICTURES:
        from auditkit.adapters.wire.pictures import encoded  # Pillow takes long to load

        return encoded(array, kind)
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


template = Kind(TemplateAdapter, suffixes=(".toml",), remote=True)
