"""An API is asked as its description says, and a wrong description is one line."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from auditkit.adapters.template import TemplateAdapter
from auditkit.core.errors import (
    QueryError,
    SuspectError,
    SuspectLoadError,
    SuspectMismatchError,
)
from auditkit.core.points import InputSpec, pixels
from auditkit.core.requests import Options
from tests.api import Api, Asked, told
from tests.conftest import answered_by

SPEC = InputSpec((3, 8, 8), (0.0,), (1.0,), mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.2))
POINTS = (np.random.default_rng(0).integers(0, 256, (3, 3, 8, 8)) / 255).astype(np.float32)
PIXELS = pixels(POINTS, SPEC)
NAMES = ["ant", "bee", "cat", "dog", "eel"]
REPLY = {"scores": [[0.1, 0.2, 0.3, 0.3, 0.1]]}


def answered(tmp_path, text, reply, points=POINTS[:1]):
    """What the described API was sent, and what came of its reply."""
    with Api(lambda _asked: told(reply)) as api:
        path = tmp_path / "api.toml"
        path.write_text(f'url = "{api.url}/classify"\n{text}')
        adapter = TemplateAdapter(str(path), Options(classes=5))
        try:
            return api.asked, answered_by(adapter, points, SPEC)
        finally:
            adapter.close()


def sent(tmp_path, text, points=POINTS[:1]) -> Asked:
    """What the described API was sent."""
    asked, _ = answered(tmp_path, f'{text}\n[response]\nscores = "scores"\n', REPLY, points)
    return asked[0]


def test_nested_points_are_what_the_owner_takes(tmp_path):
    """Without a word on values, numbers are normalised as for the owner's model."""
    body = json.loads(sent(tmp_path, '[request]\njson = { x = "$points.nested" }').body)
    mean, std = (np.array(v, np.float32).reshape(3, 1, 1) for v in (SPEC.mean, SPEC.std))
    np.testing.assert_allclose(body["x"], (POINTS[:1] - mean) / std, rtol=1e-6)


def test_values_layout_and_size_are_as_described(tmp_path):
    """Pixels, channels last, resized: as the description says."""
    text = (
        'values = "0..255"\nlayout = "channels-last"\nsize = [4, 6]\n'
        '[request]\njson = { x = "$point.nested" }'
    )
    found = np.array(json.loads(sent(tmp_path, text).body)["x"])
    assert found.shape == (4, 6, 3)
    assert found.dtype.kind == "i"
    text = 'values = "0..1"\n[request]\njson = { x = "$point.flat", k = 3 }'
    body = json.loads(sent(tmp_path, text).body)
    np.testing.assert_allclose(body["x"], POINTS[0].ravel(), atol=1e-7)
    assert body["k"] == 3


def test_pictures_arrive_exactly(tmp_path):
    """A PNG, in JSON, as an upload or as the body, holds the point's pixels to the last bit."""
    body = json.loads(sent(tmp_path, '[request]\njson = { x = ["$point.png"] }').body)
    raw = sent(tmp_path, '[request]\nbody = "png"')
    upload = sent(tmp_path, '[request]\nupload = { field = "image", kind = "png" }')
    part = upload.body.partition(b"\r\n\r\n")[2].rpartition(b"\r\n--")[0]
    assert raw.headers["content-type"] == "image/png"
    assert b'name="image"; filename="0.png"' in upload.body
    for data in (base64.b64decode(body["x"][0]), raw.body, part):
        picture = np.array(Image.open(io.BytesIO(data)))
        np.testing.assert_array_equal(np.moveaxis(picture, -1, 0), PIXELS[0])


def test_jpeg_and_npy_arrive(tmp_path):
    """A JPEG is close to the point, an npy the same."""
    jpeg = sent(tmp_path, '[request]\nbody = "jpeg"')
    picture = np.moveaxis(np.array(Image.open(io.BytesIO(jpeg.body))), -1, 0)
    assert np.abs(picture.astype(int) - PIXELS[0]).mean() < 8
    body = json.loads(
        sent(tmp_path, 'values = "0..1"\n[request]\njson = { x = "$points.npy" }').body
    )
    array = np.load(io.BytesIO(base64.b64decode(body["x"])), allow_pickle=False)
    np.testing.assert_array_equal(array, POINTS[:1])


def test_headers_take_their_secret_from_the_environment(tmp_path, monkeypatch):
    """A described token is sent, and is not in the description."""
    monkeypatch.setenv("API_TOKEN", "planted-token-0123")
    text = '[headers]\nX-Api-Key = "${API_TOKEN}"\n[request]\nbody = "png"'
    assert sent(tmp_path, text).headers["x-api-key"] == "planted-token-0123"


@pytest.mark.parametrize(
    ("response", "reply", "expected"),
    [
        ('scores = "a[0]"', {"a": [[1, 2, 3, 4, 5]]}, [[1, 2, 3, 4, 5]]),
        ('scores = "a"', {"a": [[1, 2, 3, 4, 5]]}, [[1, 2, 3, 4, 5]]),
        ('labels = "label"', {"label": 3}, [3]),
        ('labels = "[].label"', [{"label": "3"}], [3]),
        (f'labels = "label"\nclasses = {NAMES}', {"label": "cat"}, [2]),
        (f'labels = "label"\nclasses = {NAMES}\nothers = ["yak"]', {"label": "yak"}, [-1]),
        (
            f'best = "@"\nclasses = {NAMES}',
            [{"label": "bee", "score": 0.7}, {"label": "ant", "score": 0.2}],
            [[0.2, 0.7, 0.1 / 3, 0.1 / 3, 0.1 / 3]],
        ),
        (
            f'best = "p"\nlabel = "n"\nscore = "s.v"\nclasses = {NAMES}',
            {"p": [[{"n": "eel", "s": {"v": 0.6}}, {"n": "dog", "s": {"v": 0.4}}]]},
            [[0, 0, 0, 0.4, 0.6]],
        ),
        (
            f'best = "@"\nclasses = {NAMES}',
            {"dog": 0.6, "ant": 0.3},
            [[0.3, 1 / 30, 1 / 30, 0.6, 1 / 30]],
        ),
        ('best = "@"', [{"label": 4, "score": 9.5}, {"label": 0, "score": 2.5}], [[0, 0, 0, 0, 1]]),
    ],
)
def test_answers_are_found(tmp_path, response, reply, expected):
    """Scores, labels and lists of the best, by number or name, are found where described."""
    text = f'[request]\nbody = "png"\n[response]\n{response}\n'
    _, found = answered(tmp_path, text, reply)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("response", "reply", "message"),
    [
        ('scores = "b"', {"a": 1}, "leads nowhere"),
        ('scores = "a"', {"a": ["x"]}, "no rows of numbers"),
        ('scores = "length(a)"', {"a": 3}, "does not fit the reply"),
        ('labels = "a"', {"a": [1, 2]}, "leads to 2 labels, wanted 1"),
        ('labels = "a"', {"a": "cat"}, "list them in the owner's order"),
        ('labels = "a"', {"a": {"x": 1}}, "name or number"),
        ('best = "a"', {"a": [{"label": 1}]}, "leads nowhere"),
        ('best = "a"', {"a": [{"label": 1, "score": "high"}]}, "no number"),
        ('best = "a"', {"a": [{"label": 9, "score": 1}]}, "label spaces differ"),
        ('best = "a"', {"a": [{"label": 1, "score": 0.5}] * 2}, "names one twice"),
        ('best = "a"', {"a": 7}, "no list of classes"),
        (f'best = "a"\nclasses = {NAMES}', {"a": {"yak": 1}}, '"yak", which'),
        (f'labels = "a"\nclasses = {NAMES}', {"a": "yak"}, '"yak", which'),
        (f'labels = "a"\nclasses = {NAMES}', {"a": True}, "name or number"),
        ('scores = "a"', {"error": "worker restarted"}, "worker restarted"),
    ],
)
def test_other_replies_are_one_line(tmp_path, response, reply, message):
    """A reply that does not hold what was described says so, and where."""
    text = f'[request]\nbody = "png"\n[response]\n{response}\n'
    with pytest.raises(QueryError, match=message) as caught:
        answered(tmp_path, text, reply)
    assert "\n" not in str(caught.value)


RIGHT = 'url = "https://x.example/y"\n[request]\nbody = "png"\n[response]\nscores = "a"\n'


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('url = "https://x.example/y"', "", "wanted a text as 'url'"),
        ("url", "uri", "has 'uri'"),
        ('body = "png"', "", r"\[request\] wants one of"),
        ('body = "png"', 'body = "gif"', "body wants npy, png or jpeg"),
        ('body = "png"', 'json = { x = "$image" }', "wants a text like"),
        ('body = "png"', 'json = { x = "$point.gif" }', r"\$point.gif"),
        ('body = "png"', 'upload = { field = "x" }', "upload wants"),
        ('body = "png"', 'body = "png"\njson = {}', "got json, body"),
        ('scores = "a"', "", r"\[response\] wants one of"),
        ('scores = "a"', 'scores = "a["', "no JMESPath"),
        ('scores = "a"', 'scores = "a"\nclasses = ["x", "x"]', "names one twice"),
        ("[request]", "batch = 0\n[request]", "batch wants"),
        ("[request]", 'values = "z"\n[request]', "values wants one of"),
        ("[request]", "size = [1]\n[request]", "size wants"),
        ("[request]", "[request", "api.toml"),
        ("[request]", '[headers]\nAuthorization = "abc"\n[request]', "must name its secret"),
    ],
)
def test_wrong_descriptions_are_one_line(tmp_path, before, after, message):
    """A mistake in the file is named in one line before anything is sent."""
    path = tmp_path / "api.toml"
    path.write_text(RIGHT.replace(before, after, 1))
    with pytest.raises(SuspectLoadError, match=message) as caught:
        TemplateAdapter(str(path), Options())
    assert "\n" not in str(caught.value)


def test_points_that_are_no_pictures_are_not_sent_as_such(tmp_path):
    """Table rows can't be uploaded as PNG."""
    (tmp_path / "api.toml").write_text(RIGHT.replace("https://x.example", "http://127.0.0.1:9"))
    rows = InputSpec((4,), (0.0,), (9.0,))
    adapter = TemplateAdapter(str(tmp_path / "api.toml"), Options())
    with pytest.raises(SuspectMismatchError, match="no images"):
        answered_by(adapter, np.zeros((1, 4), np.float32), rows)
    adapter.close()


def test_files_that_are_no_text_are_one_line(tmp_path):
    """A binary file is no description."""
    (tmp_path / "api.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SuspectError, match="no text"):
        TemplateAdapter(str(tmp_path / "api.toml"), Options())
