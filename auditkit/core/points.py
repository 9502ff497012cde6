"""Points of an input domain, and the order in which they are asked."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditkit.core.arrays import BoolArray, DoubleArray, FloatArray, IntArray, frozen

CORE, CONTROL, MISTAKE = "core", "control", "mistake"
DISPUTED, NATURAL = "disputed", "natural"
"""Families of points: each was found in one way, with one purpose."""
FAMILIES = (CORE, CONTROL, MISTAKE, DISPUTED, NATURAL)
FEWEST = 20
"""Least number of core points of a fingerprint. With fewer, a single answer would change the share
of matching labels by more than 5 %."""


@dataclass(frozen=True, slots=True)
class InputSpec:
    """The owner's input domain. Points lie in it, whichever suspect is asked about them."""

    shape: tuple[int, ...]
    """Shape of one input without the batch axis, e.g. (channels, height, width) or (features,)."""
    lower: tuple[float, ...]
    """Smallest value: one number for all elements, or one for each element (rows of a table)."""
    upper: tuple[float, ...]
    """Largest value, in the same form."""
    mean: tuple[float, ...] = ()
    """Subtracted from each channel before the model sees a point; empty: nothing is subtracted."""
    std: tuple[float, ...] = ()
    """Each channel is divided by it after `mean`; empty: nothing is divided."""

    def __post_init__(self) -> None:
        size = math.prod(self.shape)
        if not self.shape or min(self.shape) < 1:
            raise ValueError(f"an input has axes of size 1 or more, got {self.shape}")
        if len(self.lower) != len(self.upper) or len(self.lower) not in (1, size):
            raise ValueError(
                f"a bound is 1 or {size} numbers, got {len(self.lower)} and {len(self.upper)}"
            )
        # Points are float32, so what is finite, or differs, only as float64 is of no use.
        lower, upper, mean, std = map(_single, (self.lower, self.upper, self.mean, self.std))
        if not (np.isfinite(lower).all() and np.isfinite(upper).all()):
            raise ValueError("bounds must be finite")
        if not (lower < upper).all():
            raise ValueError("the lower bound must lie below the upper bound everywhere")
        if len(self.mean) != len(self.std) or len(self.mean) not in (0, 1, self.shape[0]):
            raise ValueError(
                f"mean and std are one number each or one for each of the {self.shape[0]} "
                f"channels, got {len(self.mean)} and {len(self.std)}"
            )
        if not (np.isfinite(mean).all() and np.isfinite(std).all()):
            raise ValueError("mean and std must be finite")
        if not (std > 0).all():
            raise ValueError("every std must be above 0")
        _check_inputs(self)

    @property
    def is_image(self) -> bool:
        """Whether inputs are (channels, height, width) in 0..1 or 0..255.

        Points of images are kept on the 8-bit grid, so that a picture file can carry them.
        """
        return len(self.shape) == 3 and self.lower == (0.0,) and self.upper in ((1.0,), (255.0,))

    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """Return lower and upper bounds, float32 arrays that broadcast against (n, *shape)."""
        shape = self.shape if len(self.lower) > 1 else (1,) * len(self.shape)
        return (
            np.array(self.lower, np.float32).reshape(shape),
            np.array(self.upper, np.float32).reshape(shape),
        )


def _single(numbers: tuple[float, ...]) -> FloatArray:
    with np.errstate(over="ignore"):  # what float32 can't hold is infinite
        return np.array(numbers, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """Points that were found in one way for one purpose, with the owner's outputs for them."""

    points: FloatArray  # (n, *shape), within the spec's bounds
    outputs: FloatArray  # (n, classes): the owner's logits, or log-probabilities

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", frozen(self.points, np.float32))
        object.__setattr__(self, "outputs", frozen(self.outputs, np.float32))
        if self.outputs.ndim != 2 or self.points.ndim < 2 or len(self.points) != len(self.outputs):
            raise ValueError(
                f"points (n, …) and outputs (n, classes) must agree, "
                f"got {self.points.shape} and {self.outputs.shape}"
            )
        if len(self.points) < 1 or self.outputs.shape[1] < 2:
            raise ValueError(f"at least 1 point and 2 classes, got {self.outputs.shape}")
        if not (np.isfinite(self.points).all() and np.isfinite(self.outputs).all()):
            raise ValueError("points and outputs must be finite")

    @property
    def labels(self) -> IntArray:
        """(n,) int64: the classes that the owner gives these points."""
        labels: IntArray = self.outputs.argmax(axis=1)
        return labels

    def __len__(self) -> int:
        return len(self.points)


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """All points of a fingerprint, one row each, in the order in which they are asked.

    Every reply, known model and table has the same rows, so that "the first k asked" is a slice
    and a family is a mask. Core points come first, since they tell most, then the other families;
    controls are spread evenly between. Within a family the points' digests give the order: it is as
    good as random, the same for everybody, and nothing that an accuser could choose.
    """

    points: FloatArray  # (n, *shape), within the spec's bounds
    outputs: FloatArray  # (n, classes): the owner's logits, or log-probabilities
    family: NDArray[np.str_]  # (n,) the name of each point's family
    names: tuple[str, ...]  # families in the order of the bundle's file
    places: IntArray  # (n,) each point's row in the file, where families lie one after the other

    @classmethod
    def of(cls, families: Mapping[str, Family]) -> "Sheet":
        """Make the sheet of these families, which are given in the file's order."""
        order = _asking_order(families)
        sizes = [len(family) for family in families.values()]
        return cls(
            frozen(np.concatenate([f.points for f in families.values()])[order], np.float32),
            frozen(np.concatenate([f.outputs for f in families.values()])[order], np.float32),
            np.repeat(np.array(list(families), np.str_), sizes)[order],
            tuple(families),
            order,
        )

    @property
    def labels(self) -> IntArray:
        """(n,) int64: the class that the owner gives each point."""
        labels: IntArray = self.outputs.argmax(axis=1)
        return labels

    def rows(self, name: str) -> BoolArray:
        """Return (n,) bool: which points belong to a family; none do if the bundle lacks it."""
        rows: BoolArray = self.family == name
        return rows

    @property
    def questions(self) -> int:
        """How many points every suspect is asked: all before the natural ones."""
        return len(self) - int(self.rows(NATURAL).sum())

    def counts(self) -> dict[str, int]:
        """Return the number of points of each family, in the file's order."""
        return {name: int(self.rows(name).sum()) for name in self.names}

    def filed(self, name: str) -> IntArray:
        """Return the rows of a family's points, in the order of the bundle's file."""
        rows = np.flatnonzero(self.rows(name))
        filed: IntArray = rows[np.argsort(self.places[rows])]
        return filed

    def of_family(self, name: str) -> Family:
        """Return one family, in the order of the bundle's file."""
        rows = self.filed(name)
        return Family(self.points[rows], self.outputs[rows])

    def cut(self, counts: Mapping[str, int]) -> "Cut":
        """Return a smaller sheet: for each named family its first points in the bundle's file."""
        kept = {name: self.filed(name)[: counts[name]] for name in self.names if name in counts}
        families = {name: Family(self.points[r], self.outputs[r]) for name, r in kept.items()}
        sheet = Sheet.of(families)
        return Cut(sheet, np.concatenate([*kept.values()])[sheet.places])

    def __len__(self) -> int:
        return len(self.points)


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """A smaller sheet."""

    sheet: Sheet
    rows: IntArray
    """(n,) the row in the larger sheet of each of its points."""


def normalised(points: FloatArray, spec: InputSpec) -> FloatArray:
    """Apply the owner's normalisation: (n, *shape) in the spec's bounds -> float32 model inputs."""
    if not spec.mean:
        return points
    axes = (1, -1) + (1,) * (points.ndim - 2)
    mean = np.array(spec.mean, np.float32).reshape(axes)
    std = np.array(spec.std, np.float32).reshape(axes)
    result: FloatArray = (points - mean) / std
    return result


def _check_inputs(spec: InputSpec) -> None:
    """Refuse a normalisation that leaves no finite numbers for a model.

    Raises:
        ValueError: It does.
    """
    with np.errstate(all="ignore"):
        ends = [normalised(end[None], spec) for end in spec.bounds()]
    if not all(np.isfinite(end).all() for end in ends):
        raise ValueError("mean and std leave no finite inputs")


def pixels(points: FloatArray, spec: InputSpec) -> NDArray[np.uint8]:
    """Scale points to pixels: (n, *shape) in the spec's bounds -> uint8 0..255, not normalised."""
    lower, upper = spec.bounds()
    result: NDArray[np.uint8] = np.rint((points - lower) / (upper - lower) * 255).astype(np.uint8)
    return result


def from_pixels(levels: NDArray[np.uint8], spec: InputSpec) -> FloatArray:
    """Return the points of an image spec, (n, *shape) float32, that have these pixels."""
    result: FloatArray = levels.astype(np.float32) * np.float32(spec.upper[0]) / np.float32(255)
    return result


def point_digest(point: FloatArray) -> str:
    """Return the hexadecimal SHA-256 of one point's little-endian float32 bytes."""
    # The byte order is fixed, so that every machine names a point alike.
    return hashlib.sha256(np.ascontiguousarray(point, dtype="<f4").tobytes()).hexdigest()


def _asking_order(families: Mapping[str, Family]) -> IntArray:
    """Return the order of asking, (n,) int64, over the points of one family after the other."""
    # Every point gets a time between 0 and 1. Core points share one line with the other families,
    # so that they come first; controls have a line of their own, so that they spread evenly.
    rest = [name for name in families if name not in (CORE, CONTROL, NATURAL)]
    # Natural points have times above 1, which is after everything else.
    lines = ((0.0, [CORE, *rest]), (0.0, [CONTROL]), (1.0, [NATURAL]))
    times: dict[str, DoubleArray] = {}
    for first, line in lines:
        start, total = 0.5, sum(len(families[name]) for name in line if name in families)
        for name in line:
            if name not in families:
                continue
            digests = [point_digest(point) for point in families[name].points]
            times[name] = first + (start + np.argsort(np.argsort(digests))) / total
            start += len(digests)
    order: IntArray = np.argsort(np.concatenate([times[n] for n in families]), kind="stable")
    return order
