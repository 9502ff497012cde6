"""Reports to hand over, from the command line."""

import json
import sys

import pytest

from auditkit.commands.command_line import command_line, told
from auditkit.core import plugins
from auditkit.files import bundle as bundles
from tests.commands.test_cli import run
from tests.conftest import COPY, STRANGER, linear_onnx

BEGINNINGS = {
    "r.html": "<!doctype html>",
    "r.md": "# auditkit report",
    "r.csv": "suspect,digest,",
    "r.sarif": "{",
    "r.xml": "<?xml",
    "r.cdx.json": "{",
    "r.json": "{",
    "r.pdf": "%PDF-",
    "r.txt": "The bundle is not signed",
    "r": "The bundle is not signed",
}


@pytest.fixture
def place(tmp_path, monkeypatch, lined_up):
    """A folder with a bundle and the kept answers of a copy and a stranger."""
    monkeypatch.chdir(tmp_path)
    bundles.write(lined_up, tmp_path / "model.fp")
    linear_onnx(tmp_path / "copy.onnx", weights=COPY)
    linear_onnx(tmp_path / "other.onnx", weights=STRANGER)
    return tmp_path


@pytest.fixture
def kept(place):
    """The same with evidence."""
    run("check", "model.fp", "copy.onnx", "other.onnx", "--evidence", "kept", "-q", "-o", "a.json")
    for suspect in ("copy.onnx", "other.onnx"):
        (place / suspect).unlink()
    return sorted(map(str, (place / "kept").iterdir()))


def test_the_suffix_chooses_the_format(kept, place):
    """Several files, each in the format that its name says, in one go."""
    outputs = [part for name in BEGINNINGS for part in ("-o", name)]
    assert run("report", "model.fp", *kept, *outputs).exit_code == 3
    for name, beginning in BEGINNINGS.items():
        assert (place / name).read_bytes().startswith(beginning.encode()), name
    assert json.loads((place / "r.sarif").read_text())["version"] == "2.1.0"
    assert json.loads((place / "r.cdx.json").read_text())["specVersion"] == "1.6"


def test_the_format_wins_over_the_suffix(kept, place):
    """--format says what is written, whatever the file is called."""
    run("report", "model.fp", *kept, "-o", "r.html", "-f", "markdown")
    assert (place / "r.html").read_text().startswith("# auditkit report")


def test_a_report_is_what_the_check_found(kept, place):
    """Evidence gives the same verdicts without the suspects, which are gone."""
    run("report", "model.fp", *kept, "-o", "b.json")
    before, after = (json.loads((place / name).read_text()) for name in ("a.json", "b.json"))
    assert after["suspects"] == before["suspects"]


def test_bad_evidence_is_a_refusal(kept, place):
    """One damaged file costs no other verdict, and is in the report."""
    (place / "bad.evidence").write_text("nothing")
    assert run("report", "model.fp", *kept, "bad.evidence", "-o", "r.md").exit_code == 3
    assert "refused" in (place / "r.md").read_text()


def test_pictures_are_shown_if_they_are_asked_for(kept, place):
    """Core points are secrets of the owner, so that no report shows them unasked."""
    run("report", "model.fp", *kept, "-o", "r.html")
    assert "<img" not in (place / "r.html").read_text()
    run("report", "model.fp", *kept, "-o", "r.html", "--pictures")
    assert (place / "r.html").read_text().count("<img") == 24


@pytest.mark.parametrize("name", ["r.docx", "r.htmll", "r.7z"])
def test_an_unknown_suffix_is_told_before_anybody_is_asked(place, name):
    """One line that names the suffixes that there are."""
    result = run("check", "model.fp", "gone.onnx", "-o", name)
    assert result.exit_code == 2
    assert ".html" in result.stderr
    assert not (place / name).exists()


def test_two_outputs_of_one_name_are_refused(place):
    """Nothing is written over what was just written."""
    result = run("check", "model.fp", "copy.onnx", "-o", "r.html", "-o", "r.html")
    assert result.exit_code == 2
    assert "each once" in result.stderr


def test_a_pdf_without_its_library_is_one_line(place, monkeypatch):
    """It says what to install, before anybody is asked."""
    monkeypatch.setitem(sys.modules, "fpdf", None)
    monkeypatch.delitem(sys.modules, "auditkit.reports.pdf", raising=False)
    result = run("check", "model.fp", "gone.onnx", "-o", "r.pdf")
    assert result.exit_code == 5
    assert "pip install 'model-auditkit[pdf]'" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert plugins.EXTRAS["fpdf"] == "pdf"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (["--header", "X-Key: abc"], ["--header", "X-Key: [hidden]"]),
        (["--header=X-Key: abc"], ["--header=X-Key: [hidden]"]),
        (["--header", "X-Key: ${KEY}"], ["--header", "X-Key: ${KEY}"]),
        (
            ["https://me:word@host/v2?token=abc&n=1"],
            ["https://[hidden]@host/v2?token=[hidden]&n=[hidden]"],
        ),
        (["--proxy", "http://me:word@host"], ["--proxy", "http://[hidden]@host"]),
        (["--proxy=http://me:word@host"], ["--proxy=http://[hidden]@host"]),
        (["check", "a b.fp"], ["check", "a b.fp"]),
    ],
)
def test_the_command_line_is_told_without_secrets(given, shown):
    """A report is handed over; who reads it learns no token."""
    assert told(given) == shown


def test_the_command_line_is_quoted(monkeypatch):
    """It can be typed again; of another program's command line nothing is told."""
    monkeypatch.setattr(sys, "argv", ["/usr/bin/auditkit", "check", "a b.fp"])
    assert command_line() == "auditkit check 'a b.fp'"
    monkeypatch.setattr(sys, "argv", ["/usr/bin/pytest", "check"])
    assert command_line() == ""
