"""What is loaded when: the auditor's side never needs torch, and help needs nothing heavy."""

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import auditkit
from auditkit import adapters, fingerprints, reports
from auditkit.core import errors, plugins
from auditkit.files import bundle as bundles
from auditkit.judging import identification
from tests.conftest import WEIGHTS, linear_onnx

HEAVY = ["torch", "onnx", "onnxruntime", "scipy", "httpx", "grpc", "PIL"]
PACKAGE = Path(auditkit.__file__).parent


def fresh(code: str, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess:
    """The code in an interpreter of its own."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        *([name, "--help"] for name in ("check", "fingerprint", "judge", "probe", "serve")),
    ],
)
def test_help_loads_nothing_heavy(arguments):
    """Help is there at once: nothing that takes long to load is loaded."""
    code = (
        "import sys\n"
        "from auditkit.cli import app\n"
        "try:\n    app(sys.argv[1:])\n"
        f"finally:\n    print('LOADED', [name for name in {HEAVY} if name in sys.modules])"
    )
    result = fresh(code, *arguments)
    assert "Usage" in result.stdout
    assert "LOADED []" in result.stdout


POISONED = """
import sys
sys.modules['torch'] = None
sys.modules['onnx'] = None
from auditkit.cli import app
app(sys.argv[1:])
"""


@pytest.fixture
def folder(tmp_path, bundle):
    """A bundle and an ONNX suspect."""
    bundles.write(bundle, tmp_path / "model.fp")
    linear_onnx(tmp_path / "copy.onnx", weights=WEIGHTS * np.float32(1.01))
    return tmp_path


def test_an_onnx_suspect_is_checked_without_torch(folder):
    """The auditor needs neither torch nor onnx."""
    result = fresh(POISONED, "check", "model.fp", "copy.onnx", cwd=folder)
    assert (result.returncode, "PIRATED" in result.stdout) == (3, True), result.stderr


def test_what_needs_torch_says_so(folder):
    """Without torch, TorchScript suspects and fingerprints are one line with the way to get it."""
    (folder / "copy.pt").write_bytes(b"x")
    for arguments in (["check", "model.fp", "copy.pt"], ["fingerprint", "copy.pt"]):
        result = fresh(POISONED, *arguments, cwd=folder)
        assert result.returncode == 5
        assert "model-auditkit[owner]" in result.stdout + result.stderr


def test_public_names_are_sorted_and_there():
    """`__all__` is what the package offers, and each name resolves."""
    assert auditkit.__all__ == sorted(auditkit.__all__)
    for name in auditkit.__all__:
        assert getattr(auditkit, name) is not None
    with pytest.raises(AttributeError):
        auditkit.nothing  # noqa: B018


def test_the_error_tree_is_drawn_right():
    """The tree in the docstring is the tree in the code."""
    drawn = {}
    stack: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        name = line.lstrip("│├└─ ")
        if name.endswith("Error"):
            depth = (len(line) - len(name)) // 4
            stack[depth:] = [name]
            drawn[name] = stack[depth - 1] if depth else "Exception"
    real = {
        name: found.__bases__[0].__name__
        for name, found in vars(errors).items()
        if inspect.isclass(found)
    }
    assert drawn == real


@pytest.mark.parametrize("package", [adapters, fingerprints, identification, reports])
def test_a_new_file_is_a_new_plug_in(package, tmp_path, monkeypatch):
    """Dropping one file into a folder is all it takes."""
    (tmp_path / "brand_new.py").write_text('__all__ = ["Thing"]\nclass Thing: ...\n')
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    assert "brand_new" in plugins.names(package)
    assert plugins.load(package, "brand_new").__name__ == "Thing"
    sys.modules.pop(f"{package.__name__}.brand_new")


def test_every_plug_in_has_one_public_object():
    """The registry's rule holds for all that is built in."""
    for package in (adapters, fingerprints, identification, reports):
        for name in plugins.names(package):
            module = importlib.import_module(f"{package.__name__}.{name}")
            assert len(module.__all__) == 1


def test_files_and_functions_stay_small():
    """No file over 350 lines, no function over 60 with its docstring."""
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text()
        assert text.count("\n") <= 350, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and path.name != "cli.py":
                assert (node.end_lineno or 0) - node.lineno <= 60, f"{path}: {node.name}"


def test_readme_lists_every_command():
    """README and help tell the same commands."""
    readme = (PACKAGE.parent / "README.md").read_text()
    commands = ("fingerprint", "calibrate", "check", "judge", "queries", "inspect")
    for command in (*commands, "methods", "bench"):
        assert f"auditkit {command}" in readme
