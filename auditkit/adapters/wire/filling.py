"""Fills points into the request that a description describes."""

import base64
import io
import json
import re
from dataclasses import dataclass
from urllib.parse import urlencode

import numpy as np

from auditkit.adapters.wire.description import PICTURES, PLACE, Description
from auditkit.core.arrays import Json, Rows

TYPES = {"npy": "application/octet-stream", "png": "image/png", "jpeg": "image/jpeg"}
"""Content type of each binary form that a point can be sent in."""


@dataclass(frozen=True, slots=True)
class Body:
    """The body of one HTTP request."""

    content: bytes
    content_type: str


def body_of(api: Description, batch: Rows) -> Body:
    """Return what is sent for a batch, as the description says."""
    if api.request == "json":
        return Body(json.dumps(_filled(api.content, batch)).encode(), "application/json")
    if api.request == "text":
        return Body(_text(_filled(api.content, batch)).encode(), "text/plain")
    if api.request == "body":
        return Body(_bytes(batch[0], api.content), TYPES[api.content])
    fields = {name: _filled(value, batch) for name, value in api.fields.items()}
    if api.request == "form":
        listed = [(name, one) for name, value in fields.items() for one in _texts(value)]
        return Body(urlencode(listed).encode(), "application/x-www-form-urlencoded")
    return _multipart(api, fields, batch)


def _multipart(api: Description, fields: dict[str, Json], batch: Rows) -> Body:
    name, kind = api.content["field"], api.content["kind"]
    files = [(name, (f"{n}.{kind}", _bytes(row, kind), TYPES[kind])) for n, row in enumerate(batch)]
    import httpx  # takes long to load, and only uploads need it

    # httpx encodes multipart forms only as part of a request. This one is never sent: `Web` sends
    # its body with the connection's own headers.
    data = {name: _texts(value) for name, value in fields.items()}
    made = httpx.Request("POST", "https://unused", data=data, files=files)
    return Body(made.read(), made.headers["content-type"])


def _filled(value: Json, batch: Rows) -> Json:
    """Put the points into the places of a JSON value."""
    if isinstance(value, dict):
        return {key: _filled(item, batch) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, batch) for item in value]
    place = PLACE.search(value) if isinstance(value, str) else None
    if place is None:
        return value
    points = _placed(batch, place)
    if place.group() == value:
        return points
    # A place within a text becomes text itself: a data URL, or JSON within JSON. Picture files of
    # several points make as many texts.
    if place["kind"] in PICTURES and place["word"] == "points":
        return [_around(value, place, one) for one in points]
    return _around(value, place, points)


def _around(text: str, place: re.Match[str], points: Json) -> str:
    return text[: place.start()] + _text(points) + text[place.end() :]


def _placed(batch: Rows, place: re.Match[str]) -> Json:
    if place["word"] == "point":
        return _shown(batch[0], place["kind"])
    # All points are one npy array, but a picture file holds one point.
    if place["kind"] == "npy":
        return _shown(batch, "npy")
    return [_shown(row, place["kind"]) for row in batch]


def _shown(rows: Rows, kind: str) -> Json:
    if kind in ("nested", "flat"):
        return (rows if kind == "nested" else rows.ravel()).tolist()
    return base64.b64encode(_bytes(rows, kind)).decode()


def _text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _texts(value: Json) -> list[str]:
    """Values of one field of a form, which may be sent several times."""
    several = isinstance(value, list) and all(isinstance(one, str) for one in value)
    return value if several else [_text(value)]


def _bytes(array: Rows, kind: str) -> bytes:
    if kind in PICTURES:
        from auditkit.adapters.wire.pictures import encoded  # Pillow takes long to load

        return encoded(array, kind)
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
