"""Forms of APIs that a description describes: what goes into a request, what stands in a reply."""

import base64
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image

from auditkit.core.arrays import Json, Rows

Read = Callable[[bytes], Rows]
Say = Callable[[Mapping[str, Rows]], Json]


def from_json(body: bytes) -> Rows:
    """The numbers under `inputs`."""
    return np.asarray(json.loads(body)["inputs"])


def picture(data: bytes) -> Rows:
    """(1, 1, height, width) in 0..1 of a picture file."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("L"))[None, None] / 255


def only(outputs: Mapping[str, Rows]) -> Rows:
    """The only output."""
    [rows] = outputs.values()
    return rows


@dataclass(frozen=True)
class Form:
    """A description, and what the API behind it does."""

    request: str = 'json = { inputs = "$points.nested" }'
    response: str = 'scores = "outputs"'
    top: str = "batch = 16"
    read: Read = from_json
    say: Say = lambda outputs: {"outputs": only(outputs).tolist()}

    def description(self, url: str) -> str:
        """The TOML file for this address."""
        return (
            f'url = "{url}"\n{self.top}\n[request]\n{self.request}\n[response]\n{self.response}\n'
        )


def listed(outputs: Mapping[str, Rows]) -> Json:
    """The best classes as objects."""
    pairs = zip(outputs["indices"].tolist(), outputs["values"].tolist(), strict=True)
    return {"outputs": [[{"label": str(c), "score": s} for c, s in zip(*pair, strict=True)]
                        for pair in pairs]}  # fmt: skip


def percent(outputs: Mapping[str, Rows]) -> Json:
    """Probabilities as people write them."""
    return {"outputs": [[f"{100 * score:.3f} %" for score in row] for row in only(outputs)]}


JSON = Form()
FLAT = Form('json = { inputs = "$points.flat" }')
LAST = Form(top='batch = 16\nlayout = "channels-last"')
PIXELS = Form(top='batch = 16\nvalues = "0..255"')
LABELS = Form(response='labels = "outputs"')
BEST = Form(response='best = "outputs"', say=listed)
PERCENT = Form(say=percent)
UPLOAD = Form(
    'upload = { field = "file", kind = "png" }',
    top="batch = 1",
    read=lambda body: picture(body[body.find(b"\x89PNG") :]),
)
BODY = Form('body = "png"', top="batch = 1", read=picture)
DATA_URL = Form(
    'json = { inputs = "data:image/png;base64,$point.png" }',
    top="batch = 1",
    read=lambda body: picture(base64.b64decode(json.loads(body)["inputs"].partition(",")[2])),
)
