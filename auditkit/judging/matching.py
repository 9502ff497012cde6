"""Two weight tensors, compared row by row in an order that is known or searched."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from auditkit.core.arrays import BoolArray, FloatArray, IntArray
from auditkit.core.weights import Outline, cosines, kept_rows, projection, unit

CLEAR = 0.2
"""Least likeness, in a known order, from which two tensors are a pair."""
FEWEST_COUNTED = 4
"""A tensor of which fewer numbers a row are kept is not counted: small filters are all alike."""
# Independent networks that learnt the same task do have units that are somewhat alike, and an
# assignment finds them: up to 0.3. Copies of which 80 % were pruned are at 0.7.
SURE = 0.5
"""Likeness, in an order that was searched, from which two tensors are a pair."""
HOPELESS = 0.05
"""Likeness of the best matches below which no assignment is tried."""
SAMPLE = 128
"""Rows that are looked at first, to see whether an assignment is worth its time."""
# Matching 10 rows of 16 numbers (the last layer of a small network) by any order of 64 columns
# makes independent ones look alike: there are more orders than numbers.
SEARCHABLE = 256
"""A tensor of which fewer numbers are kept is compared in known orders only."""
SHORT = 8
"""Where fewer numbers a row are kept, one row of a changed copy can be mistaken for another."""
GUESSES = 16
"""So many orders of such rows are tried, each found after noise was added to the rows."""
NOISE = 0.1
"""Its standard deviation; rows have length 1."""
ROUNDS = 10
"""How often orders of rows and columns are improved in turn."""


@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """Where a suspect's channels are among the owner's."""

    places: IntArray  # (m,): the owner's channel of each of the suspect's, all different
    total: int
    """The number of the owner's channels."""

    @classmethod
    def kept(cls, total: int) -> "Order":
        """Return the order in which nothing was moved."""
        return cls(np.arange(total), total)

    def is_same(self, other: "Order") -> bool:
        """Whether both say the same of as many channels."""
        return self.total == other.total and np.array_equal(self.places, other.places)

    def spread(self, block: int) -> "Order":
        """Return the order of columns where each channel has a block of them, as flattened."""
        places = (self.places[:, None] * block + np.arange(block)).ravel()
        return Order(places, self.total * block)


@dataclass(frozen=True, slots=True, eq=False)
class Match:
    """How alike two tensors are in one order of rows and columns."""

    value: float
    """The mean cosine, less what an assignment finds by chance: at most 1, about 0 for unlike."""
    count: int
    """How many numbers it rests on, i.e. how much it counts."""
    clear: float
    """The value from which an order that was not searched is no accident: four standard errors."""
    rows: Order | None = None
    columns: Order | None = None


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A suspect's tensor as it is compared: with rows of length 1, perhaps transposed."""

    layer: int
    """Which of the suspect's layers it is."""
    rows: FloatArray  # (out, columns)
    inputs: int
    has_direction: BoolArray  # (out,)
    _projected: dict[tuple[int, bytes, int], FloatArray] = field(default_factory=dict)

    def projected(self, columns: Order, seed: int) -> FloatArray:
        """Return (out, d) directions of the rows, as if their columns were ordered as the owner's.

        Args:
            columns: Where the suspect's inputs are among the owner's.
            seed: Of the sketch.
        """
        key = (seed, columns.places.tobytes(), columns.total)
        if key not in self._projected:
            kernel = self.rows.shape[1] // len(columns.places)
            matrix = projection(seed, columns.total * kernel)
            size = matrix.shape[1]
            blocks = matrix.reshape(columns.total, kernel, size)[columns.places]
            self._projected[key] = unit(self.rows @ blocks.reshape(-1, size))
        return self._projected[key]


class Pair:
    """An outline and a suspect's tensor of the same shape, or of fewer channels."""

    def __init__(self, outline: Outline, view: View, seed: int) -> None:
        self._outline, self._view, self._seed = outline, view, seed
        self._kept = kept_rows(seed, outline.shape[0])
        self._owner = unit(outline.directions.astype(np.float32))

    @cached_property
    def _other(self) -> FloatArray:
        # Each number moved to the next place: directions of the same lengths, unlike any tensor.
        return np.roll(self._owner, 1, axis=1)

    @property
    def is_searchable(self) -> bool:
        """Whether enough is kept of the tensor to tell a right order from the best wrong one."""
        return self._owner.size >= SEARCHABLE and not self.is_short

    @property
    def is_short(self) -> bool:
        """Whether so little is kept of a row that it can be mistaken for another."""
        return int(self._owner.shape[1]) < SHORT

    def unknown(self) -> Match:
        """Return what is known where no order is."""
        return self._match(0.0)

    def measured(self, rows: list[Order], columns: list[Order]) -> Match:
        """Return the best match of all known orders."""
        best = self.unknown()
        for one in columns:
            projected = self._projected(one)
            for order in rows:
                mine, theirs = self._rows(order)
                cosine = (self._owner[mine] * projected[theirs]).sum(axis=1)
                found = self._match(self._mean(cosine, theirs), order, one)
                # Where nothing is found, the first order's value counts: it is the identity's.
                best = found if best.rows is None else max(best, found, key=lambda m: m.value)
        return best

    def searched(self, columns: Order) -> Match:
        """Match the rows with the columns in this order."""
        if self._promise(columns) < HOPELESS:
            return self.unknown()
        return self._above_chance(columns, self._by_rows)

    def _promise(self, columns: Order) -> float:
        """Return how much more like theirs the best of each row is than by chance."""
        # No assignment beats the best of each, and some of them tell.
        mine, theirs = slice(None), slice(None)
        suspects = self._projected(columns)
        if len(suspects) < len(self._owner):
            theirs = slice(SAMPLE)
        else:
            mine = slice(SAMPLE)
        found = (
            cosines(one[mine], suspects[theirs]).max(axis=int(theirs == slice(None)))
            for one in (self._owner, self._other)
        )
        return _above(*(float(best.mean()) for best in found))

    def climbed(self, columns: Order) -> Match:
        """Match the rows, with the columns in nearly this order, by changing both in turn."""
        return self._above_chance(columns, self._climbed)

    def _above_chance(self, columns: Order, match: Callable[[FloatArray, Order], Match]) -> Match:
        """Return the match of the owner's rows, less what rows of no model would reach."""
        found = match(self._owner, columns)
        # Taking chance off only lowers the value, and nobody takes one below this for a pair.
        if found.value < SURE:
            return found
        return replace(found, value=_above(found.value, match(self._other, columns).value))

    def guessed(self, columns: Order) -> list[Order]:
        """Return orders of the rows that may be nearly right, where the rows are short."""
        generator = np.random.default_rng(0)
        projected = self._projected(columns)
        noise = generator.normal(scale=NOISE, size=(GUESSES, *self._owner.shape))
        noisy = (self._owner + noise).astype(np.float32)
        found = (self._order(*_assigned(cosines(one, projected))) for one in noisy)
        return [order for order in found if order is not None]

    def _climbed(self, directions: FloatArray, columns: Order) -> Match:
        match = self._by_rows(directions, columns)
        for _ in range(ROUNDS):
            if match.rows is None:
                break
            better = self._by_rows(directions, self._columns(directions, match.rows))
            if better.value <= match.value:
                break
            match = better
        return match

    def _by_rows(self, directions: FloatArray, columns: Order) -> Match:
        """Match the rows by assignment; the value is not yet corrected for chance."""
        cosine = cosines(directions, self._projected(columns))
        mine, theirs = _assigned(cosine)
        value = self._mean(cosine[mine, theirs], theirs)
        return self._match(value, self._order(mine, theirs), columns)

    def _order(self, mine: IntArray, theirs: IntArray) -> Order | None:
        # Of a large tensor only some rows are kept, and the place of the suspect's others is
        # unknown.
        if len(theirs) < len(self._view.rows):
            return None
        places = np.zeros(len(theirs), np.int64)
        places[theirs] = self._kept[mine]
        return Order(places, self._outline.shape[0])

    def _columns(self, directions: FloatArray, rows: Order) -> Order:
        """Return the order of columns that fits the order of rows best."""
        mine, theirs = self._rows(rows)
        rebuilt = directions[mine] @ projection(self._seed, self._outline.shape[1]).T
        suspects = self._view.rows[theirs].reshape(len(theirs), self._view.inputs, -1)
        owners = rebuilt.reshape(len(mine), self._outline.inputs, -1)
        products = np.tensordot(suspects, owners, axes=((0, 2), (0, 2)))
        return Order(_assigned(products)[1], self._outline.inputs)

    def _rows(self, order: Order) -> tuple[IntArray, IntArray]:
        """Return which of the kept rows the suspect has, and where it has them."""
        where = np.full(order.total, -1)
        where[order.places] = np.arange(len(order.places))
        theirs = where[self._kept]
        mine = np.flatnonzero(theirs >= 0)
        return mine, theirs[mine]

    def _projected(self, columns: Order) -> FloatArray:
        return self._view.projected(columns, self._seed)

    def _mean(self, cosine: FloatArray, theirs: IntArray) -> float:
        # Rows that were pruned to nothing say nothing.
        live = self._view.has_direction[theirs]
        return float(cosine[live].mean()) if live.any() else 0.0

    def _match(
        self, value: float, rows: Order | None = None, columns: Order | None = None
    ) -> Match:
        size = self._owner.shape[1]
        live = int(self._view.has_direction.sum())
        clear = min(max(CLEAR, 4 / math.sqrt(max(live * size, 1))), SURE)
        return Match(value, live * size if size >= FEWEST_COUNTED else 0, clear, rows, columns)


def _above(value: float, level: float) -> float:
    return (value - level) / (1 - level) if level < 1 else 0.0


def _assigned(values: FloatArray) -> tuple[IntArray, IntArray]:
    """Return rows and columns of the assignment with the largest sum."""
    from scipy.optimize import linear_sum_assignment  # takes long to load

    found: tuple[IntArray, IntArray] = linear_sum_assignment(values, maximize=True)
    return found
