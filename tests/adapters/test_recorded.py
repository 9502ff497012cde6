"""Recorded answers are those of the points they are bound to, or refused, or acquit nobody."""

import csv
import io
import re

import numpy as np
import pytest
from PIL import Image

from auditkit import api
from auditkit.core.errors import EvidenceError
from auditkit.core.points import InputSpec, pixels, point_digest
from auditkit.core.requests import Asking
from auditkit.core.verdicts import Decision, Verdict
from auditkit.files.queries import write_queries
from tests.conftest import CLASSES, COPY, STRANGER, linear


def answers(bundle, weights=COPY):
    """The columns that a vendor may send back, of all points in their order."""
    points = bundle.fingerprint.sheet.points
    scores = linear(points, weights)
    columns = {f"score_{k}": scores[:, k] for k in range(CLASSES)}
    return {
        "index": np.arange(len(points)),
        "query": [point_digest(point) for point in points],
        "file": [f"asked/{n:04}.png" for n in range(len(points))],
        "": np.arange(len(points)),
        "label": scores.argmax(1),
        **{f"x{k}": points.reshape(len(points), -1)[:, k] for k in range(3)},
        **columns,
    }


def audited(bundle, folder, columns, order=None, mark="", **asking):
    """The outcome of a CSV of these columns, its rows in this order."""
    table = list(zip(*columns.values(), strict=True))
    rows = table if order is None else [table[row] for row in order]
    text = io.StringIO(newline="")
    csv.writer(text).writerows([list(columns), *rows])
    (folder / "answers.csv").write_bytes(mark.encode() + text.getvalue().encode())
    [found] = api.audit(bundle, [str(folder / "answers.csv")], Asking(**asking))
    return found.outcome


def shuffled(bundle):
    """Another order of the rows."""
    return np.random.default_rng(5).permutation(len(bundle.fingerprint.sheet))


SCORES = [f"score_{k}" for k in range(CLASSES)]


@pytest.mark.parametrize("binding", [["index"], ["query"], ["file"], [""], ["index", "query"]])
@pytest.mark.parametrize("answer", [["label"], SCORES, SCORES[::-1], ["x0", "x1", "x2", "label"]])
def test_rows_in_any_order_are_found(bundle, lined_up, tmp_path, binding, answer):
    """A copy is a copy, by index, digest or file; scores clear a stranger, labels alone do not."""
    cleared = Decision.INCONCLUSIVE if "label" in answer else Decision.HOMOLOGOUS
    for weights, decision in ((COPY, Decision.PIRATED), (STRANGER, cleared)):
        known = answers(bundle, weights)
        columns = {name: known[name] for name in (*binding, *answer)}
        found = audited(lined_up, tmp_path, columns, shuffled(bundle), "\ufeff")
        assert found.decision is decision


@pytest.mark.parametrize("binding", ["index", "query"])
def test_rows_are_found_when_asked_one_by_one(lined_up, tmp_path, binding):
    """The order of asking is another then."""
    known = answers(lined_up)
    columns = {name: known[name] for name in (binding, "label")}
    found = audited(lined_up, tmp_path, columns, sequential=True)
    assert found.decision is Decision.PIRATED
    assert audited(lined_up, tmp_path, {"label": known["label"]}, sequential=True).decision is (
        Decision.PIRATED
    )


@pytest.mark.parametrize("moved", ["all", "half", "by one", "none"])
def test_rows_that_nothing_binds_clear_nobody(lined_up, tmp_path, moved):
    """Shuffled wholly, in part or not at all, labels or scores: never homologous."""
    whole = np.arange(len(lined_up.fingerprint.sheet))
    order = {
        "all": shuffled(lined_up),
        "half": np.concatenate([whole[:60], whole[60:][::-1]]),
        "by one": np.roll(whole, 1),
        "none": whole,
    }[moved]
    for weights in (COPY, STRANGER):
        known = answers(lined_up, weights)
        for names in (["label"], SCORES):
            found = audited(lined_up, tmp_path, {n: known[n] for n in names}, order)
            assert found.decision is not Decision.HOMOLOGOUS
    assert found.reason.code in ("rows-unbound", "controls-failed")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: {"confidence": c["score_0"], "label": c["label"]}, "columns 'confidence'"),
        (lambda c: {"id": c["index"], **{n: c[n] for n in SCORES}}, "columns 'id', 'score_0'"),
        (lambda c: {"id": c["index"], **{n: c[n] for n in SCORES[1:]}}, "row numbers as 'id'"),
        (lambda c: {"score": c["score_0"]}, "columns 'score'"),
        (lambda c: {"index": c["index"]}, "columns none"),
        (lambda c: {"index": c["index"] + 1, "label": c["label"]}, "no row has the index 0"),
        (lambda c: {"index": c["index"] // 2, "label": c["label"]}, "two rows of index 0"),
        (lambda c: {"index": c["index"] + 0.5, "label": c["label"]}, "index that is none"),
        (lambda c: {"file": ["cat.png"] * 120, "label": c["label"]}, "file that is none"),
        (lambda c: {"query": ["ab", *c["query"][1:]], "label": c["label"]}, "no row answers"),
        (lambda c: {"4": c["label"]}, "has no header: the first row is 4"),
        (lambda c: {f"{v}": c["score_0"] for v in (0.1, 0.2, 0.3, 0.2, 0.4)}, "has no header"),
        (lambda c: {"label": ["cat" for _ in c["label"]]}, "header and numbers"),
    ],
)
def test_what_a_column_is_must_be_told(bundle, tmp_path, change, words):
    """Other columns, no header, an index that is none: one line, and no verdict."""
    found = audited(bundle, tmp_path, change(answers(bundle)))
    assert not isinstance(found, Verdict)
    assert re.search(words, found.reason)
    assert "\n" not in found.reason


def test_an_empty_cell_is_no_answer(bundle, tmp_path):
    """The other rows count."""
    known = answers(bundle)
    labels = [str(label) if n not in (3, 50) else " " for n, label in enumerate(known["label"])]
    found = audited(bundle, tmp_path, {"index": known["index"], "label": labels})
    assert (found.decision, found.answered) == (Decision.PIRATED, 118)


@pytest.mark.parametrize("binding", ["queries", "index"])
def test_an_npz_binds_its_rows_too(bundle, tmp_path, binding):
    """By what the file of queries held, in any order."""
    write_queries(str(tmp_path / "q.npz"), bundle.fingerprint.sheet.points, bundle.fingerprint.spec)
    order = shuffled(bundle)
    with np.load(tmp_path / "q.npz") as asked:
        points, bound = asked["points"], {**asked, "index": np.arange(120)}[binding]
    np.savez(tmp_path / "a.npz", scores=linear(points, COPY)[order], **{binding: bound[order]})
    [found] = api.audit(bundle, [str(tmp_path / "a.npz")])
    assert found.outcome.decision is Decision.PIRATED


def test_a_folder_of_pictures_can_be_answered_by_hand(bundle, tmp_path):
    """Pictures hold the points to the last bit; the table that lies there, filled in, is enough."""
    made = bundle.fingerprint
    assert api.queries(bundle, f"{tmp_path / 'asked'}/") == 120
    with (tmp_path / "asked/answers.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert "answers.csv" in (tmp_path / "asked/README.txt").read_text()
    for number, row in enumerate(rows):
        picture = np.array(Image.open(tmp_path / "asked" / row["file"]))
        np.testing.assert_array_equal(picture, pixels(made.sheet.points, made.spec)[number, 0])
        row["label"] = linear(picture[None, None].astype(np.float32) / 255, COPY).argmax()
    with (tmp_path / "back.csv").open("w") as file:
        csv.DictWriter(file, rows[0]).writeheader()
        csv.DictWriter(file, rows[0]).writerows(sorted(rows, key=lambda row: row["query"]))
    [found] = api.audit(bundle, [str(tmp_path / "back.csv")])
    assert found.outcome.decision is Decision.PIRATED


def test_a_table_can_be_answered_beside_its_inputs(bundle, tmp_path):
    """q.csv holds what the model takes; the answers may be a column more in it."""
    api.queries(bundle, tmp_path / "q.csv")
    with (tmp_path / "q.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        inputs = np.array([[float(row[f"x{k}"]) for k in range(16)]], np.float32)
        row["label"] = linear(inputs, COPY).argmax()
    with (tmp_path / "back.csv").open("w") as file:
        csv.DictWriter(file, rows[0]).writeheader()
        csv.DictWriter(file, rows[0]).writerows(reversed(rows))
    [found] = api.audit(bundle, [str(tmp_path / "back.csv")])
    assert found.outcome.decision is Decision.PIRATED


@pytest.mark.parametrize(
    ("target", "shape", "words"),
    [
        ("q.txt", (1, 4, 4), "wanted a name that ends in"),
        ("full/", (1, 4, 4), "is not empty"),
        ("rows/", (4,), "no pictures"),
        ("four/", (4, 4, 4), "no pictures"),
        ("q.csv", (3, 3000, 3000), "too large"),
    ],
)
def test_what_can_not_be_written_is_one_line(tmp_path, target, shape, words):
    """Another suffix, a folder with something in it, points that are no pictures."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.txt").write_text("kept")
    points = np.zeros((1, *shape), np.float32)
    with pytest.raises(EvidenceError, match=words):
        write_queries(f"{tmp_path}/{target}", points, InputSpec(shape, (0.0,), (1.0,)))
