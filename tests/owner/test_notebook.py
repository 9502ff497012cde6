"""The notebook of the examples runs from the first cell to the last."""

from pathlib import Path

import pytest

nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")
nbformat = pytest.importorskip("nbformat")
pytestmark = pytest.mark.torch
ROOT = Path(__file__).parents[2]


# The packages of notebooks warn of what they change in each other.
@pytest.mark.filterwarnings("ignore")
def test_the_notebook_runs(tmp_path, monkeypatch):
    """Every cell, in a kernel of its own; a result is shown as HTML, an error as one line."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    book = nbformat.read(ROOT / "examples" / "06_notebook.ipynb", as_version=4)
    # An error of ours at the end, which the run is told to let pass.
    book.cells.append(nbformat.v4.new_code_cell('auditkit.load("gone.fp")'))
    book.cells[-1].metadata["tags"] = ["raises-exception"]
    client = nbclient.NotebookClient(
        book, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    *_, shown, failed = [cell for cell in book.cells if cell.cell_type == "code"]
    assert "PIRATED" in shown.outputs[-1].data["text/html"]
    [error] = failed.outputs
    assert error.traceback == ["auditkit: no such file: 'gone.fp'"]
