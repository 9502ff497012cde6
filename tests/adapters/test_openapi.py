"""What an OpenAPI page says of an operation becomes the description that asks it."""

import tomllib
from urllib.parse import parse_qs, urlsplit

import pytest

from auditkit.adapters.wire.description import parse
from auditkit.adapters.wire.probing import probe
from auditkit.core.requests import Reach
from tests.adapters.test_drafts import HOSTILE
from tests.api import Api, Told, told

TEXT, NUMBER, NUMBERS = {"type": "string"}, {"type": "number"}, {"type": "array"}
BINARY, REF = {"type": "string", "format": "binary"}, {"$ref": "#/components/schemas/In"}


def of(kind, depth=1):
    """The schema of a list, or of a list of lists."""
    return kind if depth == 0 else {"type": "array", "items": of(kind, depth - 1)}


def fields(*must, **properties):
    """The schema of an object; those named first are required."""
    return {"type": "object", "required": list(must), "properties": properties}


def described(media, schema, reply=None, components=None, **operation):
    """What is drafted of a page with this one operation, as a table, and what is told of it."""
    content = {"content": {media: {"schema": schema}}}
    answers = {"200": {"content": {"application/json": {"schema": reply or {}}}}}
    post = {"requestBody": content, "responses": answers, **operation}
    page = {
        "openapi": "3.1.0",
        "paths": {"/health": {"get": {}}, "/classify": {"post": post}},
        "components": {"schemas": components or {}},
    }

    def serve(asked):
        return told(page) if asked.path == "/openapi.json" else Told(b"none", 404)

    with Api(serve) as api:
        found = probe(f"{api.url}/classify", Reach())
    parse(found.description, "api.toml")  # what is drafted can be asked as it is
    table = tomllib.loads(found.description)
    assert urlsplit(table["url"]).netloc == urlsplit(api.url).netloc
    assert table["headers"] == {}
    return table, found.lines


@pytest.mark.parametrize(
    ("media", "schema", "expected"),
    [
        (
            "multipart/form-data",
            fields("image", image=BINARY),
            {"upload": {"field": "image", "kind": "png"}},
        ),
        (
            "multipart/form-data",
            fields("model", "file", model={**TEXT, "default": "small"}, file=BINARY, note=TEXT),
            {"upload": {"field": "file", "kind": "png"}, "form": {"model": "small"}},
        ),
        (
            "multipart/form-data",
            fields("k", k={"type": "integer"}, files={"type": "array", "items": BINARY}),
            {"upload": {"field": "files", "kind": "png"}, "form": {"k": 0}},
        ),
        (
            "multipart/form-data",
            fields(upload={**TEXT, "contentMediaType": "application/octet-stream"}),
            {"upload": {"field": "upload", "kind": "png"}},
        ),
        (
            "application/x-www-form-urlencoded",
            fields("b64", b64=TEXT),
            {"form": {"b64": "$point.png"}},
        ),
        ("image/png", BINARY, {"body": "png"}),
        ("image/jpeg", BINARY, {"body": "jpeg"}),
        ("application/octet-stream", BINARY, {"body": "png"}),
        ("text/plain", TEXT, {"text": "$point.png"}),
        (
            "application/json",
            fields("image", image={**TEXT, "format": "byte"}),
            {"json": {"image": "$point.png"}},
        ),
        (
            "application/json; charset=utf-8",
            fields("image", image={**TEXT, "description": "a data: URL"}),
            {"json": {"image": "data:image/png;base64,$point.png"}},
        ),
        (
            "application/json",
            fields("top", "pixels", top={"enum": ["a", "b"]}, pixels=of(NUMBER, 3)),
            {"json": {"top": "a", "pixels": "$point.nested"}},
        ),
        ("application/json", fields(inputs=of(NUMBER, 4)), {"json": {"inputs": "$points.nested"}}),
        ("application/json", fields(x=of(NUMBER, 1)), {"json": {"x": "$point.flat"}}),
        ("application/json", of(NUMBER, 2), {"json": "$points.flat"}),
        ("application/json", fields(images=of(TEXT)), {"json": {"images": "$points.png"}}),
        (
            "application/vnd.api+json",
            fields(instances=of(fields("b64", b64=TEXT))),
            {"json": {"instances": [{"b64": "$point.png"}]}},
        ),
        ("application/json", {}, {"json": {"inputs": "$points.nested"}}),
    ],
)
def test_a_request_is_drafted_from_its_schema(media, schema, expected):
    """Media type, the field that takes the point and the others that must be given."""
    assert described(media, schema)[0]["request"] == expected


@pytest.mark.parametrize("wrap", ["allOf", "anyOf", "oneOf", None])
def test_references_are_followed(wrap):
    """Also through what joins schemas, and where a field may be null."""
    inner = fields("image", image={"anyOf": [{"type": "null"}, {"$ref": "#/components/schemas/P"}]})
    schema = REF if wrap is None else {wrap: [{"type": "null"}, REF]}
    components = {"In": inner, "P": {"type": ["string", "null"]}}
    found, _ = described("application/json", schema, components=components)
    assert found["request"] == {"json": {"image": "$point.png"}}


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (fields(scores=of(NUMBER)), {"scores": "scores"}),
        (fields(out=fields(rows=of(NUMBER, 2))), {"scores": "out.rows"}),
        (of(NUMBER, 2), {"scores": "@"}),
        (
            fields(took=NUMBER, predictions=of(fields(label=TEXT, score=NUMBER))),
            {"best": "predictions", "label": "label", "score": "score"},
        ),
        (
            fields(className={**TEXT, "enum": ["cat", "dog"]}, confidence=NUMBER),
            {
                "best": "@",
                "label": "className",
                "score": "confidence",
                "classes": ["cat", "dog"],
            },
        ),
        ({"type": "object", "additionalProperties": NUMBER}, {"best": "@"}),
        (
            fields(**{"predicted class": {**TEXT, "enum": ["cat", "dog"]}}),
            {"labels": '"predicted class"', "classes": ["cat", "dog"]},
        ),
        ({}, {"scores": "predictions"}),
    ],
)
def test_a_reply_is_drafted_from_its_schema(reply, expected):
    """Scores, labels and lists of the best are found, with their paths and class names."""
    assert described("image/png", BINARY, reply)[0]["response"] == expected


def test_what_the_user_must_fill_in_is_told():
    """Fields and parameters that must be given and have no value of the page's own."""
    parameters = [
        {"name": "model", "in": "query", "required": True, "schema": TEXT},
        {"name": "v", "in": "query", "required": True, "schema": {**TEXT, "default": "a&b=c"}},
        {"name": "X-Api-Key", "in": "header", "required": True},
        {"name": "limit", "in": "query"},
    ]
    schema = fields("image", "user", image=TEXT, user=TEXT)
    found, lines = described("application/json", schema, parameters=parameters)
    assert parse_qs(urlsplit(found["url"]).query) == {"v": ["a&b=c"]}
    assert "model=&v=" in found["url"]
    assert found["request"]["json"] == {"image": "$point.png", "user": ""}
    assert {line for line in lines if line.startswith("fill in")} == {
        "fill in: user",
        "fill in: model",
        "fill in: X-Api-Key",
    }


@pytest.mark.parametrize("word", [*HOSTILE, "\ud800", "\x7f", "a.b", "`", "$point.png"])
def test_whatever_a_page_says_stays_text(word):
    """As the name of a field, parameter or class, as a default or a title, it opens nothing."""
    schema = fields(word, "a", **{word: {**TEXT, "default": word}, "a": {**TEXT, "title": word}})
    reply = fields(**{word: fields(label={**TEXT, "enum": [word, "x"]}, score=NUMBER)})
    parameters = [
        {"name": word, "in": "query", "required": True, "schema": {**TEXT, "default": word}}
    ]
    for media in ("application/json", "multipart/form-data", "application/x-www-form-urlencoded"):
        found, _ = described(media, schema, reply, parameters=parameters)
        assert "${" not in found["url"]
        assert set(found) == {"url", "batch", "values", "layout", "headers", "request", "response"}


@pytest.mark.parametrize(
    "odd",
    [
        {"requestBody": 3},
        {"requestBody": {"content": []}},
        {"responses": []},
        {"parameters": 7},
        {"parameters": [None]},
        {"requestBody": {"$ref": "#/components/schemas/Loop"}},
        {"requestBody": {"content": {"application/json": {"schema": 5}}}},
        {"requestBody": {"content": {"application/json": {"schema": {"type": {}}}}}},
        {"requestBody": {"content": {"application/json": {"schema": fields(a=3, b=[])}}}},
    ],
)
def test_odd_pages_are_no_crash(odd):
    """What is not understood is left to the user."""
    components = {"Loop": {"$ref": "#/components/schemas/Loop"}}
    described("application/json", {}, components=components, **odd)


def test_schemas_without_an_end_are_cut():
    """What refers to itself many times over is given up, soon."""
    loop = {"$ref": "#/components/schemas/In"}
    many = fields(**{f"f{n}": {"anyOf": [loop, of(loop, 3)]} for n in range(30)})
    described("application/json", loop, loop, components={"In": many})
    described("application/json", loop, loop, components={"In": of(loop)})
