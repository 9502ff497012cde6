"""Reads from an OpenAPI page how one of its operations is asked, as lines of a description.

Everything on the page is a stranger's: names and values become quoted texts, and nothing of it is
put where a `${NAME}` would be filled in.
"""

import re
from dataclasses import dataclass
from urllib.parse import quote

from auditkit.adapters.wire.draft import key, text
from auditkit.adapters.wire.openapi_replies import answered
from auditkit.adapters.wire.schemas import DEEPEST, Schemas
from auditkit.core.arrays import Json, JsonObject

PICTURE = re.compile(r"image|img|picture|photo|file|base64|b64|content|data|input", re.I)
"""Names of fields that hold a picture as text."""
PLACEHOLDERS = {"integer": "0", "number": "0.0", "boolean": "false", "array": "[]", "object": "{}"}


@dataclass(frozen=True, slots=True)
class Asked:
    """How an operation is asked, as far as its page tells."""

    query: str
    """To append to the address: empty, or from the question mark on."""
    request: tuple[str, ...]
    """Lines of `[request]`; none if the page does not tell."""
    response: tuple[str, ...]
    """Lines of `[response]`; none if the page does not tell."""
    missing: tuple[str, ...]
    """What the user must fill in, as the page calls it."""


def asked(page: JsonObject, operation: JsonObject) -> Asked:
    """Read how an operation is asked.

    Args:
        page: The whole page, for what the operation refers to.
        operation: What the page says of one path's POST.
    """
    schemas = Schemas(page)
    missing: list[str] = []
    request = _request(schemas, operation, missing)
    query = _query(schemas, operation, missing)
    return Asked(query, request, answered(schemas, operation), tuple(missing))


def _request(schemas: Schemas, operation: JsonObject, missing: list[str]) -> tuple[str, ...]:
    """Lines of `[request]` by the first media type that can be sent."""
    for media, schema in schemas.content(operation.get("requestBody")):
        if media == "multipart/form-data":
            return _upload(schemas, schema, missing)
        if media == "application/x-www-form-urlencoded":
            return (f"form = {_object(schemas, schema, missing)}",)
        if media.endswith("json"):
            return (f"json = {_value(schemas, schema, missing, alone=True)}",)
        if media.startswith(("image/", "application/octet-stream", "*/*")):
            return ('body = "jpeg"' if media == "image/jpeg" else 'body = "png"',)
        if media == "text/plain":
            return ('text = "$point.png"',)
    return ()


def _upload(schemas: Schemas, schema: JsonObject, missing: list[str]) -> tuple[str, ...]:
    fields = schemas.fields(schema)
    files = [name for name, one in fields.items() if _is_file(schemas, one)]
    chosen = next(iter(files or [name for name in fields if PICTURE.search(name)] or fields), "")
    upload = f'upload = {{ field = {text(chosen or "file")}, kind = "png" }}'
    others = [
        f"{key(name)} = {_given(name, one, missing)}"
        for name, one in fields.items()
        if name != chosen and name in schemas.required(schema)
    ]
    return (upload, f"form = {{ {', '.join(others)} }}") if others else (upload,)


def _is_file(schemas: Schemas, schema: JsonObject) -> bool:
    one = schemas.whole(schema.get("items")) if schema.get("type") == "array" else schema
    return one.get("format") == "binary" or "contentMediaType" in one


def _object(schemas: Schemas, schema: JsonObject, missing: list[str], depth: int = 0) -> str:
    """An object with the points in its likeliest field, as TOML."""
    fields = schemas.fields(schema)
    if not fields:
        return '{ inputs = "$points.nested" }'
    ranks = {name: _likely(name, one, place) for place, (name, one) in enumerate(fields.items())}
    chosen = min(ranks, key=lambda name: ranks[name])
    must = schemas.required(schema)
    parts = [
        f"{key(name)} = "
        + (
            _value(schemas, one, missing, depth=depth + 1)
            if name == chosen
            else _given(name, one, missing)
        )
        for name, one in fields.items()
        if name == chosen or name in must
    ]
    return f"{{ {', '.join(parts)} }}"


def _likely(name: str, schema: JsonObject, place: int) -> tuple[int, int]:
    """The less, the likelier a field holds the points; of equal ones the first does."""
    is_text = schema.get("type") == "string" and "enum" not in schema
    if schema.get("type") == "array" or _is_packed(schema):
        return (0 if PICTURE.search(name) or _is_packed(schema) else 1), place
    if schema.get("properties"):
        return 2, place
    return (1 if is_text and PICTURE.search(name) else 3 if is_text else 4), place


def _is_packed(schema: JsonObject) -> bool:
    return schema.get("format") in ("byte", "base64", "binary", "data-url") or bool(
        {"contentEncoding", "contentMediaType"} & set(schema)
    )


def _value(
    schemas: Schemas,
    schema: JsonObject,
    missing: list[str],
    *,
    depth: int = 0,
    alone: bool = False,
) -> str:
    """The points in the form that a schema wants, as TOML."""
    kind = schema.get("type")
    if kind == "string":
        told = f"{schema.get('format')} {schema.get('description')} {schema.get('title')}"
        prefix = "data:image/png;base64," if re.search(r"data[:-]ur|data:", told, re.I) else ""
        return text(f"{prefix}$point.png")
    if kind == "array" and depth < DEEPEST:
        return _list(schemas, schemas.whole(schema.get("items")), missing, depth)
    if (alone or kind == "object" or schema.get("properties")) and depth < DEEPEST:
        return _object(schemas, schema, missing, depth)
    return '"$points.nested"'


def _list(schemas: Schemas, items: JsonObject, missing: list[str], depth: int) -> str:
    if items.get("type") == "string":
        return '"$points.png"'
    if items.get("properties"):
        return f"[{_object(schemas, items, missing, depth + 1)}]"
    axes = 1
    while items.get("type") == "array" and axes < DEEPEST:
        items, axes = schemas.whole(items.get("items")), axes + 1
    numbers = items.get("type") in ("number", "integer")
    # A row of numbers is a flat point, a table of them several, and a picture has three axes.
    forms = {1: '"$point.flat"', 2: '"$points.flat"', 3: '"$point.nested"'}
    return forms.get(axes, '"$points.nested"') if numbers else '"$points.nested"'


def _given(name: str, schema: JsonObject, missing: list[str]) -> str:
    """A value for a field that must be given: the page's own, or one to fill in."""
    value = _example(schema)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return text(value)
    missing.append(name)
    return PLACEHOLDERS.get(str(schema.get("type")), '""')


def _example(schema: JsonObject) -> Json:
    """A plain value that the page gives for a field; None if it gives none."""
    listed = [schema.get(name) for name in ("enum", "examples")]
    several = [one[0] for one in listed if isinstance(one, list) and one]
    for value in (schema.get("default"), schema.get("const"), schema.get("example"), *several):
        # A dollar sign could make a place of it, and only finite numbers can be written.
        plain = isinstance(value, str) and "$" not in value
        if plain or (isinstance(value, int | float) and abs(value) < 2**53):
            return value
    return None


def _query(schemas: Schemas, operation: JsonObject, missing: list[str]) -> str:
    """What must stand behind the question mark."""
    listed = operation.get("parameters")
    pairs = []
    for one in listed if isinstance(listed, list) else []:
        parameter = schemas.whole(one)
        name = str(parameter.get("name"))
        if parameter.get("in") == "query" and parameter.get("required") is True:
            value = _example(schemas.whole(parameter.get("schema")))
            if value is None:
                missing.append(name)
            pairs.append(f"{_quoted(name)}={_quoted('' if value is None else str(value))}")
        elif parameter.get("required") is True:
            missing.append(name)
    return "?" + "&".join(pairs) if pairs else ""


def _quoted(words: str) -> str:
    return quote(words, safe="", errors="replace")
