"""What a server says of itself stays text in the description that is drafted of it."""

import tomllib
from urllib.parse import urlsplit

import pytest

from auditkit.adapters.wire.probing import probe
from auditkit.core.requests import Reach
from tests.api import Api, Told, told

HOSTILE = [
    '"\n[headers]\nX-Leak = "${PATH}',
    "${PATH}",
    '" }] }\n[headers]\nCookie = "${file:/etc/passwd}"\n#',
    ".evil.example/",
    "@evil.example/",
    "\\\n",
    "]\x00\x1b[31m",
]


def drafted(pages: dict[str, object]) -> tuple[dict, str]:
    """The description of a server that has these pages, read as TOML, and the server's address."""

    def reply(asked):
        page = pages.get(asked.path)
        return Told(b"no such page", 404) if page is None else told(page)

    with Api(reply) as api:
        suffix = next((path for path in pages if path.startswith("/v2/models")), "/")
        return tomllib.loads(probe(f"{api.url}{suffix}", Reach()).description), api.url


@pytest.mark.parametrize("name", HOSTILE)
def test_the_name_of_an_input_is_text(name):
    """It adds no header, no variable and no other host."""
    model = {"inputs": [{"name": name, "datatype": "FP32", "shape": [-1, 4]}]}
    found, url = drafted({"/v2/models/m": model})
    assert found["headers"] == {}
    assert urlsplit(found["url"]).netloc == urlsplit(url).netloc
    assert found["request"]["json"]["inputs"][0]["name"] == name


@pytest.mark.parametrize("path", HOSTILE)
@pytest.mark.parametrize("kind", ["openapi", "bento"])
def test_the_path_of_a_route_stays_on_the_host_that_was_named(kind, path):
    """Nothing in it is taken for a variable of the environment or for another host."""
    pages = {
        "openapi": {"/openapi.json": {"paths": {path: {"post": {}}}}},
        "bento": {
            "/schema.json": {"routes": [{"route": path, "input": {"properties": {path: 1}}}]}
        },
    }
    found, url = drafted(pages[kind])
    assert found["headers"] == {}
    assert urlsplit(found["url"]).netloc == urlsplit(url).netloc
    assert "${" not in found["url"]
