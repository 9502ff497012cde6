"""A sheet holds every point once, in the order of asking, and finds families and the file again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditkit.core.points import CONTROL, CORE, DISPUTED, MISTAKE, Family, InputSpec, Sheet, pixels

NAMES = (CORE, CONTROL, MISTAKE, DISPUTED)


def families(sizes: dict[str, int], seed: int = 0) -> dict[str, Family]:
    """Random points of these families, with random outputs."""
    rng = np.random.default_rng(seed)
    return {
        name: Family(
            rng.random((size, 3)).astype(np.float32), rng.normal(size=(size, 4)).astype(np.float32)
        )
        for name, size in sizes.items()
    }


SIZES = st.fixed_dictionaries(
    {CORE: st.integers(1, 12)}, optional={name: st.integers(1, 12) for name in NAMES[1:]}
).flatmap(lambda sizes: st.permutations(list(sizes)).map(lambda ks: {k: sizes[k] for k in ks}))


@given(SIZES)
def test_families_come_back_as_the_file_has_them(sizes):
    """Whatever the order of asking, each family has its points and outputs in the file's order."""
    known = families(sizes)
    sheet = Sheet.of(known)
    assert sheet.names == tuple(sizes)
    assert sheet.counts() == sizes
    assert sorted(sheet.places) == list(range(len(sheet)))
    for name, family in known.items():
        np.testing.assert_array_equal(sheet.of_family(name).points, family.points)
        np.testing.assert_array_equal(sheet.of_family(name).outputs, family.outputs)
        np.testing.assert_array_equal(sheet.labels[sheet.filed(name)], family.labels)
        assert sheet.rows(name).sum() == len(family)
    assert not sheet.rows("nobody's").any()


@given(SIZES)
def test_core_points_come_before_all_but_controls(sizes):
    """Those tell most, so whoever stops early has asked them."""
    sheet = Sheet.of(families(sizes))
    others = [name for name in sheet.family if name != CONTROL]
    assert others[: sizes[CORE]] == [CORE] * sizes[CORE]


@given(SIZES, st.integers(1, 12))
def test_a_cut_has_the_first_points_of_the_file(sizes, count):
    """Its rows lead back to the larger sheet, and its own order is that of its own points."""
    known = families(sizes)
    sheet = Sheet.of(known)
    cut = sheet.cut({CORE: count, CONTROL: 3})
    assert cut.sheet.counts() == {
        name: min(size, {CORE: count, CONTROL: 3}[name])
        for name, size in sizes.items()
        if name in (CORE, CONTROL)
    }
    np.testing.assert_array_equal(cut.sheet.points, sheet.points[cut.rows])
    np.testing.assert_array_equal(cut.sheet.outputs, sheet.outputs[cut.rows])
    np.testing.assert_array_equal(cut.sheet.of_family(CORE).points, known[CORE].points[:count])


def test_a_sheet_stays_as_it_was_made():
    """Nobody can change the points or the owner's outputs afterwards, nor those it was made of."""
    known = families({CORE: 5})
    sheet = Sheet.of(known)
    for array in (sheet.points, sheet.outputs, known[CORE].points):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


@pytest.mark.parametrize(
    ("points", "outputs"),
    [
        (np.zeros((2, 3)), np.zeros((3, 4))),
        (np.zeros((0, 3)), np.zeros((0, 4))),
        (np.zeros((2, 3)), np.zeros((2, 1))),
        (np.full((2, 3), np.nan), np.zeros((2, 4))),
        (np.zeros((2, 3)), np.full((2, 4), np.inf)),
        (np.zeros(2), np.zeros((2, 4))),
    ],
)
def test_families_that_can_not_be_are_refused(points, outputs):
    """Points and outputs of other lengths, none, one class, and what is not finite."""
    with pytest.raises(ValueError, match=r"must|at least"):
        Family(points, outputs)


def test_pixels_cover_the_bounds():
    """Whatever the owner's range, its ends are 0 and 255."""
    for low, high in ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0)):
        spec = InputSpec((1, 1, 2), (low,), (high,))
        points = np.array([[[[low, high]]]], np.float32)
        assert pixels(points, spec).ravel().tolist() == [0, 255]


def test_a_spec_of_a_huge_shape_costs_nothing():
    """A bundle may claim any shape before its points are looked at."""
    spec = InputSpec((2**31, 2), (0.0,), (1.0,), (0.5,), (0.25,))
    assert spec.shape == (2**31, 2)
    with pytest.raises(ValueError, match="no finite inputs"):
        InputSpec((2**31, 2), (0.0,), (1.0,), (1e38,), (1e-38,))
