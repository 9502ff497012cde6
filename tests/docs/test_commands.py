"""Every command that a page shows is one that can be given."""

import functools
import importlib.util
import re
import shlex
import tomllib
from collections.abc import Iterable

import pytest
import typer
from typer.testing import CliRunner

from auditkit.cli import app, options
from tests.docs.pages import PAGES, ROOT, Shown, inline, shown

DRY = typer.Typer()
"""The command line as it is, of commands that do nothing."""
DRY.callback()(options)
for real in app.registered_commands:
    DRY.command()(functools.wraps(real.callback)(lambda **_: None))

ALL = [command for page in PAGES for command in shown(page)]
HISTORY = {ROOT / "CHANGELOG.md", *ROOT.glob("docs/decisions/*.md")}
"""Pages that also speak of commands that are gone."""
SPANS = sorted(
    {
        span
        for page in PAGES
        if page not in HISTORY
        for span in inline(page)
        if re.match(r"auditkit [a-z]+\b", span)
    }
)
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


@functools.cache
def told(name: str) -> str:
    """The help of a command, on a terminal wide enough for every line."""
    result = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0, f"no command {name}"
    return result.output


def of(program: str) -> list[Shown]:
    """The commands of one program."""
    return [command for command in ALL if command.words[0] == program]


def refusal(arguments: Iterable[str]) -> str:
    """What the command line says against these arguments; "" if they can be given."""
    result = CliRunner().invoke(DRY, [*arguments])
    return result.output if result.exit_code else ""


@pytest.mark.parametrize("command", of("auditkit"), ids=str)
def test_a_shown_command_can_be_given(command):
    """Its options are there, with values that they take, and no argument is missing."""
    assert not refusal(command.words[1:])


def test_what_can_not_be_given_is_noticed():
    """The premise of the test above: a wrong command, option, choice or argument fails it."""
    both = ["model.fp", "suspect.onnx"]
    for wrong in (["--acess", "label"], ["--access", "everything"], ["--budget"], ["--rate", "x"]):
        assert not refusal(["check", *both])
        assert refusal(["check", *both, *wrong])
    assert refusal(["chekc", *both])
    assert refusal(["inspect", "a", "b"])
    assert refusal(["report", "model.fp", "kept"])


@pytest.mark.parametrize("span", SPANS)
def test_a_command_within_a_sentence_is_there(span):
    """Commands and options that sentences name are those of the command line."""
    name, *words = re.sub(r"[\[\]…]", " ", span).split()[1:]
    page = told(name)
    for word in words:
        if re.fullmatch(r"--?[a-z][a-z-]*", word):
            assert re.search(rf"(?<![\w-]){word}(?![\w-])", page), word


def test_enough_commands_were_found():
    """Blocks and sentences are read: the pages show some hundred commands."""
    assert len(of("auditkit")) >= 50
    assert {"check", "fingerprint", "twins", "report"} <= {c.words[1] for c in of("auditkit")}
    assert len(SPANS) >= 60


@pytest.mark.parametrize("command", of("python"), ids=str)
def test_a_shown_module_is_there(command):
    """`python -m` names a module of this repository or an installed one, `python` a file."""
    _, first, *rest = command.words
    if first == "-m":
        assert importlib.util.find_spec(rest[0])
    else:
        assert first in {"mycode.py", "answer.py"} or (ROOT / first).is_file()


@pytest.mark.parametrize("command", of("make"), ids=str)
def test_a_shown_target_is_in_the_makefile(command):
    """`make` names targets of the Makefile."""
    makefile = (ROOT / "Makefile").read_text()
    for target in (word for word in command.words[1:] if "=" not in word):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


@pytest.mark.parametrize("command", of("pip"), ids=str)
def test_a_shown_extra_is_there(command):
    """`pip install` names extras of this package."""
    for word in command.words:
        if found := re.fullmatch(r"(?:model-auditkit|\.)\[([a-z,]+)\]", word):
            assert set(found[1].split(",")) <= set(EXTRAS), shlex.join(command.words)
