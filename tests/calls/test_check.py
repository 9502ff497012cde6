"""`auditkit.check`: first guesses work, and what comes out is short, whole and no accident."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from typer.testing import CliRunner

import auditkit
from auditkit.adapters import live
from auditkit.cli import app
from tests.conftest import COPY, linear, linear_onnx


@pytest.fixture
def copy(tmp_path):
    """A copy of the owner as an ONNX file."""
    return linear_onnx(tmp_path / "copy.onnx", weights=COPY)


@pytest.fixture
def saved(tmp_path, bundle):
    """The bundle's file."""
    bundle.save(str(tmp_path / "model.fp"))
    return tmp_path / "model.fp"


def ask(points):
    """A suspect as a function: the owner's copy."""
    return linear(points, COPY)


def test_a_saved_bundle_is_loaded_as_it_was(saved, bundle):
    """`bundle.save` and `auditkit.load` are each other's inverse, for text and for paths."""
    assert auditkit.load(str(saved)) == auditkit.load(saved) == bundle


def test_a_bundle_and_a_suspect_may_be_paths(saved, copy, bundle):
    """Bundles and files are named by text or path, or are there already."""
    found = [auditkit.check(*pair) for pair in ((str(saved), str(copy)), (saved, copy))]
    found.append(auditkit.check(bundle, copy))
    assert {one.decision for one in found} == {auditkit.Decision.PIRATED}


def test_objects_are_judged_as_their_file_is(bundle, copy):
    """A function and a session of onnxruntime get the verdict of the file with the same weights."""
    session = onnxruntime.InferenceSession(str(copy))
    found = auditkit.check(bundle, [copy, ask, session, lambda points: ask(points)])
    assert [one.decision for one in found] == ["pirated"] * 4
    assert [one.suspect for one in found][1:3] == ["ask", "InferenceSession"]


def test_several_suspects_give_a_list_and_one_does_not(bundle, copy):
    """A list of one is a list, and a suspect alone is a result, whatever it is."""
    assert isinstance(auditkit.check(bundle, ask), auditkit.Result)
    assert [one.suspect for one in auditkit.check(bundle, [copy])] == [str(copy)]
    assert auditkit.check(bundle, ()) == []


def test_a_suspect_that_can_not_be_audited_is_refused_in_one_line(bundle):
    """Neither an error nor a verdict: it says what was wanted."""
    found = auditkit.check(bundle, ["gone.onnx", 3, bytes(4)])
    assert [one.decision for one in found] == ["refused"] * 3
    assert "no such file" in found[0].reason
    assert "a suspect is a path" in found[1].reason
    assert all(len(repr(one).splitlines()) == 1 for one in found)


def test_a_result_is_neither_true_nor_false(bundle):
    """`if check(…)` would read an acquittal or a refusal as an accusation."""
    with pytest.raises(TypeError, match="compare its `decision`"):
        bool(auditkit.check(bundle, ask))


def test_the_dict_is_the_entry_of_the_json_report(saved, copy, monkeypatch):
    """`to_dict` and `check -f json` say the same of each of several suspects."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    names = [str(copy), "gone.onnx"]
    printed = CliRunner().invoke(app, ["check", str(saved), *names, "-q", "--json"])
    report = json.loads(printed.stdout)
    assert [one.to_dict() for one in auditkit.check(saved, names)] == report["suspects"]


def test_a_result_is_shown_as_the_report_on_it_alone(bundle, copy):
    """In a notebook, and as text; what the suspect is called is no markup."""
    other, found = auditkit.check(bundle, ["<b>gone</b>.onnx", copy])
    assert "PIRATED" in found._repr_html_()
    assert "gone" not in found._repr_html_() + found.text()
    assert "<b>" not in other._repr_html_()
    assert "PIRATED" in found.text()
    assert len(repr(found)) < 300


def test_audit_takes_what_check_takes(saved, copy):
    """The first guesses of `auditkit.audit` work too."""
    for suspects in (copy, str(copy), [copy], [ask], ask):
        [examination] = auditkit.audit(str(saved), suspects)
        assert examination.outcome.decision == "pirated"


def test_an_error_is_one_line_in_a_notebook(tmp_path):
    """IPython shows what `_render_traceback_` returns in place of a traceback."""
    with pytest.raises(auditkit.AuditkitError) as caught:
        auditkit.check(tmp_path / "gone.fp", "x.onnx")
    [line] = caught.value._render_traceback_()
    assert line.startswith("auditkit: no such file")
    with pytest.raises(auditkit.AuditkitError, match="access wants one of label"):
        auditkit.check(tmp_path / "gone.fp", "x.onnx", access="everything")


def test_a_bundle_is_shown_in_one_line(bundle):
    """Its points are not printed."""
    assert repr(bundle).startswith("<bundle of ")
    assert len(repr(bundle)) < 200


def test_a_class_is_no_function_to_ask():
    """Calling it would make an object and not answer."""
    with pytest.raises(auditkit.AuditkitError, match="got type"):
        live.suspected(np.ndarray)


def test_options_reach_the_audit(bundle, copy, tmp_path):
    """Access is capped, and answers of a function are kept in the journal that is named."""
    found = auditkit.check(bundle, ask, access="label", journal=str(tmp_path / "j.journal"))
    assert found.to_dict()["access"] == "label"
    assert Path(tmp_path / "j.journal").exists()


def test_progress_is_told_on_stderr_if_asked_for(bundle, copy, capsys):
    """Nothing is printed otherwise."""
    auditkit.check(bundle, copy)
    assert capsys.readouterr() == ("", "")
    auditkit.check(bundle, copy, progress=True)
    told = capsys.readouterr()
    assert (told.out, "asking the suspect" in told.err) == ("", True)
