"""Replies of remote suspects: answers in a known form, or one line."""

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from random import Random
from unittest import mock

import numpy as np

from auditkit.adapters.oip import oip
from auditkit.adapters.predict import predict
from auditkit.adapters.template import template
from auditkit.adapters.wire import connections, oip_rest, web
from auditkit.adapters.wire.web import Reply, Web
from auditkit.core.access import access_of, checked
from auditkit.core.answers import answers_of, joined
from auditkit.core.requests import Options
from fuzz.base import Harness
from fuzz.mutator import changed, changed_value

HOST = "http://127.0.0.1:9"
COUNT, CLASSES = 2, 3
ROWS = [[0.5, 0.25, 0.25], [0.1, 0.2, 0.7]]
BEST = [[{"label": "cat", "score": 0.5}, {"label": "dog", "score": 0.25}]] * COUNT
DESCRIPTION = """
url = "{host}/ask"
batch = 2
[request]
json = {{ x = "$points.nested" }}
[response]
{response}
"""
RESPONSES = {
    'scores = "p"': {"p": ROWS},
    'labels = "p[].label"': {"p": [{"label": 1}, {"label": 2}]},
    'labels = "p"\nclasses = ["cat", "dog", "cow"]\nothers = ["else"]': {"p": ["cat", "dog"]},
    'best = "p"\nclasses = ["cat", "dog", "cow"]': {"p": BEST},
    'best = "p"\nlabel = "k"\nscore = "v"\nclasses = ["cat", "dog", "cow"]': {
        "p": json.dumps([{"cat": "50%", "dog": 0.5}] * COUNT)
    },
}
METADATA = {
    "name": "m",
    "versions": ["1"],
    "platform": "x",
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}],
    "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, CLASSES]}],
}
ANSWERED = {
    "model_name": "m",
    "id": "1",
    "outputs": [
        {"name": "y", "datatype": "FP32", "shape": [COUNT, CLASSES], "data": [*ROWS[0], *ROWS[1]]}
    ],
}
BINARY = {
    "outputs": [
        {
            "name": "y",
            "datatype": "FP32",
            "shape": [COUNT, CLASSES],
            "parameters": {"binary_data_size": 4 * COUNT * CLASSES},
        }
    ]
}
NUMBERS = np.array(ROWS, "<f4").tobytes()
LENGTHS = (b"0", b"-1", b"9" * 11, b"9" * 5000, "²".encode(), b"")


@dataclass(frozen=True, slots=True)
class _Given:
    """What a server says: its pages, and its reply."""

    source: str
    page: bytes
    reply: bytes
    length: str


class _Replies:
    """Mutants of what servers of each protocol say."""

    def __init__(self, folder: Path) -> None:
        self._asked: list[tuple[str, object]] = []
        for number, (response, reply) in enumerate(RESPONSES.items()):
            path = folder / f"{number}.toml"
            path.write_text(DESCRIPTION.format(host=HOST, response=response))
            self._asked.append((str(path), reply))
        self._asked.append((f"{HOST}/v1/models/m:predict", {"predictions": ROWS}))
        self._asked.append((f"{HOST}/v2/models/m", ANSWERED))
        self._asked.append((f"{HOST}/v2/models/m", BINARY))

    def draw(self, chance: Random) -> _Given:
        """See `Target.draw`."""
        source, reply = chance.choice(self._asked)
        page = METADATA if chance.random() < 0.7 else changed_value(METADATA, chance)
        if chance.random() < 0.3:
            body = changed(_written(reply), chance)
        else:
            body = _written(changed_value(reply, chance))
        length = str(len(body))
        if reply is BINARY:
            body += NUMBERS if chance.random() < 0.7 else changed(NUMBERS, chance)
            if chance.random() < 0.2:
                length = chance.choice(LENGTHS).decode()
        return _Given(source, _written(page), body, length)

    def attempt(self, given: _Given) -> None:
        """See `Target.attempt`."""
        with _server(given):
            kind = template if given.source.endswith(".toml") else _protocol(given.source)
            adapter = kind.open(given.source, Options("cpu", classes=CLASSES))
            try:
                port = adapter.port
                batch = np.zeros((COUNT, 4), port.dtype or np.float32)
                found = adapter.answer(batch)
            finally:
                adapter.close()
        for reply in found.values() if isinstance(found, dict) else (found,):
            whole = joined([checked(reply, COUNT)])
            revealed = access_of(whole)
            answers_of(whole, revealed, revealed)


def _protocol(source: str) -> object:
    return predict if source.endswith(":predict") else oip


def _written(value: object) -> bytes:
    try:
        return json.dumps(value).encode()
    except (ValueError, TypeError, RecursionError):
        return b"{}"


def _server(given: _Given) -> contextlib.ExitStack:
    """A server that says this, in place of one that is asked."""

    def replied(_web: Web, method: str, url: str, *_: object) -> Reply:
        if method == "POST":
            return Reply({oip_rest.LENGTH: given.length}, given.reply)
        if url.endswith("/v2"):
            return Reply({}, b'{"extensions": ["binary_tensor_data"]}')
        return Reply({}, given.page)

    stack = contextlib.ExitStack()
    stack.enter_context(mock.patch.object(web.Web, "_reply", replied))
    # Reading the system's certificates takes longer than everything else.
    stack.enter_context(mock.patch.object(connections, "_trusted"))
    return stack


HARNESS = Harness("replies", _Replies)
