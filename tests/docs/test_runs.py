"""The commands of README, the tutorial and the sample dossier are run, and end as the pages say."""

import re
import runpy
import shutil
import sys
import warnings

import pytest
from typer.testing import CliRunner

from auditkit.cli import app
from auditkit.owner.training import twins
from tests.docs.pages import ROOT, Shown, shown
from tools.transcript import write_files

TUTORIAL, DOSSIER, README = (
    ROOT / name for name in ("docs/tutorial.md", "docs/dossier.md", "README.md")
)
SMALLER = "nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 10)"
VERDICTS = {3: "PIRATED", 0: "INDEPENDENT"}

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder that the tutorial leaves, by a smaller net, and how its commands ended."""
    place = tmp_path_factory.mktemp("tutorial")
    write_files(TUTORIAL.read_text(), place)
    script = place / "mycode.py"
    smaller, found = re.subn(r"\n +\*\(nn\.Conv2d.*", "", script.read_text())
    assert found == 2
    script.write_text(smaller.replace("nn.Linear(128, 10)", SMALLER))
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.chdir(place)
        patch.setenv("COLUMNS", "80")
        # A process for each core costs more than it saves here.
        patch.setattr(twins, "_cores", lambda _: 1)
        runpy.run_path("mycode.py", run_name="__main__")
        shutil.copy("models/fine-tuned.onnx", "suspect.onnx")
        ended = {command: run(command) for command in wanted()}
    sys.modules.pop("mycode", None)
    return place, ended


def wanted() -> list[Shown]:
    """The commands of auditkit on the three pages, each once, in the order of a reader."""
    found: dict[tuple[str, ...], Shown] = {}
    for page in (TUTORIAL, DOSSIER, README):
        for command in shown(page):
            if command.words[0] == "auditkit":
                found.setdefault(command.words, command)
    return list(found.values())


def run(command: Shown):
    """How a command ends; a line-up asks fewer natural points than a user's, for time."""
    few = ("--method", "lineup:natural=400") if "--twins" in command.words else ()
    return CliRunner().invoke(app, [*command.words[1:], *few])


@pytest.mark.parametrize("command", wanted(), ids=str)
def test_a_command_ends_as_its_page_says(command, folder):
    """Its exit code is the one shown below it, and on a verdict its first word too."""
    _, ended = folder
    result = ended[command]
    if command.page == README and command.words[1] in {"check", "scan", "report"}:
        assert result.exit_code == 3, result.output  # README does not show how they end
        return
    assert result.exit_code == command.code, result.output
    if command.words[1] == "check" and "-o" not in command.words:
        assert VERDICTS[command.code] in result.output
        assert "19 twins" in result.output


def test_what_the_pages_promise_is_written(folder):
    """Dossiers are there, and are what their names say."""
    place, _ = folder
    assert (place / "dossier.pdf").read_bytes().startswith(b"%PDF")
    for name in ("dossier.html", "sample-dossier.html"):
        assert "<html" in (place / name).read_text()
    assert (place / "summary.csv").read_text().count("\n") == 3


def test_the_pages_run_whole_commands():
    """The premise of the tests above: the commands of all three pages are found."""
    pages = {command.page for command in wanted()}
    assert pages == {TUTORIAL, DOSSIER, README}
    told = {command.words[1] for command in shown(README) if command.words[0] == "auditkit"}
    assert {"twins", "fingerprint", "check", "report"} <= told
