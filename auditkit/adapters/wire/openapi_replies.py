"""Reads from an OpenAPI page where in a reply the answers are, as lines of `[response]`."""

import re

import jmespath
from jmespath.exceptions import JMESPathError

from auditkit.adapters.wire.draft import text
from auditkit.adapters.wire.schemas import DEEPEST, Schemas
from auditkit.core.arrays import JsonObject

BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""Names that JMESPath takes without quotes."""
LABEL = re.compile(r"label|class|name|categor|predict", re.I)
SCORE = re.compile(r"score|conf|prob|certain", re.I)
"""Words in the names of fields that hold a class, and its score."""


def answered(schemas: Schemas, operation: JsonObject) -> tuple[str, ...]:
    """Lines of `[response]` by the schema of a successful reply."""
    replies = operation.get("responses")
    known = replies if isinstance(replies, dict) else {}
    for status in ("200", "201", "2XX", "default"):
        for media, schema in schemas.content(known.get(status)):
            if media.endswith("json") or media == "*/*":
                found = _answers(schemas, schema, "", 0)
                if found:
                    return found
    return ()


def _answers(schemas: Schemas, schema: JsonObject, path: str, depth: int) -> tuple[str, ...]:
    """Where in a reply the answers are: a list of the best classes, scores, or a label."""
    if depth > DEEPEST:
        return ()
    here = text(path or "@")
    if schema.get("type") == "array":
        return _answers_in_list(schemas, schemas.whole(schema.get("items")), path, depth)
    more = schema.get("additionalProperties")
    if isinstance(more, dict) and schemas.whole(more).get("type") in ("number", "integer"):
        return (f"best = {here}",)
    fields = schemas.fields(schema)
    best = _label_and_score(fields)
    if best:
        return (f"best = {here}", *best)
    within = (_answers(schemas, one, _under(path, n), depth + 1) for n, one in fields.items())
    return next(filter(None, within), ()) or _label(fields, path)


def _label(fields: dict[str, JsonObject], path: str) -> tuple[str, ...]:
    for name, one in fields.items():
        if LABEL.search(name) and one.get("type") in ("string", "integer"):
            return (f"labels = {text(_under(path, name))}", *_classes(one))
    return ()


def _answers_in_list(schemas: Schemas, items: JsonObject, path: str, depth: int) -> tuple[str, ...]:
    if depth > DEEPEST:
        return ()
    here = text(path or "@")
    best = _label_and_score(schemas.fields(items))
    if best:
        return (f"best = {here}", *best)
    if items.get("type") == "number":
        return (f"scores = {here}",)
    if items.get("type") == "array":
        return _answers_in_list(schemas, schemas.whole(items.get("items")), path, depth + 1)
    return ()


def _label_and_score(fields: dict[str, JsonObject]) -> tuple[str, ...]:
    """Lines for an entry of a class and its score; none if these fields are no such entry."""
    labels = [n for n, one in fields.items() if LABEL.search(n) and one.get("type") != "array"]
    scores = [n for n, one in fields.items() if SCORE.search(n) and one.get("type") == "number"]
    plain = [n for n in labels if fields[n].get("type") in ("string", "integer")]
    if not plain or not scores:
        return ()
    lines = f"label = {text(_under('', plain[0]))}", f"score = {text(_under('', scores[0]))}"
    return (*lines, *_classes(fields[plain[0]]))


def _classes(schema: JsonObject) -> tuple[str, ...]:
    """A line of the names that a page lists for a label, in its order."""
    found = schema.get("enum")
    names = found if isinstance(found, list) else []
    if not names or not all(isinstance(name, str) for name in names):
        return ()
    return (f"classes = [{', '.join(map(text, dict.fromkeys(names)))}]",)


def _under(path: str, name: str) -> str:
    """The JMESPath of a name within a place; the place alone where the name can't be written."""
    step = name if BARE.fullmatch(name) else text(name)
    whole = f"{path}.{step}" if path else step
    try:
        jmespath.compile(whole)
    except JMESPathError:
        return path or "@"
    return whole
