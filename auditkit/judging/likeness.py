"""How alike the weights of a suspect are to what a bundle keeps of its owner's.

Tensors are paired by shape and compared row by row. Whoever hides a copy may reorder the channels
of hidden layers, which changes no answer: then rows are matched by assignment, and the order that
was found is tried on the rows and columns of every other tensor with as many channels. No graph of
the model is needed for that, and a few passes over the tensors spread an order to where it applies.

An assignment makes any two tensors a little alike. How much is measured with directions that have
nothing to do with the suspect, and taken off, so that independent models stay near 0.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from auditkit.core.weights import Layer, Outline, Sketch, centred, in_shape
from auditkit.judging.matching import SURE, Match, Order, Pair, View

MOST_PRUNED = 4
"""Channels may have been pruned to one in so many."""
MOST_ALIKE = 64
"""A suspect's tensors that one of the owner's is compared with; a file may have thousands."""
FOLLOWING = 8
"""Guesses of the first tensor's order are tried on so many of the tensors that follow it."""
PASSES = 4
"""How often all tensors are gone through, forwards and backwards in turn."""


def likeness(suspect: Iterable[Layer], sketch: Sketch) -> float:
    """Return how alike a suspect's weights are to a model's.

    Args:
        suspect: The suspect's layers, inputs first; their names do not matter.
        sketch: The model's.

    Returns:
        The mean cosine of matched rows: about 0 for independent models, 1 for the same, 0 where no
        tensor has a shape in common. Tensors count by the numbers that are kept of them, since a
        small one is alike by chance. It says nothing of weights that have a common ancestor.
    """
    return likenesses(suspect, [sketch])[0]


def likenesses(suspect: Iterable[Layer], sketches: Sequence[Sketch]) -> list[float]:
    """Return the suspect's likeness to each of several models, as `likeness` does one by one.

    What is computed of the suspect alone is shared where the sketches have one seed.
    """
    views = [*_views(suspect, [outline for sketch in sketches for outline in sketch.outlines])]
    return [_mean(_Comparison(sketch, views).matches()) for sketch in sketches]


def _mean(found: Sequence[Match]) -> float:
    counts = np.array([match.count for match in found], np.float64)
    values = np.array([match.value for match in found], np.float64)
    return float(counts @ values / counts.sum()) if counts.sum() > 0 else 0.0


def comparable(suspect: Iterable[Layer], sketch: Sketch) -> int:
    """Return how many tensors of a sketch have a shape that one of the suspect's has as well."""
    layers = tuple(suspect)
    return sum(
        any(in_shape(layer, outline.shape) for layer in layers) for outline in sketch.outlines
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Comparison:
    """A suspect beside a sketch, and what has been found so far."""

    sketch: Sketch
    views: Sequence[View]
    orders: list[Order] = field(default_factory=list)
    """Orders of channels that were found in pairs."""
    guesses: list[Order] = field(default_factory=list)
    """Orders of the first tensor's rows that may be right; tried on columns only."""
    pairs: dict[int, tuple[int, Match]] = field(default_factory=dict)
    """Outline -> the suspect's layer that is clearly like it, and their match."""

    def matches(self) -> list[Match]:
        """Return one match for each outline that has a tensor to be compared with."""
        numbers = range(len(self.sketch.outlines))
        for turn in range(PASSES):
            before = len(self.orders), len(self.pairs)
            for number in numbers if turn % 2 == 0 else reversed(numbers):
                self._pair(number)
            if not self.pairs or (turn and before == (len(self.orders), len(self.pairs))):
                break
        taken = {layer for layer, _ in self.pairs.values()}
        unpaired = [self._average(n, taken) for n in numbers if n not in self.pairs]
        return [match for _, match in self.pairs.values()] + [m for m in unpaired if m is not None]

    def _pair(self, number: int) -> None:
        """Pair an outline with the suspect's tensor that is clearly like it, if one is."""
        before = self.pairs.pop(number, None)
        found = [] if before is None else [before]
        for view in self._fitting(number, {layer for layer, _ in self.pairs.values()}):
            found.append((view.layer, self._best(number, view)))
            if found[-1][1].value >= SURE:
                break  # no second one is that like it
        best = max(found, key=lambda one: one[1].value, default=None)
        if best is not None and best[1].value >= best[1].clear:
            self.pairs[number] = best
            self._learn(best[1])

    def _learn(self, match: Match) -> None:
        for order in (match.rows, match.columns):
            if order is not None and not order.is_same(Order.kept(order.total)):
                _add(order, self.orders)

    def _fitting(self, number: int, taken: set[int]) -> list[View]:
        outline = self.sketch.outlines[number]
        # Filters may have been pruned away, but where a tensor of the same shape is, that is meant.
        same = [view for view in self.views if view.rows.shape == outline.shape]
        near = same or [view for view in self.views if _could_be(view, outline)]
        return [view for view in near if view.layer not in taken][:MOST_ALIKE]

    def _average(self, number: int, taken: set[int]) -> Match | None:
        # The best of many would be a little alike by chance alone, so the mean is taken.
        found = [self._known(number, view) for view in self._fitting(number, taken)]
        if not found:
            return None
        return replace(found[0], value=float(np.mean([one.value for one in found])))

    def _known(self, number: int, view: View) -> Match:
        """Return the best match of an outline and a tensor, by all orders that are known."""
        outline = self.sketch.outlines[number]
        rows = _candidates(self.orders, outline.shape[0], view, by_rows=True)
        columns = _candidates(self.orders, outline.inputs, view)
        return Pair(outline, view, self.sketch.seed).measured(rows, columns)

    def _best(self, number: int, view: View) -> Match:
        """Return the same, and search for an order where no known one fits."""
        best = self._known(number, view)
        if best.value >= best.clear:
            return best
        outline = self.sketch.outlines[number]
        pair = Pair(outline, view, self.sketch.seed)
        columns = _candidates(self.orders, outline.inputs, view)
        if number == 0 and pair.is_short:
            # A hidden order can be found from the inputs only. Filters over few input channels are
            # too short to be sure of; which guess is right shows in the next tensor.
            for guess in (guess for order in columns for guess in pair.guessed(order)):
                _add(guess, self.guesses)
        if not pair.is_searchable:
            return best
        found = _highest([pair.searched(one) for one in columns])
        # The first tensor's channels enter one of the next; deeper ones could only fit by chance.
        if (found is None or found.value < SURE) and number <= FOLLOWING:
            guesses = [one for one in self.guesses if _block(one, outline.inputs, view)]
            found = _highest([_in_blocks(one, outline, view, self.sketch.seed) for one in guesses])
        return best if found is None or found.value < SURE else found


def _in_blocks(guess: Order, outline: Outline, view: View, seed: int) -> Match:
    """Climb from a guess, moving the columns that flattening made of one channel together."""
    channels = replace(outline, inputs=guess.total)
    pair = Pair(channels, replace(view, inputs=len(guess.places)), seed)
    return pair.climbed(guess)


def _highest(matches: Iterable[Match]) -> Match | None:
    return max(matches, key=lambda match: match.value, default=None)


def _add(order: Order, known: list[Order]) -> None:
    if not any(order.is_same(one) for one in known):
        known.append(order)


def _candidates(
    orders: Iterable[Order], total: int, view: View, *, by_rows: bool = False
) -> list[Order]:
    """Return the identity, and every order of so many channels."""
    count = len(view.rows) if by_rows else view.inputs
    kept = [Order.kept(total)] if total == count else []
    if by_rows:
        fitting = [one for one in orders if one.total == total and len(one.places) == count]
        return [*kept, *fitting]
    return [*kept, *_fitting(orders, total, view)]


def _fitting(orders: Iterable[Order], total: int, view: View) -> Iterator[Order]:
    """Yield the orders of so many input channels.

    Flattening makes several columns of each channel; such an order is spread over them.
    """
    for one in orders:
        block = _block(one, total, view)
        if block:
            yield one.spread(block)


def _block(order: Order, total: int, view: View) -> int:
    """Return how many columns each channel of an order has among `total` inputs; 0: none fit."""
    is_dense = view.inputs == view.rows.shape[1]
    block = total // order.total if is_dense else 1
    fits = order.total * block == total and len(order.places) * block == view.inputs
    return block if fits else 0


def _views(suspect: Iterable[Layer], outlines: Sequence[Outline]) -> Iterator[View]:
    for number, layer in enumerate(suspect):
        for one in _both_ways(layer):
            if any(_could_be(one, outline) for outline in outlines):
                rows = centred(one.rows)
                yield View(number, rows, one.inputs, np.asarray(rows.any(axis=1)))


def _both_ways(layer: Layer) -> tuple[Layer, ...]:
    # Files store a dense layer either way round, and don't say which.
    return (layer, layer.transposed()) if layer.is_dense else (layer,)


def _could_be(one: View | Layer, outline: Outline) -> bool:
    """Whether the outline's tensor could have become this one, perhaps by losing channels."""
    rows, inputs = outline.shape[0], outline.inputs
    kernel = outline.shape[1] // inputs
    return one.rows.shape == outline.shape or (
        one.rows.shape[1] == one.inputs * kernel
        and rows <= len(one.rows) * MOST_PRUNED
        and len(one.rows) <= rows
        and inputs <= one.inputs * MOST_PRUNED
        and one.inputs <= inputs
    )
