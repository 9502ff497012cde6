"""Pages of a server that is probed: its words stay words in the description drafted of it."""

import json
import tomllib
from pathlib import Path
from random import Random
from unittest import mock
from urllib.parse import urlsplit

from auditkit.adapters.wire import probing
from auditkit.adapters.wire.description import TOP
from auditkit.adapters.wire.secrets import PLACE
from auditkit.adapters.wire.web import Reply
from auditkit.core import plugins
from auditkit.core.errors import QueryError
from auditkit.core.requests import Reach
from fuzz.base import Harness, Wrong
from fuzz.mutator import changed_value

HOST = "https://api.example.org"
HOSTILE = (
    *('"\n[headers]\nX = "${PATH}', "${PATH}", "/a?k=${PATH}", "${file:/etc/passwd}", ".evil.org/"),
    *(
        "@evil.org/",
        "//evil.org/",
        "]\x00\x1b[31m\x7f",
        '" }\n[headers]\nX = "${PATH}"\n#',
        "\ud800",
    ),
)
IMAGE = {"type": "string", "format": "byte", "description": "data URL", "enum": ["one", "other"]}
ENTRY = {"properties": {"label": {"type": "string"}, "score": {"type": "number"}}}
PAGES = {
    "/v2/models/m": {
        "versions": ["1"],
        "platform": "x",
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 3]}],
    },
    "/schema.json": {"routes": [{"route": "/ask", "input": {"properties": {"x": {}}}}]},
    "/openapi.json": {
        "components": {"schemas": {"Image": IMAGE, "Entry": ENTRY}},
        "paths": {
            "/ask": {
                "post": {
                    "parameters": [
                        {"name": "v", "in": "query", "required": True, "schema": {"default": "1"}}
                    ],
                    "requestBody": {
                        "content": {
                            "application/json": {
                                "schema": {
                                    "type": "object",
                                    "required": ["image", "model"],
                                    "properties": {
                                        "image": {"$ref": "#/components/schemas/Image"},
                                        "model": {"type": "string", "default": "small"},
                                    },
                                }
                            }
                        }
                    },
                    "responses": {
                        "200": {
                            "content": {
                                "application/json": {
                                    "schema": {
                                        "type": "array",
                                        "items": {"$ref": "#/components/schemas/Entry"},
                                    }
                                }
                            }
                        }
                    },
                }
            }
        },
    },
}


class _Probes:
    """Mutants of one page of a server that speaks one protocol."""

    def __init__(self, _folder: Path) -> None:
        self._paths = list(PAGES)

    def draw(self, chance: Random) -> tuple[str, bytes]:
        """See `Target.draw`."""
        path = chance.choice(self._paths)
        page = _with_hostile(PAGES[path], chance)
        try:
            return path, json.dumps(changed_value(page, chance)).encode()
        except (ValueError, TypeError, RecursionError):
            return path, b"{}"

    def attempt(self, given: tuple[str, bytes]) -> None:
        """See `Target.attempt`."""
        path, page = given
        address = f"{HOST}{path if path.startswith('/v2') else '/'}"
        # Looking for installed plug-ins takes longer than everything else.
        alone = mock.patch.object(plugins, "_installed", return_value=[])
        with alone, mock.patch.object(probing, "Web", return_value=_Server(path, page)):
            found = probing.probe(address, Reach())
        drafted = tomllib.loads(found.description)
        url = str(drafted["url"])
        same = urlsplit(url).netloc == urlsplit(HOST).netloc and urlsplit(url).scheme == "https"
        if not same or PLACE.search(url) or drafted["headers"] or not set(drafted) <= TOP:
            raise Wrong(f"a server wrote into the description: {drafted}")
        if found.suspect not in (None, address):
            raise Wrong("a server names the address to ask")


class _Server:
    """It has one page."""

    def __init__(self, path: str, page: bytes) -> None:
        self._path, self._page = path, page

    def get(self, url: str) -> Reply:
        """Return the page."""
        if urlsplit(url).path != self._path:
            raise QueryError("status 404")
        return Reply({}, self._page)

    def close(self) -> None:
        """Nothing is open."""


def _with_hostile(value: object, chance: Random) -> object:
    """Put hostile texts in place of some texts and names."""
    if isinstance(value, dict):
        return {_text(key, chance, 0.04): _with_hostile(one, chance) for key, one in value.items()}
    if isinstance(value, list):
        return [_with_hostile(one, chance) for one in value]
    return _text(value, chance, 0.15) if isinstance(value, str) else value


def _text(text: str, chance: Random, share: float) -> str:
    return chance.choice(HOSTILE) if chance.random() < share else text


HARNESS = Harness("probes", _Probes)
