"""Points that are asked twice."""

import numpy as np
import pytest

from auditkit.suspects.repeats import Twice

FIRST = np.array([1.0, 3.0, 2.0], np.float32)


@pytest.mark.parametrize(
    ("later", "changed"),
    [
        (FIRST * (1 + 1e-3), False),
        (FIRST + np.float32([0, 0, 0.5]), True),
        (FIRST[::-1].copy() + np.float32([2, 0, 0]), True),
    ],
)
def test_another_label_or_another_score_is_a_change(later, changed):
    """Rounding is none."""
    assert Twice(FIRST, later).changed is changed


def test_labels_change_only_if_they_differ():
    """They have no scores."""
    assert not Twice(np.array(3), np.array(3)).changed
    assert Twice(np.array(3), np.array(4)).changed
