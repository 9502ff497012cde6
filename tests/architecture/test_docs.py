"""What the docs list is what there is."""

from pathlib import Path

import pytest

from auditkit.core import errors
from auditkit.core.verdicts import Reason, ReasonCode
from auditkit.reports.wording import SENTENCES, sentence

DOCS = Path(__file__).parents[2] / "docs"
CODES = [*ReasonCode, *(found.code for found in vars(errors).values() if hasattr(found, "code"))]


@pytest.mark.parametrize("code", [*CODES, "crashed", "out-of-memory"])
def test_every_code_is_in_the_docs(code):
    """A ledger that groups by code finds out what each means."""
    assert f"`{code}`" in (DOCS / "report.md").read_text()


def test_every_reason_has_its_sentence():
    """No verdict is shown without words."""
    assert set(SENTENCES) == set(ReasonCode)


def test_a_plug_in_brings_its_own_words():
    """A code that auditkit does not know is told by the text that came with it."""
    assert sentence(Reason("weather", {"text": "it rained"})) == "it rained"
    assert sentence(Reason("weather")) == "weather"
