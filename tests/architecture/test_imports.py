"""What is loaded when: the auditor's side never needs torch, and help needs nothing heavy."""

import ast
import inspect
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import auditkit
from auditkit.cli import app
from auditkit.core import errors
from auditkit.files import bundle as bundles
from tests.conftest import WEIGHTS, linear_onnx

HEAVY = [
    *("torch", "onnx", "onnxruntime", "scipy", "httpx", "grpc", "PIL"),
    *("safetensors", "jmespath", "rich", "matplotlib", "sklearn", "google.protobuf"),
    *("cryptography", "rfc3161_client", "ray"),
]
PACKAGE = Path(auditkit.__file__).parent


def fresh(code: str, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess:
    """The code in an interpreter of its own."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


@pytest.mark.parametrize(
    "arguments",
    [["--help"], *([command.callback.__name__, "--help"] for command in app.registered_commands)],
    ids=" ".join,
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
sys.path.insert(0, 'hidden')
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


ELSEWHERE = """
import sys
sys.modules['fcntl'] = None
sys.modules['resource'] = None
from auditkit.suspects.isolation import isolated
isolated.SUPPORTED = False
from auditkit.cli import app
app(sys.argv[1:])
"""


def test_an_onnx_suspect_is_checked_without_unix(folder):
    """Where there is neither `resource` nor `fcntl`, as on Windows, ONNX files get a verdict."""
    result = fresh(ELSEWHERE, "check", "model.fp", "copy.onnx", cwd=folder)
    assert (result.returncode, "PIRATED" in result.stdout) == (3, True), result.stderr


def test_what_needs_torch_says_so(folder):
    """Without torch, TorchScript suspects and fingerprints are one line with the way to get it."""
    with zipfile.ZipFile(folder / "copy.pt", "w") as archive:
        archive.writestr("copy/constants.pkl", b"")
    # The process that opens the suspect has no torch either.
    (folder / "hidden").mkdir()
    (folder / "hidden" / "torch.py").write_text(
        "raise ModuleNotFoundError('no torch', name='torch')"
    )
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


def test_the_packages_top_stays_small():
    """Who opens the folder sees at most 15 names: rooms, and what leads into them."""
    names = {path.name for path in PACKAGE.iterdir()} - {"py.typed", "__pycache__"}
    assert len(names) <= 15, sorted(names)


def test_files_and_functions_stay_small():
    """No file over 300 lines, no function over 60, the options of a command or call apart."""
    large = []
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text()
        tree = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
        starts = [
            (node.body[0] if {"commands", "api"} & {*path.parts} else node).lineno for node in tree
        ]
        sizes = zip(tree, starts, strict=True)
        large += [f"{path}: {n.name}" for n, at in sizes if (n.end_lineno or 0) - at > 60]
        large += [f"{path}: {text.count(chr(10))} lines"] if text.count("\n") > 300 else []
    assert not large
