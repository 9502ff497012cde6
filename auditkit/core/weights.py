"""A model's weights as rows, and what a bundle keeps of them.

A row is what one output channel of a layer multiplies its inputs with. Rows are compared by their
direction: the mean is removed and the length set to 1, so that folded normalisation, a scale of the
channel and the scale and zero point of quantisation do not matter.

A bundle must not carry the owner's weights. It keeps random projections of the directions, so few
numbers that a row can't be rebuilt from them.
"""

import functools
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from auditkit.core.arrays import FloatArray, IntArray, Rows, frozen

MOST_DIRECTIONS = 32
"""Numbers that are kept of one row."""
SHARE_KEPT = 4
"""No more than one number in so many of a row is kept."""
FEWEST_DIRECTIONS = 2
"""A tensor of which fewer numbers a row would be kept is left out."""
FEWEST_ROWS = 4
"""A tensor of fewer rows is left out: it holds constants or embeddings, no layer."""
MOST_ROWS = 2048
"""Rows that are kept of one tensor."""
# A file may hold any number of tensors.
MOST_TENSORS = 2_000
"""Layers that are read of one model."""
MOST_NUMBERS = 1 << 28
"""Numbers that are read of one model, in all layers together: 1 GiB as float32."""
WITHIN = ("state_dict", "model_state_dict", "model", "net", "weights")
"""Names under which training frameworks keep a table of weights in a checkpoint."""
SHORT = 2048
"""Projections of rows of at most so many numbers are kept for 512 at a time, 128 MiB in all; those
of longer rows for 16."""
FLAT = 1e-6
"""A row that varies by less than this share of its largest number has no direction."""


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One weight tensor of a model."""

    name: str
    rows: FloatArray  # (out, inputs * k): one row for each output channel
    inputs: int
    """The number of input channels; each has k columns, and these lie together."""

    def __post_init__(self) -> None:
        if self.rows.ndim != 2 or self.inputs < 1 or self.rows.shape[1] % self.inputs:
            raise ValueError(
                f"{self.name!r} wants (out, {self.inputs} * k) rows, got {self.rows.shape}"
            )

    @property
    def is_dense(self) -> bool:
        """Whether each input channel has one column, so that the tensor may be transposed."""
        return self.inputs == int(self.rows.shape[1])

    def transposed(self) -> "Layer":
        """Return a dense layer with rows and columns exchanged."""
        return Layer(self.name, np.ascontiguousarray(self.rows.T), len(self.rows))


def in_shape(one: Layer, shape: tuple[int, int]) -> list[Layer]:
    """Return the layer in every orientation in which its rows have the wanted shape: 0 to 2."""
    # Files store a dense layer either way round, and don't say which.
    turned = one.is_dense and one.rows.shape[::-1] == shape
    kept = [one] if one.rows.shape == shape else []
    return [*kept, one.transposed()] if turned else kept


def layers(named: Iterable[tuple[str, Rows]]) -> tuple[Layer, ...]:
    """Return a model's named weight tensors as layers, leaving out what is no layer.

    Args:
        named: (out, in, ...) tensors in the order of the model. What goes beyond `MOST_TENSORS` and
            `MOST_NUMBERS` is left out.
    """
    found: list[Layer] = []
    left = MOST_NUMBERS
    for name, weights in named:
        one = layer(name, weights) if weights.size <= left else None
        if one is not None:
            found.append(one)
            left -= weights.size
        if len(found) == MOST_TENSORS:
            break
    return tuple(found)


def layer(name: str, weights: Rows) -> Layer | None:
    """Return a weight tensor as a layer; None if it has fewer than two axes or is empty.

    Args:
        name: The tensor's.
        weights: (out, in, ...) numbers of any type; in is the group's for grouped convolutions.
    """
    if weights.ndim < 2 or not weights.size:
        return None
    with np.errstate(over="ignore"):  # what float32 can't hold becomes a row without direction
        rows = np.ascontiguousarray(weights.reshape(len(weights), -1), dtype=np.float32)
    return Layer(name, rows, weights.shape[1])


def tables(checkpoint: object) -> Iterator[dict[object, object]]:
    """Yield where a checkpoint may hold its weights by name: itself, and under usual names."""
    if isinstance(checkpoint, dict):
        yield checkpoint
        inner = (checkpoint.get(name) for name in WITHIN)
        yield from (table for table in inner if isinstance(table, dict))


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """What is kept of one weight tensor."""

    name: str
    shape: tuple[int, int]
    """Rows and columns of the tensor."""
    inputs: int
    directions: Rows  # (kept, d) float16: rows as `directions` gives them, 0 for those without one

    def __post_init__(self) -> None:
        object.__setattr__(self, "directions", frozen(self.directions, np.float16))
        out, columns = self.shape
        fits = out >= FEWEST_ROWS and self.inputs >= 1 and columns % self.inputs == 0
        wanted = (min(out, MOST_ROWS), width(columns))
        if not fits or self.directions.shape != wanted or wanted[1] < FEWEST_DIRECTIONS:
            raise ValueError(
                f"{self.name!r} of shape {self.shape} and {self.inputs} inputs can't have "
                f"directions of shape {self.directions.shape}"
            )
        if not np.isfinite(self.directions).all():
            raise ValueError(f"{self.name!r} has directions that are not finite")


@dataclass(frozen=True, slots=True, eq=False)
class Sketch:
    """What a bundle keeps of a model's weights."""

    seed: int
    """Fixes the projections, and which rows are kept of large tensors."""
    outlines: tuple[Outline, ...] = ()
    """In the order of the model's layers, inputs first."""


def sketch(layers: Iterable[Layer], seed: int) -> Sketch:
    """Keep of a model's weights what tells whether others are like them.

    Args:
        layers: The model's, inputs first. Those with few rows or short rows are left out.
        seed: Fixes the projections. Sketches are comparable whatever their seeds.
    """
    large = [one for one in layers if _is_kept(one)]
    return Sketch(seed, tuple(_outline(one, seed) for one in large))


def _is_kept(one: Layer) -> bool:
    return len(one.rows) >= FEWEST_ROWS and width(one.rows.shape[1]) >= FEWEST_DIRECTIONS


def _outline(one: Layer, seed: int) -> Outline:
    found = directions(one.rows[kept_rows(seed, len(one.rows))], seed)
    return Outline(one.name, one.rows.shape, one.inputs, found.astype(np.float16))


def width(columns: int) -> int:
    """Return how many numbers are kept of a row with so many columns: 0 to `MOST_DIRECTIONS`."""
    return min(MOST_DIRECTIONS, columns // SHARE_KEPT)


def directions(rows: FloatArray, seed: int) -> FloatArray:
    """Return (n, d) float32 projections of (n, columns) rows, each of length 1.

    Rows without a direction, i.e. constant or not finite ones, become 0.
    """
    return unit(centred(rows) @ projection(seed, rows.shape[1]))


def centred(rows: FloatArray) -> FloatArray:
    """Return (n, columns) rows without their mean and of length 1; 0 for constant ones."""
    finite = np.where(np.isfinite(rows).all(axis=1, keepdims=True), rows, np.float32(0))
    largest = np.abs(finite).max(axis=1, keepdims=True)
    scaled = finite / np.where(largest > 0, largest, 1)  # squares of tiny numbers would be 0
    moved = scaled - scaled.mean(axis=1, keepdims=True)
    return unit(np.where(np.abs(moved).max(axis=1, keepdims=True) > FLAT, moved, np.float32(0)))


def unit(rows: FloatArray) -> FloatArray:
    """Return rows of length 1; those of length 0 stay."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    result: FloatArray = (rows / np.where(length > 0, length, 1)).astype(np.float32)
    return result


def projection(seed: int, columns: int) -> FloatArray:
    """Return the (columns, d) float32 matrix that rows of this length are projected with.

    Its columns have length 1 and are at right angles to each other and to constant rows, so that
    unlike rows have unlike projections. They follow from a hash: numpy's generators may change from
    version to version, and a bundle must stay comparable.
    """
    return (_short if columns <= SHORT else _long)(seed, columns)


def _projection(seed: int, columns: int) -> FloatArray:
    size = width(columns)
    name = f"auditkit {seed} {columns}".encode()
    stream = np.frombuffer(hashlib.shake_256(name).digest(2 * columns * size), "<u2")
    drawn = stream.reshape(columns, size).astype(np.float64)
    angled, corner = np.linalg.qr(drawn - drawn.mean(axis=0))
    matrix: FloatArray = frozen(angled * np.where(np.diag(corner) < 0, -1, 1), np.float32)
    return matrix


# A scan takes every suspect through all its bundles, each of which has a seed of its own.
_short = functools.lru_cache(maxsize=512)(_projection)
_long = functools.lru_cache(maxsize=16)(_projection)


def kept_rows(seed: int, out: int) -> IntArray:
    """Return the (kept,) int64 rows, ascending, that are kept of a tensor with `out` rows."""
    if out <= MOST_ROWS:
        return np.arange(out)
    stream = hashlib.shake_256(f"auditkit rows {seed} {out}".encode()).digest(8 * out)
    return np.sort(np.argsort(np.frombuffer(stream, "<u8"), kind="stable")[:MOST_ROWS])


def cosines(one: FloatArray, other: FloatArray) -> FloatArray:
    """Return (n, m) cosines of two sets of directions, (n, d) and (m, d)."""
    result: FloatArray = one @ other.T
    return result
