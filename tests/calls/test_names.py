"""The package shows its public names, and loads nothing for that."""

import pydoc
import subprocess
import sys

import auditkit

HEAVY = ("torch", "numpy", "onnx", "onnxruntime", "scipy", "rich", "typer")


def test_importing_loads_nothing_heavy():
    """Neither the import nor tab completion costs anything."""
    code = (
        "import sys, auditkit; dir(auditkit); auditkit.__version__\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def test_check_is_loaded_without_torch():
    """The auditor's calls need no torch."""
    code = "import sys, auditkit; auditkit.check; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr


def test_dir_lists_what_there_is():
    """Tab completion offers every public name, each can be had, and nothing else is offered."""
    names = {"fingerprint", "check", "load", "twins", "audit", "judge", "Bundle", "Order", "Result"}
    assert names <= set(dir(auditkit)) == set(auditkit.__all__)
    assert all(hasattr(auditkit, name) for name in auditkit.__all__)


def test_help_shows_the_first_calls():
    """`help(auditkit)` begins with how to use it, and has the calls with their arguments."""
    told = pydoc.plain(pydoc.render_doc(auditkit))
    assert "auditkit.check(" in told
    assert "fingerprint(" in told
    assert "samples" in told


def test_every_public_function_says_what_it_does():
    """Each has a docstring of its own."""
    functions = [getattr(auditkit, name) for name in auditkit.__all__]
    assert all(one.__doc__ for one in functions if callable(one))
