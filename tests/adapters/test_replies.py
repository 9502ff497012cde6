"""What APIs reply in their many manners is read as what it means, or named in one line."""

import base64
import io
import json
from urllib.parse import parse_qs

import numpy as np
import pytest
from PIL import Image

from auditkit.adapters.template import TemplateAdapter
from auditkit.adapters.wire.replies import Names
from auditkit.core.errors import QueryError, ReplyError, SuspectLoadError
from auditkit.core.points import pixels
from auditkit.core.requests import Options
from tests.adapters.test_template import NAMES, POINTS, SPEC, answered, sent

SPEED = ["20", "30", "50", "5", "100"]
BODY = '[request]\nbody = "png"\n[response]\n'
SCORES = '[response]\nscores = "scores"\n'
NESTED = {"predictions": [[0.1, 0.6, 0.1, 0.1, 0.1]]}
BEST = f'best = "@"\nclasses = {NAMES}'


def is_the_point(data: bytes) -> bool:
    """Whether a picture file holds the first point to the last bit."""
    picture = np.moveaxis(np.array(Image.open(io.BytesIO(data))), -1, 0)
    return np.array_equal(picture, pixels(POINTS, SPEC)[0])


@pytest.mark.parametrize(
    ("request_line", "read"),
    [
        (
            'json = { image = "data:image/png;base64,$point.png" }',
            lambda asked: json.loads(asked.body)["image"],
        ),
        (
            'json = { images = "data:image/png;base64,$points.png" }',
            lambda asked: json.loads(asked.body)["images"][0],
        ),
        (
            'form = { image = "data:image/png;base64,$point.png", k = "3" }',
            lambda asked: parse_qs(asked.body.decode())["image"][0],
        ),
        ('text = "data:image/png;base64,$point.png"', lambda asked: asked.body.decode()),
    ],
)
def test_a_data_url_holds_the_point(tmp_path, request_line, read):
    """In JSON, in a list, in a form or alone, the prefix stays before the picture."""
    found = read(sent(tmp_path, f"[request]\n{request_line}\n"))
    prefix, _, data = found.partition(",")
    assert prefix == "data:image/png;base64"
    assert is_the_point(base64.b64decode(data))


def test_fields_go_with_an_upload(tmp_path):
    """The other fields of a form are sent beside the file, as text."""
    upload = 'upload = { field = "file", kind = "png" }\nform = { model = "small", top_k = 5 }'
    asked = sent(tmp_path, f"[request]\n{upload}\n")
    for name, value in (("model", b"small"), ("top_k", b"5")):
        assert f'name="{name}"'.encode() in asked.body
        assert b"\r\n\r\n" + value + b"\r\n" in asked.body
    assert b'name="file"; filename="0.png"' in asked.body
    assert asked.headers["content-type"].startswith("multipart/form-data; boundary=")


def test_a_form_alone_is_urlencoded(tmp_path):
    """Fields without a file are sent as browsers send them, numbers as JSON."""
    asked = sent(tmp_path, 'values = "0..1"\n[request]\nform = { x = "$point.flat", k = "3 & 4" }')
    found = parse_qs(asked.body.decode())
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    assert found["k"] == ["3 & 4"]
    np.testing.assert_allclose(json.loads(found["x"][0]), POINTS[0].ravel(), atol=1e-7)


def test_json_goes_within_a_text_of_json(tmp_path):
    """A gateway that wants its body as a text gets one."""
    line = """[request]\njson = { body = '{"inputs": $points.nested}' }"""
    inner = json.loads(json.loads(sent(tmp_path, line).body)["body"])
    assert np.array(inner["inputs"]).shape == (1, 3, 8, 8)


def test_a_content_type_that_is_described_is_sent(tmp_path):
    """It replaces the usual one, once, whatever its case."""
    text = '[headers]\nContent-Type = "application/vnd.x+json"\n[request]\njson = ["$point.png"]'
    assert sent(tmp_path, text).headers["content-type"] == "application/vnd.x+json"


@pytest.mark.parametrize(
    "reply",
    [
        NESTED,
        json.dumps(NESTED),
        json.dumps(json.dumps(NESTED)),
        {"predictions": json.dumps(NESTED["predictions"])},
        {"predictions": [json.dumps(NESTED["predictions"][0])]},
        {"predictions": [[str(score) for score in NESTED["predictions"][0]]]},
        {"predictions": [[f"{100 * score:.1f} %" for score in NESTED["predictions"][0]]]},
    ],
)
def test_json_within_json_is_read(tmp_path, reply):
    """A reply that is a text of JSON, or holds one, is the reply; numbers may be texts."""
    _, found = answered(tmp_path, f'{BODY}scores = "predictions"', reply)
    np.testing.assert_allclose(found, NESTED["predictions"], atol=1e-6)
    wrapped = {"statusCode": 200, "body": json.dumps(NESTED)}
    _, found = answered(tmp_path, f'{BODY}scores = "body.predictions"', wrapped)
    np.testing.assert_allclose(found, NESTED["predictions"], atol=1e-6)


@pytest.mark.parametrize("label", ["Cat ", "CAT", " cat", "cat\n", "ｃａｔ"])
def test_names_in_other_case_are_the_names(tmp_path, label):
    """Case, space around and width of letters make no other class."""
    text = f'{BODY}labels = "label"\nclasses = {NAMES}'
    np.testing.assert_array_equal(answered(tmp_path, text, {"label": label})[1], [2])


def test_names_that_differ_in_case_alone_stay_apart():
    """What would make two classes one is not done."""
    names = Names(["ant", "Ant", "sea_bee"])
    found = [names.number(name) for name in ("ant", "Ant", "ANT", "Sea Bee")]
    assert found == [0, 1, None, 2]


@pytest.mark.parametrize(
    ("label", "number"),
    [("20", 0), (20, 0), (20.0, 0), ("5", 3), (5, 3), ("100", 4), (" 30", 1), (3, None), (0, None)],
)
def test_names_that_are_numbers_are_names(label, number):
    """Where a class is called 20, the reply 20 means it, and 3 means no class."""
    assert Names(SPEED).number(label) == number


@pytest.mark.parametrize(
    ("label", "number"),
    [("3", 3), (3, 3), (3.0, 3), ("LABEL_3", 3), ("class 3", 3), (-1, -1), ("nan", -1), (None, -1)],
)
def test_numbered_classes_need_no_names(label, number):
    """A number is a class, and so are the names that libraries make of numbers."""
    assert Names([]).number(label) == number


@pytest.mark.parametrize("label", [True, [1], {"a": 1}, 2.5, "0.25"])
def test_what_is_no_label_is_one_line(label):
    """Scores, lists and truth values are no classes."""
    with pytest.raises(ReplyError, match="name or number"):
        Names([]).number(label)


@pytest.mark.parametrize(
    ("paths", "reply", "expected"),
    [
        ("", [{"label": "dog", "score": 0.6}, {"label": "ant", "score": 0.3}], [0.3, 0.6]),
        ("", [{"label": "dog", "score": "60%"}, {"label": "ant", "score": "30 %"}], [0.3, 0.6]),
        ("", {"label": ["dog", "ant"], "score": [0.6, 0.3]}, [0.3, 0.6]),
        ("", [{"label": ["dog", "ant"], "score": [0.6, 0.3]}], [0.3, 0.6]),
        ('label = "names"\nscore = "p"', {"names": ["dog", "ant"], "p": [0.6, 0.3]}, [0.3, 0.6]),
        ("", {"DOG": 0.6, "ant ": 0.3}, [0.3, 0.6]),
        ("", [{"dog": 0.6, "ant": 0.3}], [0.3, 0.6]),
        ("", [{"label": "dog", "score": 0.6}, {"label": "yak", "score": 0.4}], [0.1, 0.6]),
    ],
)
def test_lists_of_the_best_are_read(tmp_path, paths, reply, expected):
    """As objects, as two sorted lists, as names with scores; a class too many takes no place."""
    _, found = answered(tmp_path, f"{BODY}{BEST}\n{paths}", reply)
    np.testing.assert_allclose(found[0, [0, 3]], expected, atol=1e-6)
    assert found.shape == (1, 5)


def test_one_class_with_its_percent_is_an_answer(tmp_path):
    """An object of a class and its score is a list of one."""
    _, found = answered(tmp_path, f"{BODY}{BEST}", {"label": "bee", "score": "97.3%"})
    np.testing.assert_allclose(found[0, 1], 0.973, atol=1e-6)


@pytest.mark.parametrize(
    ("response", "reply"),
    [
        (BEST, []),
        (BEST, [[]]),
        (BEST, {}),
        (f"{BEST}\nothers = ['yak']", [{"label": "yak", "score": 0.9}]),
        (f"{BEST}\nothers = ['yak']", {"yak": 0.9, "ant": 0.1}),
        (BEST, {"yak": 0.9, "ant": 0.1}),
        ('scores = "@"', [[None] * 5]),
        ('labels = "[].label"', []),
        ('labels = "@"', [None]),
    ],
)
def test_what_names_no_class_is_no_answer(tmp_path, response, reply):
    """Nothing above a threshold, or a class that the owner lacks, leaves the point unanswered."""
    _, found = answered(tmp_path, f"{BODY}{response}", reply)
    assert (found == -1).all() if found.ndim == 1 else np.isnan(found).all()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("text = 3", "text wants a text"),
        ('form = { x = "3" }', r"form wants a text like \$point.png"),
        ('form = "x"', r"wanted a table \[form\]"),
        (
            'upload = { field = "f", kind = "png" }\nform = { x = "$point.png" }',
            "in upload already",
        ),
        ('body = "png"\nform = { x = "$point.png" }', "got body, form"),
        ('json = { x = "a $point.png b $point.gif" }', r"\$point.gif"),
        ('json = { x = "data:$point" }', r"data:\$point"),
        ('body = "png"\n[response]\nothers = ["x"]\nclasses = ["x"]', "others names a class"),
        ('body = "png"\n[response]\nothers = "x"', "others wants a list"),
    ],
)
def test_wrong_descriptions_are_one_line(tmp_path, line, message):
    """A mistake in the new parts is named before anything is sent."""
    response = "" if "[response]" in line else "[response]"
    (tmp_path / "api.toml").write_text(
        f'url = "https://x.example/y"\n[request]\n{line}\n{response}\nscores = "a"\n'
    )
    with pytest.raises(SuspectLoadError, match=message) as caught:
        TemplateAdapter(str(tmp_path / "api.toml"), Options())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("reply", ["[" * 5000, '{"a": ' * 2000, "[1, 2", "{}}", '"[[[['])
def test_texts_that_only_begin_like_json_stay_texts(tmp_path, reply):
    """They are no crash, however deep."""
    with pytest.raises(QueryError) as caught:
        answered(tmp_path, f'{BODY}scores = "predictions"', {"predictions": reply})
    assert "\n" not in str(caught.value)
