"""Predictions in their many shapes are read as scores, as labels or as the best classes."""

import json

import numpy as np
import pytest

from auditkit.adapters.predict import PredictAdapter
from auditkit.core.errors import QueryError
from auditkit.core.points import InputSpec
from auditkit.core.requests import Options
from tests.api import Api, told
from tests.conftest import answered_by

SPEC = InputSpec((4,), (0.0,), (1.0,))
POINTS = np.random.default_rng(0).random((2, 4)).astype(np.float32)
SCORES = [[0.1, 0.2, 0.4, 0.2, 0.1], [0.5, 0.2, 0.1, 0.1, 0.1]]
ORDER, SORTED = [[2, 1, 3], [0, 1, 2]], [[0.4, 0.2, 0.2], [0.5, 0.2, 0.1]]
EMBEDDING = [[0.9] * 8, [0.8] * 8]
WORDS = ["zero", "one", "two", "three", "four"]


def answered(rows, wrap=lambda reply: reply):
    """What comes of these predictions."""

    def reply(asked):
        if asked.method == "GET":
            return told({}, 404)
        count = len(json.loads(asked.body)["instances"])
        return told(wrap({"predictions": rows[:count]}))

    with Api(reply) as api:
        adapter = PredictAdapter(f"{api.url}/v1/models/m:predict", Options(classes=5))
        try:
            return answered_by(adapter, POINTS, SPEC, classes=5)
        finally:
            adapter.close()


def objects(**columns):
    """A row for each point, with these names."""
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


@pytest.mark.parametrize(
    "rows",
    [
        SCORES,
        objects(probabilities=SCORES),
        objects(embedding=EMBEDDING, probabilities=SCORES),
        objects(embedding=EMBEDDING, anything=SCORES),
        objects(logits=EMBEDDING, head=SCORES),
        objects(name=["two", "zero"], scores=SCORES),
        objects(version=["7", "7"], scores=SCORES),
        [[[[score]] for score in row] for row in SCORES],
    ],
)
@pytest.mark.parametrize("wrap", [lambda reply: reply, json.dumps])
def test_as_many_scores_as_the_owner_has_classes_are_the_answer(rows, wrap):
    """Beside features, names and versions, in a list or an object, in JSON or a text of it."""
    np.testing.assert_allclose(answered(rows, wrap), SCORES, atol=1e-6)


@pytest.mark.parametrize(
    "rows",
    [
        objects(classes=ORDER, scores=SORTED),
        objects(classes=[[str(k) for k in row] for row in ORDER], scores=SORTED),
        objects(ids=ORDER, confidences=SORTED, embedding=EMBEDDING),
    ],
)
def test_the_best_by_number_are_top_k(rows):
    """Sorted scores belong to the classes that are listed beside them."""
    found = answered(rows)
    np.testing.assert_allclose(np.take_along_axis(found, np.array(ORDER), 1), SORTED, atol=1e-6)
    assert found.shape == (2, 5)


@pytest.mark.parametrize("rows", [[2, 0], ["2", "0"], objects(label=[2, 0], p=[0.4, 0.5])])
def test_labels_alone_are_labels(rows):
    """A class for each point, by number, also as a text or beside its score."""
    np.testing.assert_array_equal(answered(rows), [2, 0])


@pytest.mark.parametrize(
    "rows",
    [
        ["two", "zero"],
        objects(displayNames=[[WORDS[k] for k in row] for row in ORDER], confidences=SORTED),
        objects(
            ids=[[str(900 + k) for k in row] for row in ORDER],
            displayNames=[[WORDS[k] for k in row] for row in ORDER],
            confidences=SORTED,
        ),
        objects(names=[WORDS, WORDS], scores=SCORES),
        objects(label=["two", "zero"], confidence=[0.4, 0.5]),
    ],
)
def test_classes_by_name_ask_for_a_description(rows):
    """Sorted scores with names are never taken for scores of the classes in order."""
    with pytest.raises(QueryError, match=r"told by name .*describe the API"):
        answered(rows)


@pytest.mark.parametrize("reply", [{"error": "busy"}, [], {"predictions": {}}, "busy", None])
def test_other_replies_are_told(reply):
    """What came in place of predictions is in the one line."""
    with pytest.raises(QueryError, match="no list of 'predictions'"):
        answered(SCORES, lambda _: reply)
