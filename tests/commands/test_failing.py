"""Which outcomes fail a run: --fail-on and --baseline of check and scan."""

import json
import shutil

import pytest
from typer.testing import CliRunner

from auditkit.cli import app
from auditkit.commands.failing import Gate, Known
from auditkit.files import bundle as bundles
from tests.conftest import COPY, STRANGER, copy_weights, linear_onnx

HERE = ("--isolation", "off", "--device", "cpu", "-q")


@pytest.fixture
def place(tmp_path, monkeypatch, bundle):
    """A folder with a bundle, a copy, a stranger and a file that is no model."""
    monkeypatch.chdir(tmp_path)
    bundles.write(bundle, tmp_path / "a.fp")
    linear_onnx(tmp_path / "copy.onnx", weights=COPY)
    linear_onnx(tmp_path / "other.onnx", weights=STRANGER)
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    return tmp_path


def run(*arguments):
    """A check or a scan in this process."""
    return CliRunner().invoke(app, [*arguments, *HERE])


def code(*arguments):
    """The exit code of a check of these suspects."""
    return run("check", "a.fp", *arguments).exit_code


@pytest.mark.parametrize(
    ("suspects", "options", "wanted"),
    [
        (("copy", "broken", "other"), (), 3),
        (("copy", "broken", "other"), ("refused",), 5),
        (("copy", "broken", "other"), ("inconclusive", "refused"), 5),
        (("copy", "broken", "other"), ("none",), 0),
        (("broken", "other"), ("pirated",), 0),
        (("other",), ("inconclusive",), 4),
    ],
)
def test_only_the_outcomes_that_were_named_fail(place, suspects, options, wanted):
    """--fail-on names the outcomes whose exit code counts; without it all do."""
    chosen = [part for option in options for part in ("--fail-on", option)]
    assert code(*(f"{name}.onnx" for name in suspects), *chosen) == wanted


def test_a_run_without_an_outcome_fails_whatever_is_named():
    """Nobody was audited, which no gate lets pass."""
    assert Gate(frozenset()).exit_code([]) == 5
    assert Gate(frozenset()).exit_code([Known("b", "s", "pirated")]) == 0


def test_errors_of_the_command_fail_whatever_is_named(place):
    """A bundle that is missing is exit code 5 also where nothing is to fail."""
    assert run("check", "gone.fp", "copy.onnx", "--fail-on", "none").exit_code == 5


def test_what_was_accepted_does_not_fail_again(place):
    """New suspects and changed files fail beside a baseline; files under another name do not."""
    run("check", "a.fp", "copy.onnx", "broken.onnx", "--json", "-o", "before.json")
    before = ("--baseline", "before.json")
    shutil.copy("copy.onnx", "renamed.onnx")
    assert code("copy.onnx", "renamed.onnx", "broken.onnx", *before) == 0
    assert code("copy.onnx", "other.onnx", *before) == 4
    linear_onnx(place / "copy.onnx", weights=copy_weights(7))
    assert code("copy.onnx", "broken.onnx", *before) == 3
    assert code("copy.onnx", *before, "--fail-on", "refused") == 0


def test_a_changed_verdict_fails(place):
    """The same file with another verdict than the baseline's was not accepted."""
    run("check", "a.fp", "copy.onnx", "--json", "-o", "before.json")
    report = json.loads((place / "before.json").read_text())
    report["suspects"][0]["verdict"] = "inconclusive"
    (place / "before.json").write_text(json.dumps(report))
    assert code("copy.onnx", "--baseline", "before.json") == 3


def test_the_verdicts_of_another_bundle_are_not_accepted(place, lined_up):
    """A baseline is of one bundle's points; with others every verdict is new."""
    run("check", "a.fp", "copy.onnx", "--json", "-o", "before.json")
    bundles.write(lined_up, place / "b.fp")
    assert run("check", "b.fp", "copy.onnx", "--baseline", "before.json").exit_code == 3


def test_a_scan_fails_on_what_is_new_in_its_own_ledger(place):
    """A ledger is a baseline too, as it was when the scan began; check takes it as well."""

    def scan(*more: str) -> int:
        return run("scan", "a.fp", "copy.onnx", "broken.onnx", *more, "--workers", "1").exit_code

    nightly = ("--baseline", "audit.db")
    assert scan() == 3
    assert scan(*nightly) == 0
    assert scan("other.onnx", *nightly) == 4
    assert code("copy.onnx", "other.onnx", *nightly) == 0
    linear_onnx(place / "copy.onnx", weights=copy_weights(7))
    assert scan(*nightly) == 3


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (("--fail-on", "none", "--fail-on", "pirated"), "none goes with no other"),
        (("--fail-on", "guilty"), "guilty"),
        (("--baseline", "gone.json"), "No such file"),
        (("--baseline", "broken.onnx"), "is neither"),
        (("--baseline", "list.json"), "is neither"),
        (("--baseline", "."), "directory"),
    ],
)
def test_a_gate_that_can_not_be_is_one_line(place, options, wanted):
    """Before anybody is asked, with exit code 2."""
    (place / "list.json").write_text("[1]")
    found = run("check", "a.fp", "copy.onnx", *options)
    assert found.exit_code == 2
    assert wanted in found.stderr.replace("\n", " ")
    assert "Traceback" not in found.stderr


def test_a_baseline_is_not_written_over(place):
    """The report of a run would accept its own verdicts the next time."""
    run("check", "a.fp", "copy.onnx", "--json", "-o", "r.json")
    found = run("check", "a.fp", "copy.onnx", "--json", "-o", "r.json", "--baseline", "r.json")
    assert found.exit_code == 2
    assert "write over" in found.stderr


def test_judge_and_report_have_the_same_gate(place):
    """What was kept fails as it did when it was asked, and is accepted by the same baseline."""
    run("check", "a.fp", "copy.onnx", "--json", "-o", "before.json", "--evidence", "kept")
    for command in (("judge", "a.fp", "kept"), ("report", "a.fp", "kept", "-o", "r.md")):

        def ended(*more: str, command: tuple[str, ...] = command) -> int:
            return CliRunner().invoke(app, [*command, *more]).exit_code

        assert ended() == 3
        assert ended("--fail-on", "refused") == 0
        assert ended("--baseline", "before.json") == 0
