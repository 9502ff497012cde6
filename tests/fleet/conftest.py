"""A folder with a bundle, copies, strangers and a broken file, and scans of it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from auditkit.cli import app
from auditkit.files import bundle as bundles
from auditkit.fleet.ledger import Ledger, Pair
from tests.conftest import copy_weights, linear_onnx, stranger_weights

ROOT = str(Path(__file__).parents[2])
COPIES, STRANGERS = 2, 4


@pytest.fixture
def folder(tmp_path, bundle, monkeypatch):
    """The working folder: `a.fp`, models in `models/`."""
    monkeypatch.chdir(tmp_path)
    bundles.write(bundle, tmp_path / "a.fp")
    (tmp_path / "models").mkdir()
    fill(tmp_path / "models")
    return tmp_path


def fill(models: Path, strangers: int = STRANGERS) -> None:
    """Write copies of the owner, strangers and a file that is no model."""
    for number in range(COPIES):
        linear_onnx(models / f"copy{number}.onnx", weights=copy_weights(number))
    for number in range(strangers):
        linear_onnx(models / f"stranger{number}.onnx", weights=stranger_weights(number + 100))
    (models / "broken.onnx").write_bytes(b"no model" * 100)


def started(*arguments: str) -> subprocess.Popen[str]:
    """A scan in a process of its own."""
    command = [
        *(sys.executable, "-m", "auditkit", "scan", *arguments, "--device", "cpu"),
        *("--workers", "1", "-f", "json"),
    ]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": ROOT},
    )


def scanned(*arguments: str) -> tuple[int, dict, str]:
    """The exit code of a scan by one worker, its JSON and what it said on stderr."""
    how = ["--device", "cpu", "--workers", "1", "-f", "json"]
    found = CliRunner().invoke(app, ["scan", *arguments, *how])
    return found.exit_code, json.loads(found.stdout) if found.stdout else {}, found.stderr


@pytest.fixture
def kept() -> Callable[[str], dict[str, Pair]]:
    """The pairs of a ledger of one bundle, by the suspect's file name."""

    def read(path: str = "audit.db") -> dict[str, Pair]:
        with Ledger.open(path) as ledger:
            return {Path(one.suspect).name: one for one in ledger.pairs()}

    return read
