"""The files in examples/ci/ call auditkit as it is."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from auditkit.cli import app
from auditkit.commands.configuration import BY_ITSELF
from tests.architecture.test_readme import HELP, told

CI = Path(__file__).parents[2] / "examples" / "ci"
GENERAL = told()


def calls(name: str) -> list[list[str]]:
    """The calls of auditkit in a file, with folded lines of YAML joined."""
    text = re.sub(r"\n +(?=--?[a-z])", " ", (CI / name).read_text().replace("run: >\n", ""))
    found = re.findall(r"^ *(?:entry: )?(auditkit .*)", text, re.MULTILINE)
    return [shlex.split(re.sub(r" #.*", "", line)) for line in found]


@pytest.mark.parametrize(
    ("name", "commands"),
    [("workflow.yml", ["scan", "report"]), ("pre-commit-config.yaml", ["check"])],
)
def test_every_option_that_an_example_gives_is_in_help(name, commands):
    """The commands are there, and so is each of their options."""
    found = calls(name)
    assert [
        next(word for word in call[1:] if not word.startswith("-")) for call in found
    ] == commands
    for call, command in zip(found, commands, strict=True):
        before = call[: call.index(command)]
        for word in call:
            page = GENERAL if word in before else HELP[command]
            assert not word.startswith("-") or re.search(rf"(?<![\w-]){word}(?![\w-])", page), word


def test_the_example_of_a_file_with_options_is_taken(tmp_path, monkeypatch):
    """It may lie in a folder as it is."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "auditkit.toml").write_text((CI / "auditkit.toml").read_text())
    assert CliRunner().invoke(app, ["plan", "--help"]).exit_code == 0


def test_the_docs_list_what_a_file_in_a_folder_may_set():
    """No more and no less than what is allowed."""
    docs = (CI.parents[1] / "docs" / "configuration.md").read_text()
    _, _, below = docs.partition("which verdicts fail:\n")
    listed = re.findall(r"`([a-z-]+)`", below.partition("\n")[0])
    assert sorted(listed) == sorted(BY_ITSELF)
    for block in re.findall(r"```toml\n(.*?)```", docs, re.DOTALL):
        assert tomllib.loads(block)
