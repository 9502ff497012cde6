"""Mutants of everything that comes from strangers are refused in one line, or mean what they say.

`make fuzz` tries as many as one likes (docs/measured/fuzzing.md).
"""

import sys
from random import Random

import pytest

from auditkit.core.errors import BundleError
from fuzz.__main__ import all_harnesses
from fuzz.base import Harness, Wrong, run, watched

INPUTS = {
    "bundles": 600,
    "descriptions": 1000,
    "envelopes": 800,
    "evidence_files": 250,
    "journals": 60,
    "onnx_files": 600,
    "probes": 250,
    "replies": 250,
    "reports": 30,
}
"""About as many as can be tried in a second."""


@pytest.mark.skipif(sys.platform == "win32", reason="inputs that take too long can't be noticed")
@pytest.mark.parametrize("name", all_harnesses())
def test_mutants_are_refused_or_mean_what_they_say(tmp_path, name):
    """No other exception, no warning, and none takes longer than some seconds."""
    with watched():
        result = run(all_harnesses()[name], tmp_path, INPUTS[name], seed=1)
    assert result.defects == []
    assert result.refused + result.read == INPUTS[name]
    assert result.read


class _Broken:
    """What a harness must notice: a foreign exception, two lines, a false value, no end."""

    def __init__(self, _folder):
        self._number = -1

    def draw(self, _chance):
        """A number for each sort of defect."""
        self._number += 1
        return self._number

    def attempt(self, given):
        """Be wrong in one of four ways."""
        if given == 0:
            raise KeyError("a")
        if given == 1:
            raise BundleError("a\nb")
        if given == 2:
            raise Wrong("not what it says")
        while True:
            pass


def test_a_harness_notices_every_sort_of_defect(tmp_path, monkeypatch):
    """Each is told with the number that draws its input again."""
    monkeypatch.setattr("fuzz.base.SECONDS", 0.1)
    with watched():
        result = run(Harness("broken", _Broken), tmp_path, 4)
    assert [defect.number for defect in result.defects] == [0, 1, 2, 3]
    assert [defect.what.split(":")[0] for defect in result.defects] == [
        "KeyError",
        "not one line",
        "Wrong",
        "TooSlow",
    ]


@pytest.mark.parametrize("name", ["bundles", "onnx_files", "descriptions", "reports"])
def test_the_same_seed_draws_the_same_inputs(tmp_path, name):
    """So that a defect can be looked at by its number alone."""
    drawn = []
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        target = all_harnesses()[name].begin(tmp_path / place)
        drawn.append([repr(target.draw(Random(number))) for number in range(20)])  # noqa: S311
    assert drawn[0] == drawn[1]
