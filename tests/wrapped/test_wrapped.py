"""However a suspect is wrapped, a copy is found and an innocent is not accused."""

import pytest

from auditkit.core.verdicts import Decision
from tests.wrapped.carriers import CARRIERS
from tests.wrapped.counting import counted, every, rows
from tests.wrapped.nets import one_thread, population

pytestmark = [
    pytest.mark.torch,
    # Tracing and exporting warn of what is as it should be here.
    pytest.mark.filterwarnings("ignore"),
]
FEWEST = {"variants": 60, "through each carrier": 5}
SHARE_FOUND = 0.95


@pytest.fixture(autouse=True)
def _alone():
    with one_thread():
        yield


def test_the_population_is_fair():
    """Copy and innocents know the task alike; only the copy knows the owner's points."""
    nets = population()
    assert nets.told["copy"].knows == nets.told["innocent"].knows == 1
    assert nets.told["copy"].shares >= 0.9 > 0.5 > nets.told["innocent"].shares


@pytest.mark.parametrize("carrier", CARRIERS)
def test_wrappings_change_no_verdict(carrier):
    """No copy is acquitted, no innocent accused, and what stays open is said in one clear line."""
    found = rows(carrier)
    assert len(found) >= FEWEST["through each carrier"]
    acquitted = [row for row in found if row.copy.acquitted]
    accused = [row for row in found if row.innocent.said == Decision.PIRATED]
    assert (acquitted, accused) == ([], [])
    for row in found:
        for one in (row.copy, row.innocent):
            assert one.line
            assert "\n" not in one.line
            assert not any(word in one.line for word in ("Traceback", "Error:", " at 0x"))


def test_nearly_all_copies_are_found():
    """All kinds together leave at most one copy in twenty open."""
    found = [*every()]
    assert len(found) >= FEWEST["variants"]
    counts = counted(found)
    missed = [(row.kind, row.carrier, row.copy.line) for row in found
              if row.copy.said != Decision.PIRATED]  # fmt: skip
    assert counts["found"] >= SHARE_FOUND * counts["copies"], missed
