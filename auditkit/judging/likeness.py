"""How alike the weights of a suspect are to what a bundle keeps of its owner's.

Tensors are paired by shape and compared row by row. Whoever hides a copy may reorder the channels
of hidden layers, which changes no answer: then rows are matched by assignment, and the order that
was found is tried on the columns, and on the rows, of every other tensor with as many channels. No
graph of the model is needed for that, and a few passes over the tensors spread an order from where
it was found to where it applies.

An assignment makes any two tensors a little alike. How much is measured with directions that have
nothing to do with the suspect, and taken off, so that independent models stay near 0.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from auditkit.core.arrays import BoolArray, DoubleArray, FloatArray, IntArray
from auditkit.core.weights import (
    Layer,
    Outline,
    Sketch,
    centred,
    cosines,
    kept_rows,
    projection,
    unit,
)

FEWEST_COUNTED = 4
"""A tensor of which fewer numbers a row are kept is not counted: small filters are all alike."""
CLEAR = 0.2
"""Likeness, in a known order, from which two tensors are a pair and no order is searched."""
# Independent networks that see the same task do have units that are somewhat alike, and an
# assignment finds them: up to 0.3. Copies of which 80 % were pruned are at 0.7.
SURE = 0.5
"""Likeness, in an order that was searched, from which two tensors are a pair."""
HOPELESS = 0.05
"""Likeness of the best matches below which no assignment is tried."""
ROUNDS = 6
"""How often orders of rows and columns are improved in turn."""
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
    found = _Comparison.of(suspect, sketch).matches()
    counts = np.array([match.count for match in found], np.float64)
    values = np.array([match.value for match in found], np.float64)
    return float(counts @ values / counts.sum()) if counts.sum() > 0 else 0.0


def comparable(suspect: Iterable[Layer], sketch: Sketch) -> int:
    """Return how many tensors of the sketch have one of their shape in the suspect."""
    return len(_Comparison.of(suspect, sketch).matches())


@dataclass(frozen=True, slots=True, eq=False)
class _Order:
    """Where a suspect's channels are among the owner's."""

    places: IntArray  # (m,): the owner's channel of each of the suspect's, all different
    total: int
    """The number of the owner's channels."""

    @property
    def is_identity(self) -> bool:
        return len(self.places) == self.total and bool((self.places == np.arange(self.total)).all())


@dataclass(frozen=True, slots=True, eq=False)
class _Match:
    """Two tensors, compared in one order of rows and columns."""

    value: float
    """The mean cosine, less what is found by chance: at most 1, about 0 for unlike ones."""
    count: float
    """How many numbers it rests on."""
    rows: _Order | None = None
    columns: _Order | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """A suspect's tensor as it is compared: with rows of length 1, perhaps transposed."""

    layer: int
    """Which of the suspect's layers it is."""
    rows: FloatArray  # (out, columns)
    inputs: int
    has_direction: BoolArray  # (out,)


@dataclass(frozen=True, slots=True, eq=False)
class _Comparison:
    """A suspect beside a sketch, and what has been found so far."""

    sketch: Sketch
    views: Sequence[_View]
    orders: list[_Order] = field(default_factory=list)

    @classmethod
    def of(cls, suspect: Iterable[Layer], sketch: Sketch) -> "_Comparison":
        return cls(sketch, [*_views(suspect, sketch)])

    def matches(self) -> list[_Match]:
        """Return one match for each outline that has a tensor to be compared with."""
        numbers = range(len(self.sketch.outlines))
        pairs: dict[int, tuple[int, _Match]] = {}
        known = -1
        for turn in range(PASSES):
            if len(self.orders) + len(pairs) == known:
                break  # the last pass has found nothing new
            known = len(self.orders) + len(pairs)
            for number in numbers if turn % 2 == 0 else reversed(numbers):
                self._pair(number, pairs)
        rest = {view.layer for view in self.views} - {layer for layer, _ in pairs.values()}
        unpaired = [self._average(n, rest) for n in numbers if n not in pairs]
        return [match for _, match in pairs.values()] + [one for one in unpaired if one is not None]

    def _pair(self, number: int, pairs: dict[int, tuple[int, _Match]]) -> None:
        """Pair an outline with the suspect's tensor that is clearly like it, if one is."""
        before = pairs.pop(number, None)
        taken = {layer for layer, _ in pairs.values()}
        found = [(view.layer, self._best(number, view)) for view in self._fitting(number, taken)]
        found += [before] if before is not None else []
        if not found:
            return
        chosen = max(found, key=lambda one: one[1].value)
        if chosen[1].value >= CLEAR:
            pairs[number] = chosen
            self._learn(chosen[1])

    def _learn(self, match: _Match) -> None:
        for order in (match.rows, match.columns):
            if order is not None and not order.is_identity:
                same = [one for one in self.orders if one.total == order.total]
                if not any(np.array_equal(one.places, order.places) for one in same):
                    self.orders.append(order)

    def _fitting(self, number: int, taken: set[int]) -> list[_View]:
        outline = self.sketch.outlines[number]
        # Filters may have been pruned away, but where a tensor of the same shape is, that is meant.
        same = [view for view in self.views if view.rows.shape == outline.shape]
        near = same or [view for view in self.views if _could_be(view, outline)]
        return [view for view in near if view.layer not in taken]

    def _average(self, number: int, rest: set[int]) -> _Match | None:
        # The best of many would be a little alike by chance alone, so the mean is taken.
        found = [self._best(number, v) for v in self._fitting(number, set()) if v.layer in rest]
        if not found:
            return None
        return _Match(float(np.mean([one.value for one in found])), found[0].count)

    def _best(self, number: int, view: _View) -> _Match:
        """Return the best match of an outline and a tensor, by all orders that are known."""
        outline = self.sketch.outlines[number]
        pair = _Pair(outline, view, self.sketch.seed)
        rows = [*self._orders(outline.shape[0], len(view.rows))]
        columns = [*self._orders(outline.inputs, view.inputs)]
        known = [pair.measured(r, c) for c in columns for r in rows]
        best = max([*known, pair.nothing()], key=lambda match: match.value)
        if best.value >= CLEAR:
            return best
        searched = [pair.improved(pair.by_rows(one)) for one in columns]
        found = max([*searched, best], key=lambda match: match.value)
        if found.value >= SURE:
            return found
        # Filters over few input channels are too short to be sure of. Whether their order is right
        # shows in the next tensor, and a hidden order can be found from nowhere else.
        if number == 0 and found is not best:
            self._learn(found)
        return best

    def _orders(self, total: int, count: int) -> Iterator[_Order]:
        """Yield the identity and every known order of so many channels.

        Flattening makes several columns of each channel; such an order is spread over them.
        """
        if total == count:
            yield _Order(np.arange(total), total)
        for one in self.orders:
            block = total // one.total
            if one.total * block == total and len(one.places) * block == count:
                places = (one.places[:, None] * block + np.arange(block)).ravel()
                yield _Order(places, total)


def _could_be(view: _View | Layer, outline: Outline) -> bool:
    """Whether the outline's tensor could have become this one, perhaps by losing channels."""
    kernel = outline.shape[1] // outline.inputs
    return view.rows.shape == outline.shape or (
        view.rows.shape[1] == view.inputs * kernel
        and outline.shape[0] // 4 <= len(view.rows) <= outline.shape[0]
        and outline.inputs // 4 <= view.inputs <= outline.inputs
    )


def _views(suspect: Iterable[Layer], sketch: Sketch) -> Iterator[_View]:
    for number, layer in enumerate(suspect):
        # Files store a dense layer either way round, and don't say which.
        for one in (layer, layer.transposed()) if layer.is_dense else (layer,):
            if any(_could_be(one, outline) for outline in sketch.outlines):
                rows = centred(one.rows)
                yield _View(number, rows, one.inputs, rows.any(axis=1))


class _Pair:
    """An outline and a suspect's tensor of the same shape, or of fewer channels."""

    def __init__(self, outline: Outline, view: _View, seed: int) -> None:
        self._outline, self._view = outline, view
        self._projection = projection(seed, outline.shape[1])
        self._kept = kept_rows(seed, outline.shape[0])
        self._owner = unit(outline.directions.astype(np.float32))
        # Each number moved to the next place: directions of the same lengths, unlike any tensor.
        self._other = np.roll(self._owner, 1, axis=1)

    def measured(self, rows: _Order, columns: _Order) -> _Match:
        """Compare in a known order."""
        mine, theirs = self._rows(rows)
        cosine = (self._owner[mine] * self._projected(columns)[theirs]).sum(axis=1)
        return self._match(self._mean(cosine, theirs), rows, columns)

    def nothing(self) -> _Match:
        """Return what is known where no order is."""
        return self._match(0.0)

    def by_rows(self, columns: _Order) -> _Match:
        """Match the rows, with the columns in a known order."""
        projected = self._projected(columns)
        real, chance = cosines(self._owner, projected), cosines(self._other, projected)
        if (promise := _promise(real, chance)) < HOPELESS:
            return self._match(promise)
        mine, theirs = _assigned(real)
        level = self._mean(chance[_assigned(chance)], _assigned(chance)[1])
        places = np.zeros(len(projected), np.int64)
        places[theirs] = self._kept[mine]
        # A suspect's row beyond the kept ones has no known place, so the order can't be used.
        order = _Order(places, self._outline.shape[0]) if len(theirs) == len(places) else None
        value = self._mean(real[mine, theirs], theirs)
        return self._match(_above(value, level), order, columns)

    def by_columns(self, rows: _Order) -> _Match:
        """Match the columns, with the rows in a known order."""
        mine, theirs = self._rows(rows)
        values, orders = [], []
        for directions in (self._owner, self._other):
            sums = self._by_channel(directions[mine], theirs)
            orders.append(_Order(_assigned(sums)[1], self._outline.inputs))
            cosine = (directions[mine] * self._projected(orders[-1])[theirs]).sum(axis=1)
            values.append(self._mean(cosine, theirs))
        return self._match(_above(*values), rows, orders[0])

    def improved(self, match: _Match) -> _Match:
        """Improve the orders of rows and columns in turn, as long as that helps."""
        for _ in range(ROUNDS):
            if match.rows is None or match.columns is None:
                break
            better = self.by_columns(match.rows)
            assert better.columns is not None
            better = self.by_rows(better.columns)
            if better.value <= match.value:
                break
            match = better
        return match

    def _rows(self, order: _Order) -> tuple[IntArray, IntArray]:
        """Return the kept rows that the suspect has, and where it has them."""
        where = np.full(order.total, -1)
        where[order.places] = np.arange(len(order.places))
        theirs = where[self._kept]
        mine = np.flatnonzero(theirs >= 0)
        return mine, theirs[mine]

    def _projected(self, columns: _Order) -> FloatArray:
        """Return (m, d) directions of the suspect's rows, as if their columns were the owner's."""
        size = self._projection.shape[1]
        blocks = self._projection.reshape(columns.total, -1, size)[columns.places]
        return unit(self._view.rows @ blocks.reshape(-1, size))

    def _by_channel(self, directions: FloatArray, theirs: IntArray) -> DoubleArray:
        """Return (their inputs, the owner's inputs) sums of products of input channels."""
        rebuilt = (directions @ self._projection.T).reshape(
            len(directions), self._outline.inputs, -1
        )
        rows = self._view.rows[theirs].reshape(len(theirs), self._view.inputs, -1)
        return np.tensordot(rows, rebuilt, axes=((0, 2), (0, 2))).astype(np.float64)

    def _mean(self, cosine: FloatArray | DoubleArray, theirs: IntArray) -> float:
        # Rows that were pruned to nothing say nothing.
        live = self._view.has_direction[theirs]
        return float(cosine[live].mean()) if live.any() else 0.0

    def _match(
        self, value: float, rows: _Order | None = None, columns: _Order | None = None
    ) -> _Match:
        size = self._projection.shape[1]
        count = int(self._view.has_direction.sum()) * size if size >= FEWEST_COUNTED else 0
        return _Match(value, count, rows, columns)


def _promise(real: DoubleArray, chance: DoubleArray) -> float:
    """Return how much better the best of each row is than by chance; no assignment beats it."""
    axis = int(real.shape[1] >= real.shape[0])
    return _above(float(real.max(axis=axis).mean()), float(chance.max(axis=axis).mean()))


def _above(value: float, level: float) -> float:
    return (value - level) / (1 - level) if level < 1 else 0.0


def _assigned(values: DoubleArray) -> tuple[IntArray, IntArray]:
    """Return rows and columns of the assignment with the largest sum."""
    from scipy.optimize import linear_sum_assignment  # takes long to load

    found: tuple[IntArray, IntArray] = linear_sum_assignment(values, maximize=True)
    return found
