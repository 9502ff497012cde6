"""Options from auditkit.toml and the environment, and what a file may not set."""

import json
import os

import pytest
from typer.testing import CliRunner

from auditkit.cli import app
from auditkit.files import bundle as bundles
from tests.conftest import COPY, linear_onnx


@pytest.fixture
def place(tmp_path, monkeypatch, bundle):
    """A folder with a bundle and a copy."""
    monkeypatch.chdir(tmp_path)
    bundles.write(bundle, tmp_path / "a.fp")
    linear_onnx(tmp_path / "copy.onnx", weights=COPY)
    return tmp_path


def run(*arguments, **environment):
    """A command in this process, with variables of the environment."""
    return CliRunner().invoke(app, arguments, env=environment)


def check(*options, before=(), **environment):
    """A check of the copy."""
    return run(*before, "check", "a.fp", "copy.onnx", "--device", "cpu", *options, **environment)


def access(found):
    """The access of the first suspect of a report in JSON."""
    return json.loads(found.stdout)["suspects"][0]["access"]


def test_flags_win_over_the_environment_and_that_over_the_file(place):
    """Each is looked at only where the one before says nothing."""
    (place / "auditkit.toml").write_text("access = 'label'\nformat = 'json'\n")
    assert access(check()) == "label"
    assert access(check(AUDITKIT_CHECK_ACCESS="top-k")) == "top-k"
    found = check("--access", "probabilities", AUDITKIT_CHECK_ACCESS="top-k")
    assert access(found) == "probabilities"


def test_the_table_of_a_command_wins_over_what_stands_above(place):
    """A key above all tables is for every command that has such an option."""
    (place / "auditkit.toml").write_text("access = 'label'\n[check]\naccess = 'top-k'\n")
    assert access(check("--json")) == "top-k"
    assert "auditkit.toml sets access = label" in run("plan", "a.fp").stderr


def test_what_a_file_sets_is_told(place):
    """On stderr, also with --quiet, and only where it concerns the command."""
    (place / "auditkit.toml").write_text("quiet = true\nfail-on = ['refused', 'inconclusive']\n")
    found = check()
    assert found.exit_code == 0
    assert (
        found.stderr
        == "auditkit: auditkit.toml sets quiet = true, fail-on = refused inconclusive\n"
    )
    assert run("plan", "a.fp").stderr == ""


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        ("isolation = 'off'", "turned off on the command line alone"),
        ("[scan]\nisolation = 'off'", "turned off on the command line alone"),
        ("output = ['x.html']", "command line alone"),
        ("[check]\noutput = ['x.html']", "command line alone"),
        ("proxy = 'http://host:1'", "only by a file that is named"),
        ("allow-private = true", "only by a file that is named"),
        ("model-output = 'decoy'", "only by a file that is named"),
        ("public = 'theirs.pub'", "only by a file that is named"),
        ("header = ['A: ${SECRET}']", "only by a file that is named"),
        ("[check]\nevidence = '/elsewhere'", "only by a file that is named"),
        ("ledger = 'theirs.db'", "only by a file that is named"),
        ("acess = 'label'", "no option and no command 'acess'"),
        ("[chek]", "no option and no command 'chek'"),
        ("[check]\nworkers = 2", "[check] has no option 'workers'"),
        ("check = 1", "wants a table"),
        ("quiet = 'yes'", "wants true or false"),
        ("access = true", "wants a text or a number"),
        ("access = ['label', 'top-k']", "wants one value"),
        ("access = {a = 1}", "wants texts or numbers"),
        ("access = ", "it is no TOML"),
        ("a = " + "[" * 5000, "it is no TOML"),
        ("#" * 70_000, "more than"),
    ],
)
def test_what_a_file_in_the_folder_may_not_say_is_one_line(place, lines, wanted):
    """Nobody is asked; the line names the file, with exit code 2."""
    (place / "auditkit.toml").write_text(lines)
    found = check("-f", "json")
    assert (found.exit_code, found.stdout, found.stderr.count("\n")) == (2, "", 1)
    assert found.stderr.startswith("auditkit: auditkit.toml: ")
    assert wanted in found.stderr


def test_a_file_that_is_named_sets_more_but_no_isolation_off(place):
    """--config and AUDITKIT_CONFIG say that the file is the auditor's own."""
    (place / "mine.toml").write_text("[check]\nevidence = 'kept'\n")
    assert "evidence = kept" in check(before=("--config", "mine.toml")).stderr
    assert (place / "kept").is_dir()
    assert "evidence = kept" in check(AUDITKIT_CONFIG="mine.toml").stderr
    (place / "mine.toml").write_text("isolation = 'off'")
    assert check(before=("--config", "mine.toml")).exit_code == 2
    assert "No such file" in check(before=("--config", "gone.toml")).stderr


def test_switches_are_on_or_off_in_files_and_variables(place):
    """Both ways of a switch that has two, as a value of TOML or as 1 and 0."""
    (place / "auditkit.toml").write_text("sequential = true")
    assert "twins" in check().stderr  # which the bundle lacks
    assert check("--whole").exit_code == 3
    assert check(AUDITKIT_CHECK_SEQUENTIAL="0").exit_code == 3
    (place / "auditkit.toml").write_text("sequential = false")
    assert check().exit_code == 3


def test_no_file_is_read_if_that_is_asked_for(place):
    """--no-config leaves even a broken file alone."""
    (place / "auditkit.toml").write_text("what is this")
    assert access(check("--json", before=("--no-config",))) == "logits"


def test_a_variable_that_names_no_option_is_told(place):
    """A misspelt name would otherwise be what nobody notices."""
    found = check("--json", AUDITKIT_CHECK_ISOLATOIN="require")
    assert "AUDITKIT_CHECK_ISOLATOIN names no option" in found.stderr
    assert found.exit_code == 3


def test_a_pipe_in_the_folder_is_not_waited_for(place):
    """Whatever a folder holds under the name, a command goes on or ends."""
    os.mkfifo(place / "auditkit.toml")
    assert check().exit_code == 2
