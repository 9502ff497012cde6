"""What a bundle keeps of weights: enough to recognise them, too little to rebuild them."""

import numpy as np
import pytest

from auditkit.core import weights
from auditkit.core.weights import Layer, Outline, layer, layers, sketch


def random_layer(seed: int, out: int = 16, inputs: int = 8, kernel: int = 9) -> Layer:
    """Independent normal numbers."""
    rows = np.random.default_rng(seed).normal(size=(out, inputs * kernel)).astype(np.float32)
    return Layer("w", rows, inputs)


def test_axes_after_the_second_become_columns_of_their_input_channel():
    """(out, in, h, w) is (out, in * h * w) rows over in channels."""
    found = layer("w", np.arange(48).reshape(2, 3, 2, 4))
    assert found is not None
    assert (found.rows.shape, found.inputs) == ((2, 24), 3)
    np.testing.assert_array_equal(found.rows[1, 8:16], np.arange(32, 40))


@pytest.mark.parametrize("shape", [(), (5,), (0, 3), (3, 0)])
def test_what_is_no_layer_is_none(shape):
    """Biases, numbers and empty tensors."""
    assert layer("w", np.zeros(shape)) is None


def test_many_tensors_and_large_ones_are_left_out(monkeypatch):
    """No model makes a reader keep more than so many numbers and tensors."""
    monkeypatch.setattr(weights, "MOST_NUMBERS", 100)
    monkeypatch.setattr(weights, "MOST_TENSORS", 3)
    sizes = (60, 50, 20, 10, 10)
    found = layers((str(size), np.zeros((size // 5, 5))) for size in sizes)
    assert [one.name for one in found] == ["60", "20", "10"]


def test_scale_and_offset_of_a_row_do_not_matter():
    """What folded normalisation and quantisation do to a row leaves its directions."""
    one = random_layer(0)
    scale = np.random.default_rng(1).uniform(0.1, 9, size=(16, 2)).astype(np.float32)
    moved = one.rows * scale[:, :1] + scale[:, 1:]
    np.testing.assert_allclose(
        weights.directions(moved, 7), weights.directions(one.rows, 7), atol=1e-4
    )


@pytest.mark.parametrize("row", [0.0, 5.0, 1e-30, np.nan, np.inf])
def test_rows_without_direction_are_zero(row):
    """Pruned, constant and broken rows compare as nothing; tiny ones as they are."""
    rows = random_layer(0).rows.copy()
    rows[3] = row if row != 1e-30 else rows[3] * np.float32(row)
    found = weights.directions(rows, 7)
    assert np.isfinite(found).all()
    assert np.linalg.norm(found[3]) == pytest.approx(float(row == 1e-30), abs=1e-5)


@pytest.mark.parametrize(("columns", "kept"), [(7, 0), (9, 2), (27, 6), (72, 18), (4608, 32)])
def test_at_most_a_quarter_of_a_row_is_kept(columns, kept):
    """And never more than 32 numbers; rows of which fewer than two would be kept are left out."""
    [*found] = sketch([random_layer(0, inputs=columns, kernel=1)], 3).outlines
    assert [one.directions.shape for one in found] == ([(16, kept)] if kept else [])


def test_a_row_cannot_be_rebuilt_from_what_is_kept():
    """The best guess of a row has a cosine of less than a half with it."""
    one = random_layer(0, inputs=32)
    [kept] = sketch([one], 3).outlines
    rebuilt = kept.directions.astype(np.float32) @ weights.projection(3, 288).T
    real = weights.centred(one.rows)
    cosine = (weights.unit(rebuilt) * real).sum(axis=1)
    assert cosine.mean() < 0.5


def test_of_a_tensor_with_very_many_rows_some_are_kept():
    """Which ones follows from the seed."""
    rows = np.random.default_rng(0).normal(size=(5000, 16)).astype(np.float32)
    [kept] = sketch([Layer("w", rows, 16)], 3).outlines
    chosen = weights.kept_rows(3, 5000)
    assert kept.directions.shape == (weights.MOST_ROWS, 4)
    assert (np.diff(chosen) > 0).all()
    assert not np.array_equal(chosen, weights.kept_rows(4, 5000))
    np.testing.assert_allclose(kept.directions, weights.directions(rows[chosen], 3), atol=1e-3)


def test_projections_never_change():
    """A bundle stays comparable: they come from a hash."""
    found = weights.projection(1, 16)
    wanted = [
        [-0.26489999890327454, -0.06129999831318855, 0.2856999933719635, 0.2687000036239624],
        [-0.09449999779462814, 0.4187999963760376, -0.2745000123977661, 0.1688999980688095],
    ]
    np.testing.assert_allclose(found[:2], wanted, atol=1e-4)


def test_projections_turn_and_do_not_bend():
    """Right angles between columns, and to what all numbers of a row have in common."""
    found = weights.projection(1, 40)
    np.testing.assert_allclose(found.T @ found, np.eye(10), atol=1e-5)
    np.testing.assert_allclose(found.sum(axis=0), 0, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "inputs", "directions"),
    [
        ((16, 72), 8, np.zeros((16, 17))),
        ((15, 72), 8, np.zeros((16, 18))),
        ((16, 72), 7, np.zeros((16, 18))),
        ((16, 72), 0, np.zeros((16, 18))),
        ((16, 72), 8, np.full((16, 18), np.nan)),
        ((3, 72), 8, np.zeros((3, 18))),
        ((16, 4), 4, np.zeros((16, 1))),
    ],
)
def test_contradictory_outlines_are_refused(shape, inputs, directions):
    """Shapes that disagree, and numbers that are none."""
    with pytest.raises(ValueError, match="'w'"):
        Outline("w", shape, inputs, directions)
