"""The commands as a user runs them: exit codes, one line for errors, JSON alone on stdout."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from auditkit import api
from auditkit.cli import app
from auditkit.commands.console import exit_code
from auditkit.core.fingerprint import LineUpTerms
from auditkit.core.points import CORE
from auditkit.core.verdicts import Refusal
from auditkit.files import bundle as bundles
from auditkit.files import container, evidence
from tests.conftest import CLASSES, COPY, STRANGER, TWINS, WEIGHTS, linear, linear_onnx

RUNNER = CliRunner()
ROOT = Path(__file__).parents[2]


@pytest.fixture
def here(tmp_path, monkeypatch, bundle):
    """A folder with a bundle and three suspects."""
    monkeypatch.chdir(tmp_path)
    bundles.write(bundle, tmp_path / "model.fp")
    noise = np.random.default_rng(9).normal(size=WEIGHTS.shape).astype(np.float32)
    linear_onnx(tmp_path / "copy.onnx", weights=WEIGHTS + 0.01 * noise)
    linear_onnx(tmp_path / "other.onnx", weights=noise)
    linear_onnx(tmp_path / "classes.onnx", weights=np.ones((16, CLASSES + 2), np.float32))
    return tmp_path


def run(*arguments):
    """The command's result; never a traceback."""
    result = RUNNER.invoke(app, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output
    return result


def test_a_copy_is_pirated(here):
    """Exit code 3, verdict first."""
    result = run("check", "model.fp", "copy.onnx")
    assert result.exit_code == 3
    assert result.stdout.index("PIRATED") < result.stdout.index("Why")


def test_a_suspect_that_fails_controls_is_inconclusive(here):
    """Exit code 4: unlike the owner, and unlike the task."""
    result = run("check", "model.fp", "other.onnx")
    assert result.exit_code == 4
    assert "like neither" in result.stdout


def test_other_classes_are_an_answer(here):
    """Exit code 4 and the reason, never a crash."""
    result = run("check", "model.fp", "classes.onnx", "-f", "json")
    assert result.exit_code == 4
    assert "label spaces differ" in json.loads(result.stdout)["suspects"][0]["reason"]


def test_json_is_alone_on_stdout_and_follows_its_schema(here):
    """What programs read is valid, whatever happened to the suspects."""
    result = run("check", "model.fp", "copy.onnx", "other.onnx", "nothere.onnx", "-f", "json")
    report = json.loads(result.stdout)
    schema = json.loads((ROOT / "docs" / "report.schema.json").read_text())
    Draft202012Validator(schema).validate(report)
    verdicts = [suspect["verdict"] for suspect in report["suspects"]]
    assert verdicts == ["pirated", "inconclusive", "refused"]
    assert result.exit_code == 3


def test_the_same_command_gives_the_same_json(here, monkeypatch):
    """Twice the same bytes, time fixed."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    first, second = (run("check", "model.fp", "copy.onnx", "-f", "json") for _ in range(2))
    assert first.stdout == second.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["check", "nothere.fp", "copy.onnx"], 5, "no such file: 'nothere.fp'"),
        (["check", "copy.onnx", "copy.onnx"], 5, "is no auditkit file"),
        (["check", "model.fp", "copy.onnx", "-f", "docx"], 2, "--format wants one of"),
        (["check", "model.fp", "copy.onnx", "--access", "all"], 2, "is not one of"),
        (["check", "model.fp", "copy.onnx", "-o", "no/where.json"], 5, "can't be written"),
        (["check", "model.fp"], 2, "Missing argument"),
        (["check", "model.fp", "copy.onnx", "--evidence", "model.fp"], 5, "'model.fp' is a file"),
        (["check", "model.fp", "copy.onnx", "--evidence", "model.fp/x"], 5, "can't be made"),
        (["judge", "nothere.fp", "model.fp"], 5, "no such file: 'nothere.fp'"),
        (["inspect", "nothere"], 5, "no such file"),
        (["inspect", "copy.onnx"], 5, "is no auditkit file"),
        (["check", "model.fp", "copy.onnx", "--sequential"], 5, "the bundle has no twins"),
        (["fingerprint", "nothere.pt"], 5, "no such model file"),
        (["fingerprint", "copy.onnx"], 5, "has no gradients"),
        (["fingerprint", "copy.onnx", "--input-shape", "a,b"], 2, "--input-shape wants"),
        (["fingerprint", "copy.onnx", "--input-range", "1"], 2, "--input-range wants"),
        (["fingerprint", "copy.onnx", "--points", "3"], 2, "--points"),
        (["fingerprint", "copy.onnx", "--method", "magic", "-q"], 5, "there are: akh"),
        (["fingerprint", "os:sep"], 5, "must be a function"),
        (["fingerprint", "nowhere:make"], 5, "a factory can't be had"),
        (["nothing"], 2, "No such command"),
    ],
)
def test_bad_input_is_one_line(here, arguments, code, line):
    """What was wanted, what was got, what to do; exit code 5, or 2 for usage."""
    result = run(*arguments)
    assert result.exit_code == code
    assert line in " ".join(result.stderr.split())
    if code == 5:
        assert len(result.stderr.strip().splitlines()) == 1


BAD_SUSPECTS = {
    "empty.onnx": b"",
    "text.onnx": b"hello\n",
    "pickle.onnx": b"\x80\x04N.",
    "pickle.pt": b"\x80\x04N.",
    "text.pt": b"hello",
    "text.npz": b"hello",
    "words.csv": b"label\ncat\n",
    "short.csv": b"label\n1\n2\n",
    "blank.csv": b"\n\n",
    "header.csv": b"label\n",
}


@pytest.mark.parametrize(
    "name", [*BAD_SUSPECTS, "cut.onnx", "nan.csv", "single.npz", "one-class.npz"]
)
def test_a_bad_suspect_is_refused_not_cleared(here, name):
    """No verdict, one reason of one line, exit code 5."""
    (here / "cut.onnx").write_bytes((here / "copy.onnx").read_bytes()[:-40])
    (here / "nan.csv").write_text("a,b,c,d,e\n" + "nan,nan,nan,nan,nan\n" * 120)
    np.savez(here / "single.npz", labels=np.array(3))
    np.savez(here / "one-class.npz", scores=np.zeros((120, 0)))
    for file, content in BAD_SUSPECTS.items():
        (here / file).write_bytes(content)
    result = run("check", "model.fp", name, "-f", "json")
    [suspect] = json.loads(result.stdout)["suspects"]
    assert result.exit_code == 5
    assert suspect["verdict"] == "refused"
    assert suspect["reason"]
    assert "\n" not in suspect["reason"]


def test_an_empty_folder_does_not_end_the_audit_of_others(here):
    """Beside a suspect it is refused, alone it is one line."""
    (here / "empty").mkdir()
    result = run("check", "model.fp", "empty", "copy.onnx", "-f", "json")
    verdicts = [one["verdict"] for one in json.loads(result.stdout)["suspects"]]
    assert verdicts == ["refused", "pirated"]
    alone = run("check", "model.fp", "empty")
    assert alone.exit_code == 5
    assert "holds no suspect" in alone.stderr


def test_a_suspect_that_raises_is_refused(here):
    """A Python function's exception is one line in the report."""
    (here / "raising.py").write_text("def ask(x):\n    raise KeyError('a\\nb')\n")
    result = run("check", "model.fp", "python:raising:ask", "-f", "json")
    assert result.exit_code == 5
    assert "KeyError" in json.loads(result.stdout)["suspects"][0]["reason"]


@pytest.mark.parametrize(
    "code", ["import sys; sys.exit(0)", "def ask(x):\n    raise SystemExit(0)"]
)
def test_a_suspect_can_not_choose_the_exit_code(here, code):
    """Exiting with 0 while asked is a refusal, never an acquittal."""
    (here / "leaving.py").write_text(code)
    sys.modules.pop("leaving", None)
    assert run("check", "model.fp", "python:leaving:ask").exit_code == 5
    assert run("fingerprint", "leaving:ask").exit_code == 5


def test_hostile_names_are_shown_not_obeyed(here):
    """Escape codes and markup in a name reach neither terminal nor JSON."""
    name = "\x1b[31m[bold]\u202e.onnx"
    (here / name).write_bytes((here / "copy.onnx").read_bytes())
    for output_format in ("terminal", "json"):
        result = run("check", "model.fp", name, "[/nothing]\x1b.onnx", "-f", output_format)
        assert result.exit_code == 3
        assert "\x1b" not in result.stdout
        assert "\u202e" not in result.stdout


def test_kept_answers_give_the_same_verdict(here, bundle):
    """Judging again needs no suspect; another bundle's evidence is refused."""
    checked = run("check", "model.fp", "copy.onnx", "--evidence", "kept", "-f", "json")
    (here / "copy.onnx").unlink()
    [kept] = (here / "kept").glob("copy.onnx.*.evidence")
    judged = run("judge", "model.fp", kept, "-f", "json")
    assert json.loads(judged.stdout)["suspects"] == json.loads(checked.stdout)["suspects"]
    bundles.write(replace(bundle, created="2026-01-02T00:00:00Z"), here / "new.fp")
    assert "judge it with the bundle it was made with" in unjudged("new.fp", kept)


def unjudged(bundle, *evidence) -> str:
    """Why the last of these evidence files is refused, in one line."""
    result = run("judge", bundle, *evidence, "-f", "json")
    found = json.loads(result.stdout)["suspects"][-1]
    assert found["verdict"] == "refused"
    assert found["reason_code"] == "evidence"
    assert "\n" not in found["reason"]
    assert result.exit_code == (5 if len(evidence) == 1 else 3)
    return found["reason"]


def test_bad_evidence_does_not_cost_the_verdicts_on_the_others(here):
    """What is no evidence is refused alone, with its code; the exit code is the worst outcome's."""
    run("check", "model.fp", "copy.onnx", "--evidence", "kept")
    [kept] = (here / "kept").iterdir()
    assert "wanted 'auditkit.evidence/1'" in unjudged("model.fp", kept, "model.fp")
    assert "no such file" in unjudged("model.fp", kept, "nothere.evidence")
    assert "is no auditkit file" in unjudged("model.fp", "copy.onnx")


def test_evidence_that_lacks_answers_is_refused(here, bundle):
    """A file sealed by anybody must answer all of the bundle's points, no more, no fewer."""
    whole = api.query(bundle, "copy.onnx")
    evidence.write(whole, bundle, here / "whole.evidence")
    contents = container.read(here / "whole.evidence", "evidence", evidence.VERSION)
    short = {name: rows[:5] for name, rows in contents.tensors.items()}
    control = {n: rows for n, rows in contents.tensors.items() if "/control/" in n}
    more = {f"{name.replace('control', 'more')}": rows for name, rows in control.items()}
    for families, tensors, line in (
        ([], {}, "answers []"),
        (["core", "control"], short, "5,) answers to core points, wanted 100"),
        (["core"], contents.tensors, "answers ['core'], wanted ['core', 'control']"),
        (["core", "control", "more"], contents.tensors | more, "'more'"),
        (["core", "control"], control, "no tensor 'answers/core/labels'"),
    ):
        manifest = {k: v for k, v in contents.manifest.items() if k not in ("tensors", "seal")}
        packed = container.Packed(manifest | {"families": families}, tensors)
        container.write(here / "odd.evidence", packed)
        assert line in unjudged("model.fp", "odd.evidence")
    for changed in ({"asked": -120}, {"asked": 0}, {"spent": 10**9}):
        evidence.write(replace(whole, **changed), bundle, here / "odd.evidence")
        assert "of 120 points were asked" in unjudged("model.fp", "odd.evidence")
    with pytest.raises(ValueError, match="the suspect knows 3"):
        replace(whole, classes=3)


def test_evidence_of_namesakes_is_kept_apart(here):
    """Two suspects of one name leave two files."""
    for folder, source in (("a", "copy.onnx"), ("b", "other.onnx")):
        (here / folder).mkdir()
        (here / folder / "m.onnx").write_bytes((here / source).read_bytes())
    run("check", "model.fp", "a/m.onnx", "b/m.onnx", "--evidence", "kept", "-q")
    assert len(list((here / "kept").iterdir())) == 2


def test_recorded_answers_are_a_suspect(here, bundle):
    """What `queries` wrote, answered elsewhere, gives the verdict of the model itself."""
    run("queries", "model.fp", "-o", "queries.npz")
    with np.load("queries.npz") as asked:
        points, digests = asked["points"], asked["queries"]
        assert asked["pixels"].dtype == np.uint8
    np.savez("answers.npz", labels=linear(points).argmax(1), queries=digests)
    assert run("check", "model.fp", "answers.npz").exit_code == 3
    rows = "".join(f"{label}\n" for label in linear(points).argmax(1))
    Path("answers.csv").write_text("label\n" + rows)
    assert run("check", "model.fp", "answers.csv").exit_code == 3
    np.savez("shuffled.npz", labels=linear(points).argmax(1)[::-1], queries=digests[::-1])
    assert run("check", "model.fp", "shuffled.npz").exit_code == 3
    other = np.array(["0" * 64, *digests[1:]])
    np.savez("other.npz", labels=linear(points).argmax(1), queries=other)
    result = run("check", "model.fp", "other.npz")
    assert result.exit_code == 5
    assert "no row answers the query" in " ".join(result.stdout.split())


def test_twins_and_measured_copies_let_clustering_vote(here, lined_up):
    """With both in the bundle clustering stops abstaining, where the line-up leaves it a say."""
    doubted = LineUpTerms(TWINS, "the owner stands out")
    made = replace(lined_up.fingerprint, line_up=doubted)
    bundles.write(replace(lined_up, fingerprint=made), here / "known.fp")
    result = run("check", "known.fp", "copy.onnx", "-f", "json")
    report = json.loads(result.stdout)["suspects"][0]
    says = {opinion["name"]: opinion["says"] for opinion in report["identifications"]}
    assert says["clustering"] == "pirated"
    assert report["references"] == {"measured copy": 6, "sibling": 2, "stand-in": 1, "twin": TWINS}


def test_a_plan_tells_what_can_be_shown(here, lined_up):
    """Before anybody is asked: queries, twins, the level, power, and what a batch takes."""
    bundles.write(lined_up, here / "known.fp")
    poor = run("plan", "model.fp").stdout
    assert "120 for each suspect, 5 of them twice\n" in poor
    assert "verdicts carry no error rate" in poor
    rich = run("plan", "known.fp", "--suspects", "3", "--access", "logits").stdout
    assert "an innocent suspect puts the owner first in 1 of 20" in rich
    assert "so large a gap comes by chance in 1e-05" in rich
    assert "3 suspects: a gap comes by chance in 3e-05" in rich
    assert "copies seen behind an API by logits: noisy 6 of 6" in rich


def test_one_by_one_from_the_command_line(here, lined_up):
    """Fewer queries for an accusation, all for an acquittal, the same exit codes."""
    bundles.write(lined_up, here / "known.fp")
    linear_onnx(here / "near.onnx", weights=COPY)
    linear_onnx(here / "far.onnx", weights=STRANGER)
    for model, code in (("near.onnx", 3), ("far.onnx", 0)):
        result = run("check", "known.fp", model, "--sequential", "-f", "json")
        assert result.exit_code == code
        assert (json.loads(result.stdout)["suspects"][0]["queries"] < 120) == (code == 3)


def test_less_access_uses_less(here):
    """With labels only, output similarity abstains and the report says so."""
    result = run("check", "model.fp", "copy.onnx", "--access", "label", "-f", "json")
    suspect = json.loads(result.stdout)["suspects"][0]
    says = {opinion["name"]: opinion["says"] for opinion in suspect["identifications"]}
    assert (suspect["access"], says["output_similarity"]) == ("label", "abstains")
    assert suspect["notes"]


def test_inspect_tells_what_is_inside(here, bundle):
    """A bundle's facts, a line each."""
    result = run("inspect", "model.fp")
    assert result.exit_code == 0
    assert bundle.digest in result.stdout
    assert f"{bundle.fingerprint.sheet.counts()[CORE]} core" in result.stdout


def test_the_worst_outcome_is_the_exit_code():
    """Nothing examined is 5, never 0."""
    assert exit_code([]) == 5
    assert exit_code([Refusal("x", "y")]) == 5
