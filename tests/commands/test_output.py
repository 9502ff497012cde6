"""What a command writes never costs what it reads."""

import os

import pytest

from auditkit.files import bundle as bundles
from tests.commands.test_cli import run
from tests.conftest import COPY, linear_onnx


@pytest.fixture
def place(tmp_path, monkeypatch, bundle):
    """A folder with a bundle and a suspect."""
    monkeypatch.chdir(tmp_path)
    bundles.write(bundle, tmp_path / "model.fp")
    linear_onnx(tmp_path / "copy.onnx", weights=COPY)
    return tmp_path


@pytest.mark.parametrize("output", ["model.fp", "copy.onnx", "./model.fp"])
def test_a_report_is_written_over_nothing_that_is_read(place, output):
    """Neither the bundle nor a suspect is lost to -o, whatever way it is named."""
    before = (place / output).read_bytes()
    result = run("check", "model.fp", "copy.onnx", "-q", "-o", output)
    assert result.exit_code == 2
    assert "write over" in result.stderr
    assert (place / output).read_bytes() == before


def test_pipes_links_and_devices_are_not_replaced(place):
    """-o makes a new file or replaces an ordinary one."""
    os.mkfifo(place / "pipe")
    (place / "link").symlink_to("elsewhere")
    for output in ("pipe", "link"):
        result = run("check", "model.fp", "copy.onnx", "-q", "-o", output)
        assert result.exit_code == 5, result.output
        assert "name a new file" in result.stderr
    assert (place / "pipe").is_fifo()
    assert (place / "link").is_symlink()
