"""Whatever an option is given, nobody sees a traceback."""

from collections.abc import Iterator

import pytest
import typer
from typer.testing import CliRunner

from auditkit.cli import app
from auditkit.files import bundle as bundles
from tests.conftest import linear_onnx

ODD = ("", "x", "-1", "nan", "inf", "1e999", ".", "\x1b[31m")
WAITING = {"view", "serve"}
"""Commands that go on until they are interrupted."""
COMMANDS: dict[str, typer.core.TyperCommand] = {
    name: command
    for name, command in typer.main.get_command(app).commands.items()
    if name not in WAITING
}
GIVEN = {
    "check": ["b.fp", "s.onnx"],
    "scan": ["b.fp", "s.onnx"],
    "screen": ["b.fp", "s.onnx"],
    "regenerate": ["b.fp", "m.pt"],
    "judge": ["b.fp", "none.evidence"],
    "report": ["b.fp", "none.evidence"],
    "probe": ["http://127.0.0.1:9/"],
    "keygen": ["k"],
    **{name: ["b.fp"] for name in ("plan", "queries", "inspect", "sign", "verify")},
    **{name: ["m.pt"] for name in ("fingerprint", "twins")},
}
"""What each command is asked about; it is there, but for models of the owner."""


def options(command: str) -> Iterator[str]:
    """Those that take a value."""
    for parameter in COMMANDS[command].params:
        if parameter.param_type_name == "option" and not parameter.is_flag:
            yield parameter.opts[0]


@pytest.fixture
def folder(tmp_path, monkeypatch, bundle):
    """A folder with a bundle, a suspect and a file that is no model."""
    monkeypatch.chdir(tmp_path)
    bundles.write(bundle, tmp_path / "b.fp")
    linear_onnx(tmp_path / "s.onnx")
    (tmp_path / "m.pt").write_bytes(b"junk")
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_an_odd_value_of_an_option_is_said_in_words(folder, command):
    """Each option of each command, with text, nothing, numbers that are none, and names."""
    for option in options(command):
        for odd in ODD:
            result = CliRunner().invoke(app, [command, *GIVEN.get(command, []), option, odd])
            assert result.exception is None or isinstance(result.exception, SystemExit), (
                f"{command} {option} {odd!r}: {result.exception!r}"
            )
            assert result.exit_code in {0, 2, 3, 4, 5}, (command, option, odd)


@pytest.mark.parametrize("command", COMMANDS)
def test_an_odd_argument_is_said_in_words(folder, command):
    """The same where a file or a name is expected."""
    for odd in ODD:
        for arguments in ([odd], [odd, "s.onnx"], ["b.fp", odd], [odd, odd]):
            result = CliRunner().invoke(app, [command, "--", *arguments])
            assert result.exception is None or isinstance(result.exception, SystemExit), (
                f"{command} {arguments}: {result.exception!r}"
            )
