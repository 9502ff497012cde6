"""What a new user of the command line types first: folders, patterns, --json, --version, Ctrl-C."""

import io
import json
import re
import time
from pathlib import Path

import pytest

from auditkit.commands import console, training
from auditkit.commands.remote import Left
from auditkit.core import progress
from auditkit.core.errors import AuditkitError, InputSpecError, TransientError, UnreachableError
from auditkit.core.progress import EVERY, Lines
from auditkit.files import bundle as bundles
from auditkit.fleet.finding import suspects_among
from auditkit.suspects.patience import Pace, patiently
from tests.commands.test_cli import run
from tests.conftest import COPY, linear_onnx


@pytest.fixture
def here(tmp_path, monkeypatch, bundle):
    """A folder with a bundle, and models in a folder and below it."""
    monkeypatch.chdir(tmp_path)
    bundles.write(bundle, tmp_path / "model.fp")
    (tmp_path / "models" / "old").mkdir(parents=True)
    (tmp_path / "models" / ".hidden").mkdir()
    for name in ("a.onnx", "old/b.onnx", ".hidden/c.onnx", "d[1].onnx"):
        linear_onnx(tmp_path / "models" / name, weights=COPY)
    (tmp_path / "models" / "notes.md").write_text("none")
    (tmp_path / "models" / "api.toml").write_text("url = 'https://host/x'")
    return tmp_path


def named(arguments: list[str]) -> list[str]:
    """The suspects that arguments of check name."""
    return list(suspects_among(arguments).suspects)


def test_version_is_told():
    """On stdout, in one line, with exit code 0."""
    found = run("--version")
    assert found.exit_code == 0
    assert re.fullmatch(r"auditkit \d+\.\d+\.\d+\S*\n", found.stdout)


def test_completion_can_be_installed():
    """The help offers it."""
    assert "--install-completion" in run("--help").stdout


def test_a_folder_names_the_models_in_it(here):
    """Files that an adapter opens, folders within too; hidden ones and addresses are left out."""
    found = ["models/a.onnx", "models/d[1].onnx", "models/old/b.onnx"]
    assert named(["models"]) == found
    assert named(["models", "models/a.onnx"]) == found


def test_a_pattern_names_what_fits_it(here):
    """Files and folders; a file whose name looks like a pattern is itself."""
    assert named(["models/*.onnx"]) == ["models/a.onnx", "models/d[1].onnx"]
    assert named(["models/o*"]) == ["models/old/b.onnx"]
    assert named(["models/d[1].onnx"]) == ["models/d[1].onnx"]


def test_names_that_are_no_paths_stay(here):
    """Addresses with question marks, functions and files that are missing are told as they are."""
    names = ["https://host/x?y=1", "python:mine:ask", "gone.onnx", "models/api.toml"]
    assert named(names) == names


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["check", "model.fp", "empty"],
            "'empty' holds no suspect; wanted files that end in .onnx",
        ),
        (["check", "model.fp", "x*.onnx"], "'x*.onnx' fits no suspect"),
        (["judge", "model.fp", "empty"], "'empty' holds no file that ends in .evidence"),
    ],
)
def test_nothing_found_is_one_line(here, arguments, line):
    """What was named, and what was wanted."""
    (here / "empty").mkdir()
    found = run(*arguments)
    assert found.exit_code == 5
    assert line in found.stderr
    assert len(found.stderr.strip().splitlines()) == 1


def test_json_is_short_for_the_format(here):
    """`--json` prints what `-f json` prints, and no other format goes with it."""
    found = run("check", "model.fp", "models/a.onnx", "--json")
    assert json.loads(found.stdout)["suspects"][0]["verdict"] == "pirated"
    assert run("check", "model.fp", "models/a.onnx", "--json", "-f", "magic").exit_code == 2


def test_judge_takes_the_folder_that_check_wrote(here):
    """All of its files, whatever else lies there, with the same verdicts."""
    run("check", "model.fp", "models", "--evidence", "kept")
    (here / "kept" / "notes.txt").write_text("none")
    found = json.loads(run("judge", "model.fp", "kept", "--json").stdout)
    assert [one["verdict"] for one in found["suspects"]] == ["pirated"] * len(
        list(Path("kept").glob("*.evidence"))
    )


@pytest.mark.parametrize("command", ["check", "judge"])
def test_words_are_explained_where_they_stand(here, command):
    """`--explain` ends the report with the words that it uses, and with no others."""
    run("check", "model.fp", "models/a.onnx", "--evidence", "kept")
    suspect = "models/a.onnx" if command == "check" else "kept"
    assert "\nWords\n" not in run(command, "model.fp", suspect).stdout
    _, _, words = run(command, "model.fp", suspect, "--explain").stdout.partition("\nWords\n")
    assert {"verdict", "pirated", "core points", "uncalibrated"} <= {
        line.strip().split("  ")[0] for line in words.splitlines()
    }
    assert "line-up" not in words
    assert run(command, "model.fp", suspect, "--explain", "--json").exit_code == 2


def test_what_is_kept_is_told_when_interrupted(tmp_path):
    """The journal and the folder of answers, if they hold anything, and how to go on."""
    journal = tmp_path / "audit.journal"
    left = Left(tmp_path / "kept", [], journal)
    assert left.told() == "no report was written"
    journal.touch()
    assert "audit.journal" in left.told()
    assert "the same command goes on" in left.told()
    assert "those of 1 suspects" in Left(tmp_path / "kept", [object()]).told()


def test_ctrl_c_says_what_is_kept(capsys):
    """One line on stderr, exit code 5."""
    with pytest.raises(console.typer.Exit) as left, console.errors(lambda: "kept is x"):
        raise KeyboardInterrupt
    assert left.value.exit_code == 5
    assert capsys.readouterr().err == "auditkit: interrupted before the end; kept is x\n"


def test_training_names_the_option_that_it_has():
    """An error that tells to add --samples says --data where the option is called so."""
    with pytest.raises(InputSpecError, match="add --data FILE"), training._called_data():
        raise InputSpecError("add --samples FILE")


@pytest.fixture
def clock(monkeypatch):
    """The time, which a test moves."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_progress_off_a_terminal_is_a_line_now_and_then(clock):
    """One when a stage begins, then one every so often."""
    stream = io.StringIO()
    told = Lines(stream, soon=5)
    told("training", 0, 9)
    assert stream.getvalue() == ""
    for clock[0] in range(6, 6 + 3 * int(EVERY)):
        told("training", int(clock[0]), 99)
    told("asking", 1, 2)
    lines = stream.getvalue().splitlines()
    assert [line.split(",")[0] for line in lines] == ["auditkit: training"] * 3 + [
        "auditkit: asking"
    ]
    assert "6 of 99" in lines[0]


def test_progress_of_a_command_goes_to_stderr_in_lines(capsys, monkeypatch):
    """Where stderr is no terminal; nothing with --quiet."""
    monkeypatch.setattr(console, "SOON", 0)
    for quiet in (True, False):
        with console.progress_bar(quiet=quiet) as bar:
            bar("training", 1, 2)
    assert capsys.readouterr().err == "auditkit: training, 1 of 2 (0 s)\n"


def failing(*errors: AuditkitError):
    """A call that raises these errors one after the other, the last again and again."""
    left = list(errors)

    def call() -> None:
        raise left.pop(0) if len(left) > 1 else left[0]

    return call


def test_a_dead_address_is_not_waited_for():
    """Nobody there is told at once; who was there once is waited for."""
    started = time.monotonic()
    with pytest.raises(TransientError, match=r"refused \(tried for 0 s\)"):
        patiently(failing(UnreachableError("refused")), 60, Pace(None), 0.0)
    assert time.monotonic() - started < 30
    with pytest.raises(TransientError, match=r"refused \(tried for 0 s\)"):
        patiently(failing(TransientError("busy"), UnreachableError("refused")), 0.3, Pace(None), 0)
