"""What the docs list is what there is."""

from pathlib import Path

import pytest

from auditkit.core import errors
from auditkit.core.verdicts import ReasonCode

DOCS = Path(__file__).parents[2] / "docs"
CODES = [*ReasonCode, *(found.code for found in vars(errors).values() if hasattr(found, "code"))]


@pytest.mark.parametrize("code", [*CODES, "crashed", "out-of-memory"])
def test_every_code_is_in_the_docs(code):
    """A ledger that groups by code finds out what each means."""
    assert f"`{code}`" in (DOCS / "report.md").read_text()
