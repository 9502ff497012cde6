"""Descriptions of APIs: a small TOML file that says how to send points and find the answers.

    url = "https://api.example.org/classify"
    batch = 1                      # points in one request
    values = "owner"               # as the owner's model takes them; or "0..1", "0..255"
    layout = "channels-first"      # or "channels-last"
    size = [224, 224]              # height and width to resize to; left out: the points' own

    [headers]
    Authorization = "Bearer ${API_TOKEN}"

    [request]                      # exactly one of these; form may go with upload
    json = { image = "$point.png" }
    upload = { field = "file", kind = "png" }
    form = { model = "small" }     # fields of a form; with upload in the same form
    body = "png"
    text = "$point.png"

    [response]                     # exactly one of the first three, each a JMESPath
    scores = "predictions"         # a row of scores for each point
    labels = "predictions[].label" # a class for each point
    best = "predictions"           # a list of { label, score } for each point, or label: score
    label = "label"
    score = "score"
    classes = ["cat", "dog"]       # names in the owner's order, where labels are names
    others = ["background"]        # names of classes that the owner does not have

In `json`, `form` and `text`, `$points.KIND` stands for all points of a request and `$point.KIND`
for its only point. KIND is `nested` or `flat` (lists of numbers), `npy`, `png` or `jpeg` (base64).
Within a longer text, as in "data:image/png;base64,$point.png", the place becomes text.

The decoder is written by hand, since its messages name the line to change in words of the file.
"""

import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import jmespath
from jmespath.exceptions import JMESPathError

from auditkit.core.arrays import Json, JsonObject
from auditkit.core.errors import SuspectLoadError

KINDS = ("nested", "flat", "npy", "png", "jpeg")
PICTURES = ("png", "jpeg")
VALUES = ("owner", "0..1", "0..255")
LAYOUTS = ("channels-first", "channels-last")
REQUESTS, RESPONSES = ("json", "upload", "body", "form", "text"), ("scores", "labels", "best")
FILLED = ("json", "form", "text")
"""Requests that hold a place for points."""
PLACE = re.compile(r"\$(?P<word>points?)\.(?P<kind>nested|flat|npy|png|jpeg)\b")
NAMED = {"label", "score", "classes", "others"}
TOP = {"url", "batch", "values", "layout", "size", "headers", "request", "response"}


@dataclass(frozen=True, slots=True)
class Description:
    """How one API is queried."""

    url: str
    request: str
    """One of `REQUESTS`."""
    content: Json
    """For `json`, `form` and `text` the value to send, for `upload` a table of field and kind, for
    `body` the kind."""
    response: str
    """`scores`, `labels` or `best`."""
    path: str
    """JMESPath of the answers in the reply."""
    # The rest is documented in the example above.
    label: str = "label"
    score: str = "score"
    classes: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    fields: JsonObject = field(default_factory=dict)
    """Fields of the form."""
    batch: int = 1
    values: str = "owner"
    layout: str = "channels-first"
    size: tuple[int, int] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def parse(text: str, name: str) -> Description:
    """Read a description.

    Args:
        text: The file's contents.
        name: The file's name, for messages.

    Raises:
        SuspectLoadError: A key is unknown, missing or has a wrong value.
    """
    try:
        found = tomllib.loads(text)
        # Unknown keys are refused: a misspelt `layout` would change the answers without a word.
        _known(found, TOP, "the file")
        request, response = _table(found, "request"), _table(found, "response")
        _known(request, set(REQUESTS), "[request]")
        _known(response, {*RESPONSES, *NAMED}, "[response]")
        fields = _table(request, "form", {})
        files = [name for name in request if name != "form" or "upload" not in request]
        asked, told = _one(files, REQUESTS, "[request]"), _one(response, RESPONSES, "[response]")
        classes, others = _texts(response, "classes"), _texts(response, "others")
        if {*classes} & {*others}:
            raise ValueError("others names a class that classes names too")
        made = Description(
            url=_text(found, "url"),
            request=asked,
            content=request[asked],
            response=told,
            path=_jmespath(_text(response, told)),
            label=_jmespath(_text(response, "label", "label")),
            score=_jmespath(_text(response, "score", "score")),
            classes=classes,
            others=others,
            fields=fields,
            batch=_count(found.get("batch", 1)),
            values=_choice(found, "values", VALUES),
            layout=_choice(found, "layout", LAYOUTS),
            size=_size(found.get("size")),
            headers={key: str(value) for key, value in _table(found, "headers", {}).items()},
        )
        _check_content(made)
    except (tomllib.TOMLDecodeError, ValueError) as error:
        raise SuspectLoadError(f"{name!r}: {str(error).splitlines()[0]}") from error
    return made


def _known(table: JsonObject, names: set[str], where: str) -> None:
    odd = sorted(set(table) - names)
    if odd:
        raise ValueError(f"{where} has {odd[0]!r}; known are {', '.join(sorted(names))}")


def _table(found: JsonObject, name: str, default: JsonObject | None = None) -> JsonObject:
    table = found.get(name, default)
    if not isinstance(table, dict):
        raise ValueError(f"wanted a table [{name}]")
    return table


def _one(table: Collection[str], names: tuple[str, ...], where: str) -> str:
    given = [name for name in names if name in table]
    if len(given) != 1:
        raise ValueError(
            f"{where} wants one of {', '.join(names)}, got {', '.join(given) or 'none'}"
        )
    return given[0]


def _text(table: JsonObject, name: str, default: str | None = None) -> str:
    text = table.get(name, default)
    if not isinstance(text, str) or not text:
        raise ValueError(f"wanted a text as {name!r}")
    return text


def _texts(table: JsonObject, name: str) -> tuple[str, ...]:
    value = table.get(name, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{name} wants a list of names")
    if len(set(value)) < len(value):
        raise ValueError(f"{name} names one twice")
    return tuple(value)


def _jmespath(expression: str) -> str:
    try:
        jmespath.compile(expression)
    except JMESPathError as error:
        raise ValueError(f"{expression!r} is no JMESPath") from error
    return expression


def _choice(table: JsonObject, name: str, known: tuple[str, ...]) -> str:
    value = table.get(name, known[0])
    if value not in known:
        raise ValueError(f"{name} wants one of {', '.join(known)}, got {value!r}")
    return str(value)


def _count(value: Json) -> int:
    # bool is a subclass of int.
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"batch wants a number of points, got {value!r}")
    return value


def _size(value: Json) -> tuple[int, int] | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError(f"size wants [height, width], got {value!r}")
    return _count(value[0]), _count(value[1])


def _check_content(made: Description) -> None:
    if made.request in FILLED:
        _check_places(made)
    elif any("$point" in text for text in _leaves(made.fields)):
        raise ValueError("the points are in upload already; form holds the other fields")
    if made.request == "text" and not isinstance(made.content, str):
        raise ValueError(f"text wants a text with $point.png or the like, got {made.content!r}")
    if made.request == "body" and (made.content not in KINDS[2:] or made.batch > 1):
        raise ValueError("body wants npy, png or jpeg, and batch = 1")
    if made.request == "upload":
        table = made.content if isinstance(made.content, dict) else {}
        if set(table) != {"field", "kind"} or table["kind"] not in KINDS[2:]:
            raise ValueError('upload wants { field = "NAME", kind = "png" }, or npy or jpeg')


def _check_places(made: Description) -> None:
    texts = [text for text in _leaves(made.content) if "$point" in text]
    odd = [text for text in texts if "$point" in PLACE.sub("", text, count=1)]
    if odd or not texts:
        got = ", ".join(sorted(odd)) or "none"
        raise ValueError(
            f"{made.request} wants a text like $point.png or $points.nested, got {got}"
        )
    # Only the first point of each batch would be sent, and the others would get no answer.
    if made.batch > 1 and any("$point." in text for text in texts):
        raise ValueError("$point is the only point of a request; write $points or batch = 1")


def _leaves(value: Json) -> list[str]:
    """All texts within a JSON value."""
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in _leaves(item)]
    if isinstance(value, list):
        return [leaf for item in value for leaf in _leaves(item)]
    return [value] if isinstance(value, str) else []
