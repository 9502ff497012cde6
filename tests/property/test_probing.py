"""Whatever a server says of itself stays text in the description that is drafted of it."""

import contextlib
import json
import tomllib
from unittest import mock
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditkit.adapters.wire import probing
from auditkit.adapters.wire.description import TOP, parse
from auditkit.adapters.wire.secrets import PLACE, Secrets
from auditkit.adapters.wire.web import Reply
from auditkit.core.errors import QueryError, SuspectLoadError
from auditkit.core.requests import Reach

HOST = "https://api.example.org"
ODD = (
    *('"\n[headers]\nX-Leak = "${PATH}', "${PATH}", "${file:/etc/passwd}", '" }] }\n[headers]\n#'),
    *(
        ".evil.example/",
        "@evil.example/",
        "//evil.example/",
        "\\\n",
        "]\x00\x1b[31m",
        "\x7f",
        "'''",
    ),
    *("$points.nested", "$point.png", "/{id}", "/x?y=${PATH}#z", "\ud800", "/%24%7BPATH%7D"),
)
TEXT = st.sampled_from(ODD) | st.text(st.characters(), max_size=20)
KEYS = st.sampled_from(
    (
        *("type", "properties", "items", "required", "enum", "default", "example", "format"),
        *("$ref", "allOf", "anyOf", "name", "label", "score", "image", "additionalProperties"),
    )
)
KINDS = st.sampled_from(("string", "array", "object", "number", "integer", "boolean"))
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | TEXT | KINDS
JSON = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS | TEXT | KINDS, inner, max_size=4)
    ),
    max_leaves=12,
)
SCHEMA = st.dictionaries(KEYS, JSON, max_size=5) | JSON
BODY = st.dictionaries(
    st.sampled_from(("application/json", "multipart/form-data", "image/png", "*/*", "text/plain")),
    st.fixed_dictionaries({"schema": SCHEMA}) | JSON,
    min_size=1,
    max_size=2,
).map(lambda content: {"content": content})
PARAMETER = st.fixed_dictionaries(
    {"name": TEXT, "in": st.sampled_from(("query", "path", "header")), "required": st.just(True)},
    optional={"schema": SCHEMA},
)
POST = st.fixed_dictionaries(
    {},
    optional={
        "requestBody": BODY | JSON,
        "responses": st.fixed_dictionaries({"200": BODY}) | JSON,
        "parameters": st.lists(PARAMETER | JSON, max_size=3) | JSON,
    },
)
TENSOR = st.fixed_dictionaries(
    {"name": TEXT}, optional={"datatype": TEXT, "shape": st.lists(PLAIN, max_size=3) | JSON}
)
PAGES = st.one_of(
    st.fixed_dictionaries(
        {},
        optional={
            "inputs": st.lists(TENSOR | JSON, max_size=2) | JSON,
            "versions": JSON,
            "platform": JSON,
        },
    ).map(lambda page: {"/v2/models/m": page}),
    st.fixed_dictionaries({"extensions": JSON, "name": TEXT}).map(lambda page: {"/v2": page}),
    st.lists(st.fixed_dictionaries({"route": TEXT, "input": JSON}) | JSON, max_size=3).map(
        lambda routes: {"/schema.json": {"routes": routes}}
    ),
    st.dictionaries(TEXT, st.fixed_dictionaries({"post": POST}), max_size=2).map(
        lambda paths: {"/openapi.json": {"paths": paths}}
    ),
    JSON.map(lambda page: dict.fromkeys(("/v2", "/schema.json", "/openapi.json"), page)),
)


class Served:
    """A server of these pages, in place of a connection to one."""

    def __init__(self, pages):
        self._pages = pages

    def get(self, url):
        """A page, as its JSON; the error of a page that is not there."""
        path = urlsplit(url).path
        if path not in self._pages:
            raise QueryError("status 404")
        return Reply({}, json.dumps(self._pages[path]).encode())

    def close(self):
        """Nothing is open."""


def probed(pages, address):
    """What is found at a server of these pages."""
    with mock.patch.object(probing, "Web", return_value=Served(pages)):
        return probing.probe(f"{HOST}{address}", Reach())


@settings(max_examples=100)
@given(pages=PAGES, address=st.sampled_from(("/", "/v2/models/m", "/v2", "/predict")))
def test_a_server_s_words_stay_words(pages, address):
    """No header, no variable, no file, no other host: or one of auditkit's own errors."""
    try:
        found = probed(pages, address)
    except QueryError:
        return
    drafted = tomllib.loads(found.description)
    assert set(drafted) <= TOP
    assert drafted["headers"] == {}
    assert urlsplit(drafted["url"]).scheme == "https"
    assert urlsplit(drafted["url"]).netloc == urlsplit(HOST).netloc
    assert not PLACE.search(drafted["url"])
    assert Secrets().fill_address(drafted["url"]) == drafted["url"]
    assert found.suspect in (None, f"{HOST}{address}")
    with contextlib.suppress(SuspectLoadError):  # a part may be missing; the user edits it
        assert parse(found.description, "api.toml").headers == {}


@pytest.mark.parametrize("versions", [3, 1.5, True, "1", {"1": 2}, None, [[]]])
def test_versions_that_are_no_list_are_not_told(versions):
    """A number where a list is expected ends no probe."""
    page = {"versions": versions, "inputs": [{"name": "x", "datatype": "FP32", "shape": [1]}]}
    found = probed({"/v2/models/m": page}, "/v2/models/m")
    assert found.lines[0].startswith("Open Inference Protocol 2")
