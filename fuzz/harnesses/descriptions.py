"""Descriptions of APIs: read as they say, or refused in one line; never a secret unasked."""

from pathlib import Path
from random import Random

import numpy as np

from auditkit.adapters.wire import description
from auditkit.adapters.wire.addresses import parsed
from auditkit.adapters.wire.description import LAYOUTS, REQUESTS, RESPONSES, VALUES, parse
from auditkit.adapters.wire.filling import body_of
from fuzz.base import Harness, Wrong
from fuzz.mutator import changed

PIECES = tuple(
    piece.encode()
    for piece in (
        *("$points.nested", "$point.png", "$points.npy", "${HOME}", "${file:/etc/hostname}"),
        *("[headers]", "[request]", "[response]", "batch = 1\n", "size = [2, 2]\n", '"""', "'''"),
        *(
            'json = { x = "$points.flat" }\n',
            'upload = { field = "f", kind = "png" }\n',
            "[[",
            "]]",
        ),
        *('body = "png"\n', 'form = { a = "$points.flat" }\n', 'text = "$point.png"\n', "\\u0000"),
    )
)


class _Descriptions:
    """Mutants of the example in the documentation of descriptions."""

    def __init__(self, _folder: Path) -> None:
        text = description.__doc__ or ""
        lines = [line.strip() for line in text.splitlines() if line.startswith("    ")]
        drawn = [line for line in lines if not line.startswith(("upload", "body", "text", "form"))]
        kept = [line for line in drawn if not line.startswith(("labels", "best"))]
        self._good = "\n".join(kept).encode()
        parse(self._good.decode(), "api.toml")

    def draw(self, chance: Random) -> str:
        """See `Target.draw`."""
        lines = self._good.split(b"\n")
        if chance.random() < 0.5:
            lines[chance.randrange(len(lines))] = chance.choice(PIECES)
        if chance.random() < 0.3:
            chance.shuffle(lines)
        data = b"\n".join(lines)
        return changed(data, chance, PIECES).decode("utf-8", "replace")

    def attempt(self, given: str) -> None:
        """See `Target.attempt`."""
        found = parse(given, "api.toml")
        known = found.request in REQUESTS and found.response in RESPONSES
        if not known or found.values not in VALUES or found.layout not in LAYOUTS:
            raise Wrong("a description of a kind that there is not")
        parsed(found.url)
        batch = np.zeros((min(found.batch, 3), 3, 2, 2), np.uint8)
        body_of(found, batch)


HARNESS = Harness("descriptions", _Descriptions)
