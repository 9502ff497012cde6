"""What the numbered examples show is all that a user needs: the public names."""

import ast
from pathlib import Path

import pytest

import auditkit

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("[0-9]*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_use_public_names_alone(path):
    """They import the package itself, nothing from inside, and every name is in `__all__`."""
    tree = ast.parse(path.read_text())
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            imported.add(node.module)
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "auditkit"
    }
    assert {name for name in imported if name.startswith("auditkit")} == {"auditkit"}
    assert used
    assert used <= set(auditkit.__all__)


def test_the_whole_job_is_short():
    """Fingerprint, write, audit and print take about fifteen lines."""
    [whole] = [path for path in EXAMPLES if path.stem == "05_whole_job"]
    body = ast.parse(whole.read_text()).body[1:]
    lines = whole.read_text().splitlines()[body[0].lineno - 1 :]
    assert sum(bool(line.strip()) for line in lines) <= 15
