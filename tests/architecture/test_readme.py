"""README, its page of commands and help tell the same: commands, their options, exit codes."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from auditkit.cli import app

ROOT = Path(__file__).parents[2]
README = "\n".join((ROOT / name).read_text() for name in ("README.md", "docs/commands.md"))
OPTION = re.compile(r"(?<![\w-])--?[a-z][a-z-]*")
CONSOLE = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)


def told(*arguments: str) -> str:
    """What the command's own help says, on a terminal wide enough for every line."""
    result = CliRunner().invoke(app, [*arguments, "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    return result.output


def helped() -> list[str]:
    """The commands as `auditkit --help` lists them."""
    _, _, listed = told().partition("Commands:\n")
    found = re.findall(r"^  ([a-z]+)  ", listed, re.MULTILINE)
    assert "check" in found
    return found


COMMANDS = helped()
HELP = {command: told(command) for command in COMMANDS}


def named() -> list[tuple[str, str]]:
    """Every option that README names in code, with the command it is named for ("": none)."""
    blocks = [line for block in CONSOLE.findall(README) for line in block.splitlines()]
    found = [pair for line in blocks for pair in options("", [line.partition("#")[0]])]
    for line in CONSOLE.sub("", README).splitlines():
        spans = [
            s for s in re.findall(r"`([^`]+)`", line) if not re.match(r"python |pip |make ", s)
        ]
        found += options("", spans)
    return found


def options(command: str, spans: list[str]) -> list[tuple[str, str]]:
    """The options in pieces of code, each for the command that was named last."""
    found = []
    for span in spans:
        calls = re.findall(r"(?:auditkit |^)([a-z]+)(?= |$)", span)
        command = next((call for call in calls if call in COMMANDS), command)
        if not re.search(r"\b(python|pip|make) ", span):
            found += [(command, option) for option in OPTION.findall(span)]
    return found


def test_every_command_is_in_readmes_table():
    """The table lists the commands that help lists, no more and no fewer."""
    table = re.findall(r"^\| `auditkit ([a-z]+)", README, re.MULTILINE)
    assert sorted(table) == sorted(COMMANDS)


def test_every_command_that_readme_runs_is_there():
    """In its examples and sentences too."""
    code = [*CONSOLE.findall(README), *re.findall(r"`([^`\n]+)`", CONSOLE.sub("", README))]
    runs = {name for text in code for name in re.findall(r"(?<![\w-])auditkit ([a-z]+)", text)}
    assert {"check", "fingerprint", "twins", "probe"} <= runs <= set(COMMANDS)


@pytest.mark.parametrize(("command", "option"), sorted(set(named())))
def test_every_option_in_readme_is_in_help(command, option):
    """What README tells to type is what the command's help lists."""
    pages = [HELP[command]] if command else HELP.values()
    assert any(re.search(rf"(?<![\w-]){option}(?![\w-])", page) for page in pages)


def test_options_of_check_are_read_from_readme():
    """The premise of the test above: README's options are found, and those of `check` as such."""
    known = {option for command, option in named() if command == "check"}
    assert {"--access", "--sequential", "-f", "--json", "--evidence"} <= known
    assert "--isolation" in {option for _, option in named()}


def test_exit_codes_are_those_of_help():
    """Both tell the same code for every outcome."""
    table = dict(re.findall(r"^\| (\d) \| (\w+)", README, re.MULTILINE))
    page = " ".join(told().split())
    for code, word in table.items():
        assert re.search(rf"\b{code} {word}", page), (code, word)
    assert set(table) == {"0", "2", "3", "4", "5"}
