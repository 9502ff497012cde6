"""However a suspect is wrapped, a copy is found and an innocent is not accused."""

import pytest

from auditkit.core.verdicts import Decision
from tests.wrapped.carriers import CARRIERS
from tests.wrapped.counting import rows
from tests.wrapped.nets import one_thread, population
from tests.wrapped.wrappings import WRAPPINGS

pytestmark = [
    pytest.mark.torch,
    # Tracing and exporting warn of what is as it should be here.
    pytest.mark.filterwarnings("ignore"),
]
FILES = ("onnx", "script", "pt2")
SERVED = tuple(name for name in CARRIERS if name not in FILES)
FEWEST, FEWEST_OF_A_CARRIER = 60, 5
OPEN = {("bfloat16", "onnx"), ("bfloat16 within", "onnx")}
"""Kinds and carriers of copies that are refused, with a line that says what cures it."""
SHARE_FOUND = 0.95


@pytest.fixture(autouse=True)
def _alone():
    with one_thread():
        yield


def judged(carrier: str) -> None:
    """Check everything that goes through a carrier."""
    found = rows(carrier)
    assert len(found) >= FEWEST_OF_A_CARRIER
    assert [row for row in found if row.copy.acquitted] == []
    assert [row for row in found if row.innocent.said == Decision.PIRATED] == []
    missed = {(row.kind, carrier): row.copy for row in found if row.copy.said != Decision.PIRATED}
    assert set(missed) <= OPEN, missed
    for row in found:
        for one in (row.copy, row.innocent):
            assert one.line
            assert "\n" not in one.line
            assert not any(word in one.line for word in ("Traceback", "Error:", " at 0x"))


# In two classes, which are run side by side.
class TestFiles:
    """Suspects that are files."""

    def test_the_population_is_fair(self):
        """Copy and innocent know the task alike; only the copy knows the owner's points."""
        told = population().told
        assert told["copy"].knows == told["innocent"].knows == 1
        assert told["copy"].shares >= 0.9 > 0.5 > told["innocent"].shares

    def test_the_kinds_are_many(self):
        """The table is as wide as it says, and what may stay open is little of it."""
        pairs = [(way.name, carrier) for way in WRAPPINGS for carrier in way.carriers]
        assert len({way.name for way in WRAPPINGS}) == len(WRAPPINGS) >= FEWEST
        assert set(pairs) >= OPEN
        assert len(OPEN) <= (1 - SHARE_FOUND) * len(pairs)

    @pytest.mark.parametrize("carrier", FILES)
    def test_wrappings_change_no_verdict(self, carrier):
        """Copies are found, no innocent is accused, and what stays open is one clear line."""
        judged(carrier)


class TestServed:
    """Suspects that are functions or behind an address."""

    @pytest.mark.parametrize("carrier", SERVED)
    def test_wrappings_change_no_verdict(self, carrier):
        """Copies are found, no innocent is accused, and what stays open is one clear line."""
        judged(carrier)
