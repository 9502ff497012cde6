"""However a command ends, it is one line, and never what reads as a verdict."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from auditkit.core.errors import JournalError
from auditkit.files import bundle as bundles
from auditkit.files.journal import Journal
from tests.commands.test_cli import run
from tests.conftest import COPY, linear_onnx

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="devices of Linux")


@pytest.fixture
def place(tmp_path, monkeypatch, bundle):
    """A folder with a bundle, a suspect and a pipe that nobody writes to."""
    monkeypatch.chdir(tmp_path)
    bundles.write(bundle, tmp_path / "model.fp")
    linear_onnx(tmp_path / "copy.onnx", weights=COPY)
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


def command(text: str) -> subprocess.CompletedProcess:
    """A line of the shell in which `A` is auditkit."""
    line = text.replace("A ", f"{sys.executable} -m auditkit ", 1)
    return subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    "line",
    [
        "A check model.fp copy.onnx -q -f json > /dev/full",
        "A inspect model.fp >&-",
        "A --help > /dev/full",
    ],
)
def test_an_output_that_takes_nothing_is_one_line(place, line):
    """A full disk or a closed output is neither a verdict nor a traceback."""
    done = command(line)
    assert done.returncode == 5
    assert len(done.stderr.splitlines()) == 1
    assert "can't be printed" in done.stderr


def test_a_closed_output_does_not_matter_where_nothing_is_printed(place):
    """The report goes to its file, and no file takes the place of the output."""
    assert command("A check model.fp copy.onnx -q -f json -o r.json >&-").returncode == 3
    assert Path("r.json").read_text().startswith("{")


@pytest.mark.parametrize("name", ["pipe", "/dev/zero"])
@pytest.mark.parametrize(
    "line",
    ["inspect {}", "check {} copy.onnx", "judge model.fp {}", "plan {}", "queries {} -o q.npz"],
)
def test_what_is_no_file_is_neither_waited_for_nor_read_for_ever(place, line, name):
    """A pipe or a device in place of a bundle or of evidence is refused in one line."""
    done = run(*line.format(name).split())
    assert done.exit_code == 5
    assert "pipe or a device" in " ".join((done.stdout + done.stderr).split())


def test_a_pipe_is_no_signature_and_no_journal(place):
    """Neither beside a bundle, nor as the file that answers are written to."""
    (place / "model.fp.sig").symlink_to("pipe")
    assert "pipe or a device" in run("check", "model.fp", "copy.onnx").stderr
    (place / "model.fp.sig").unlink()
    with pytest.raises(JournalError, match="a pipe or a device"):
        Journal(place / "pipe")


@pytest.mark.parametrize("epoch", ["9" * 30, "²", "-5", "", "1e5", "253402300800"])
def test_a_time_that_is_none_is_one_line(place, monkeypatch, epoch):
    """Nobody is asked before it is noticed."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    done = run("check", "model.fp", "copy.onnx", "-q")
    assert done.exit_code == 5
    assert "SOURCE_DATE_EPOCH wants seconds" in done.stderr
    assert len(done.stderr.splitlines()) == 1


INTERRUPTED = """
import os, runpy, signal, sys
class Interrupt:
    def find_spec(self, name, *_):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupt())
sys.argv = ["auditkit", "keygen", "/dev/null/key"]
runpy.run_module("auditkit", run_name="__main__")
"""


@pytest.mark.parametrize(
    ("module", "code", "words"),
    [
        ("typer", -signal.SIGINT, ""),
        ("cryptography.hazmat.primitives.serialization", 5, "auditkit: interrupted"),
    ],
)
def test_an_interrupted_command_shows_no_traceback(module, code, words):
    """While it is loaded it ends without a word, later in one line."""
    line = [sys.executable, "-c", INTERRUPTED.format(module=module)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60)
    assert done.returncode == code
    assert done.stderr.startswith(words)
    assert len(done.stderr.splitlines()) == bool(words)
