"""Corrections for many suspects, and looks at one, against independent formulas."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditkit.judging.lineup.looks import FIRST, look_schedule
from auditkit.judging.multiplicity import benjamini_hochberg, holm

P_VALUES = st.lists(st.floats(0.001, 1), min_size=1, max_size=12)


@given(P_VALUES)
def test_holm_rejects_what_closed_testing_rejects(p_values):
    """A hypothesis falls when every intersection with it does, each by Bonferroni."""
    for place, adjusted in enumerate(holm(p_values)):
        others = [p for number, p in enumerate(p_values) if number != place]
        worst = _closed(p_values[place], others)
        assert adjusted == pytest.approx(min(worst, 1))


def _closed(own: float, others: list[float]) -> float:
    """Greatest Bonferroni p of all intersections that hold this hypothesis."""
    worst = own
    for size in range(1, len(others) + 1):
        chosen = sorted(others, reverse=True)[:size]
        worst = max(worst, min(own, *chosen) * (size + 1))
    return worst


@given(P_VALUES)
def test_benjamini_hochberg_by_definition(p_values):
    """The least level at which the step-up procedure rejects each."""
    ordered = sorted(p_values)
    steps = [p * len(p_values) / (rank + 1) for rank, p in enumerate(ordered)]
    for own, adjusted in zip(p_values, benjamini_hochberg(p_values), strict=True):
        assert adjusted == pytest.approx(min([1.0, *steps[ordered.index(own) :]]))


@given(st.integers(1, 2000))
def test_looks_rise_to_the_last_point(points):
    """The first after ten points, then ever further apart, the last after all."""
    looks = look_schedule(points)
    assert looks[-1] == points
    assert (np.diff(looks) > 0).all()
    assert len(looks) == 1 or looks[0] == FIRST
