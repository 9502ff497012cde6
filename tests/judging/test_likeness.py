"""Weights are alike where one model was made from the other's, and not by chance."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from auditkit.core.weights import Layer, Sketch, sketch
from auditkit.judging.chance import chance
from auditkit.judging.likeness import comparable, likeness, likenesses

CLASSES = 10
WIDTHS = ((16, 1, 9), (32, 16, 9), (32, 32, 9), (48, 32, 1), (CLASSES, 48, 1))
"""Outputs, inputs and kernel of each layer; the first filters are too short to count."""
COLOURS = ((16, 3, 9), *WIDTHS[1:])


def net(seed: int, widths: Sequence[tuple[int, int, int]] = WIDTHS) -> list[Layer]:
    """A model of independent random numbers."""
    draw = np.random.default_rng(seed).normal
    return [
        Layer(f"{number}", draw(size=(out, inputs * kernel)).astype(np.float32), inputs)
        for number, (out, inputs, kernel) in enumerate(widths)
    ]


def changed(layers: list[Layer], amount: float, seed: int = 99) -> list[Layer]:
    """A copy with noise of so many standard deviations."""
    draw = np.random.default_rng(seed).normal
    return [replace(one, rows=one.rows + np.float32(amount) * draw(size=one.rows.shape).astype("f"))
            for one in layers]  # fmt: skip


def chosen(layers: list[Layer], places: list[np.ndarray]) -> list[Layer]:
    """A copy that keeps these hidden channels of each layer, in this order."""
    found = []
    columns = np.arange(layers[0].inputs)
    for one, rows in zip(layers, [*places, np.arange(CLASSES)], strict=True):
        blocks = one.rows.reshape(len(one.rows), one.inputs, -1)[rows][:, columns]
        found.append(Layer(one.name, blocks.reshape(len(rows), -1), len(columns)))
        columns = rows
    return found


def reordered(layers: list[Layer], seed: int) -> list[Layer]:
    """A copy of which the hidden channels were shuffled; it answers the same."""
    rng = np.random.default_rng(seed)
    return chosen(layers, [rng.permutation(len(one.rows)) for one in layers[:-1]])


@pytest.fixture(scope="module")
def owner() -> Sketch:
    """What is kept of model 0."""
    return sketch(net(0), 1)


def test_the_same_is_one_and_the_independent_are_zero(owner):
    """Whatever numbers the independent ones were drawn with."""
    assert likeness(net(0), owner) == pytest.approx(1, abs=1e-3)
    values = [likeness(net(seed), owner) for seed in range(1, 40)]
    assert np.abs(values).max() < 0.08
    assert abs(np.mean(values)) < 0.01


def test_noise_lowers_likeness_as_it_lowers_the_cosine(owner):
    """Half a standard deviation of noise leaves a cosine of 0.89, two of them 0.45."""
    assert likeness(changed(net(0), 0.5), owner) == pytest.approx(0.89, abs=0.03)
    assert likeness(changed(net(0), 2.0), owner) == pytest.approx(0.45, abs=0.06)


@pytest.mark.parametrize("widths", [WIDTHS, COLOURS])
@pytest.mark.parametrize("seed", range(3))
def test_reordered_channels_are_found(widths, seed):
    """From the first filters on, however short, through every layer."""
    kept = sketch(net(0, widths), 1)
    assert likeness(reordered(changed(net(0, widths), 0.2), seed), kept) > 0.9
    assert abs(likeness(reordered(net(7, widths), seed), kept)) < 0.1


def test_rows_of_large_tensors_are_compared_where_some_are_kept(monkeypatch):
    """A tensor of which only some rows are kept counts by these."""
    monkeypatch.setattr("auditkit.core.weights.MOST_ROWS", 24)
    kept = sketch(net(0), 1)
    assert kept.outlines[1].directions.shape == (24, 32)
    assert likeness(net(0), kept) == pytest.approx(1, abs=1e-3)
    assert abs(likeness(net(5), kept)) < 0.1


def test_models_with_filters_cut_out_are_found():
    """A third of each hidden layer is gone, which changes every shape."""
    widths = ((24, 3, 25), (32, 24, 9), (64, 32, 9), (CLASSES, 64, 1))
    owner = sketch(net(0, widths), 1)
    rng = np.random.default_rng(3)
    places = [np.sort(rng.permutation(out)[: 2 * out // 3]) for out, _, _ in widths[:-1]]
    assert likeness(chosen(changed(net(0, widths), 0.1), places), owner) > 0.75
    assert abs(likeness(chosen(net(5, widths), places), owner)) < 0.05


def test_layers_of_other_names_and_order_and_transposed_are_found(owner):
    """A file names and stores them as it likes."""
    found = [replace(one, name="x") for one in reversed(net(0))]
    found = [one.transposed() if one.is_dense else one for one in found]
    assert likeness(found, owner) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(("filters", "inputs", "block"), [(32, 3, 4), (16, 1, 49)])
def test_orders_pass_through_flattening(filters, inputs, block):
    """A dense layer after a convolution has several columns for each of its channels.

    The order of few filters over one channel can only be guessed, and shows in the dense layer.
    """
    widths = ((filters, inputs, 25), (48, filters * block, 1), (CLASSES, 48, 1))
    layers = changed(net(0, widths), 0.2)
    rows, hidden = (
        np.random.default_rng(0).permutation(filters),
        np.random.default_rng(1).permutation(48),
    )
    flat = layers[1].rows.reshape(48, filters, block)[hidden][:, rows].reshape(48, -1)
    copy = [
        Layer("a", layers[0].rows[rows], inputs),
        Layer("b", flat, filters * block),
        Layer("c", layers[2].rows[:, hidden], 48),
    ]
    assert likeness(copy, sketch(net(0, widths), 1)) > 0.9


def test_layers_of_one_shape_are_told_apart():
    """Blocks that were exchanged are found again, and those that are no copies lower the mean."""
    widths = [(32, 8, 9)] * 4
    layers, others = net(0, widths), net(1, widths)
    kept = sketch(layers, 1)
    assert likeness(layers[::-1], kept) == pytest.approx(1, abs=1e-3)
    assert likeness([layers[3], *others[:2], layers[1]], kept) == pytest.approx(0.5, abs=0.05)


def test_a_tensor_is_paired_once():
    """One that was copied is no evidence for two."""
    [layer], [other] = net(0, [(32, 8, 9)]), net(1, [(32, 8, 9)])
    assert likeness([layer, other], sketch([layer, layer], 1)) == pytest.approx(0.5, abs=0.05)


def test_nothing_in_common_is_zero(owner):
    """No tensor of the same shape, no tensor at all, or rows that were all pruned to nothing."""
    other = net(0, ((7, 5, 9), (7, 7, 9)))
    zeros = [replace(one, rows=np.zeros_like(one.rows)) for one in net(0)]
    assert [likeness(one, owner) for one in (other, [], zeros)] == [0.0, 0.0, 0.0]
    assert comparable(other, owner) == 0
    assert comparable(net(5), owner) == len(WIDTHS)
    assert likeness(net(0), Sketch(1)) == 0.0


def test_rows_that_are_not_finite_are_borne(owner):
    """A stranger's file may hold anything; rows that are left are compared."""
    layers = net(0)
    layers[1].rows[3] = np.nan
    layers[2].rows[:, 5] = np.inf
    assert likeness(layers, owner) == pytest.approx(1, abs=1e-3)
    assert chance(layers, owner, CLASSES) < 0.01


def test_a_line_up_is_compared_at_once(owner):
    """The values are those of one by one, whatever the seeds of the sketches."""
    line = [owner, sketch(net(1), 1), sketch(net(2), 9)]
    suspect = net(2)
    assert likenesses(suspect, line) == [likeness(suspect, one) for one in line]
    assert int(np.argmax(likenesses(suspect, line))) == 2


def test_chance_is_small_for_copies_only(owner):
    """Half of a copy's layers may be new, and most of what is left may be noise."""
    assert chance(net(0), owner, CLASSES) < 1e-3
    assert chance([*net(5)[:2], *changed(net(0), 2.0)[2:]], owner, CLASSES) < 1e-3
    turned = [one.transposed() if one.is_dense else one for one in net(0)]
    assert chance(turned, owner, CLASSES) < 1e-3


def test_chance_holds_its_level():
    """Of independent models no more than so many get a p-value of at most so much."""
    owner = sketch(net(0), 1)
    values = np.array([chance(net(seed), owner, CLASSES) for seed in range(1, 201)])
    for level in (0.01, 0.05, 0.2):
        assert (values <= level).mean() <= level + 2.6 * np.sqrt(level * (1 - level) / 200)
    assert values.min() >= 1e-4


def test_chance_of_one_tensor_is_uniform():
    """Drawing ends early for most, and still so many of independent models come below a level."""
    widths = ((32, 4, 9),)
    owner = sketch(net(0, widths), 1)
    values = np.array([chance(net(seed, widths), owner, CLASSES) for seed in range(1, 1001)])
    for level in (0.02, 0.05, 0.2, 0.5, 0.8):
        spread = 2.6 * np.sqrt(level * (1 - level) / 1000)
        assert abs((values <= level).mean() - level) <= spread


def test_chance_leaves_out_rows_with_an_order_of_their_own():
    """Classes and channels that may be their own inputs: alike ones say nothing."""
    widths = ((CLASSES, 48, 1), (48, CLASSES, 1), (32, 32, 9))
    assert chance(net(0, widths), sketch(net(0, widths), 1), CLASSES) == 1


def test_chance_says_nothing_of_reordered_channels(owner):
    """They are where the owner's are by accident only."""
    assert chance(reordered(net(0), 1), owner, CLASSES) > 0.01
