"""The nouns: frozen values that check themselves and do nothing else."""

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

CORE = "core"
CONTROL = "control"
MISTAKE = "mistake"
LINEAGE = "lineage"


class Access(enum.StrEnum):
    """What a suspect reveals, from least to most."""

    LABEL = "label"
    TOP_K = "top-k"
    ROUNDED = "rounded"
    """Probabilities of two decimals."""
    PROBABILITIES = "probabilities"
    LOGITS = "logits"

    @property
    def rank(self) -> int:
        """0 for the least; a suspect of some rank also reveals every lower one."""
        return list(Access).index(self)


class Decision(enum.StrEnum):
    """The three verdicts; only two of them claim anything."""

    PIRATED = "pirated"
    """Derived from the owner's model."""
    HOMOLOGOUS = "homologous"
    """Independently trained; innocent. (Not the common-descent meaning the word has elsewhere.)"""
    INCONCLUSIVE = "inconclusive"
    """The answers carry neither claim."""


class Discrimination(enum.StrEnum):
    """Whether a fingerprint was seen to tell copies of the owner from strangers."""

    DISCRIMINATING = "discriminating"
    NOT_DISCRIMINATING = "not discriminating"
    UNMEASURED = "unmeasured"


class ReferenceKind(enum.StrEnum):
    """Why a reference model's answers are in a bundle."""

    STAND_IN = "stand-in"
    """Small net trained by auditkit from the owner's samples; vetoes, never prices a verdict."""
    HOMOLOGOUS = "homologous"
    """Known to be independent of the owner."""
    PIRATED = "pirated"
    """Known to be derived from the owner."""
    INDEPENDENT_SHADOW = "independent shadow"
    """Known to be independent; helped to choose the points, so it never prices a verdict."""
    STUDENT_SHADOW = "student shadow"
    """Known to have learnt from the owner's answers, likewise."""
    MODIFIED_SHADOW = "modified shadow"
    """Known to be made from the owner's weights, likewise."""

    @property
    def is_derived(self) -> bool:
        """Whether such models come from the owner."""
        kind = ReferenceKind
        return self in (kind.PIRATED, kind.STUDENT_SHADOW, kind.MODIFIED_SHADOW)

    @property
    def is_shadow(self) -> bool:
        """Whether such models helped to choose the points, or teach what they are worth."""
        kind = ReferenceKind
        return self in (kind.INDEPENDENT_SHADOW, kind.STUDENT_SHADOW, kind.MODIFIED_SHADOW)


def _frozen(array: NDArray[Any], dtype: type[np.generic]) -> NDArray[Any]:
    copy = np.array(array, dtype=dtype, order="C")
    copy.setflags(write=False)
    return copy


@dataclass(frozen=True, slots=True)
class InputSpec:
    """The owner's input domain: points live in it, whoever is asked."""

    shape: tuple[int, ...]
    """Of one input, without the batch axis: (channels, height, width), (features,), …"""
    lower: tuple[float, ...]
    """Least value: one for all, or one for each element of the input (table rows)."""
    upper: tuple[float, ...]
    """Greatest value, likewise."""
    mean: tuple[float, ...] = ()
    """Subtracted for each channel before the model sees a point; empty: nothing is."""
    std: tuple[float, ...] = ()
    """Divides for each channel after `mean`; empty: nothing does."""

    def __post_init__(self) -> None:
        size = math.prod(self.shape)
        if not self.shape or min(self.shape) < 1:
            raise ValueError(f"an input has axes of size 1 or more, got {self.shape}")
        if len(self.lower) != len(self.upper) or len(self.lower) not in (1, size):
            raise ValueError(
                f"a bound is 1 or {size} numbers, got {len(self.lower)} and {len(self.upper)}"
            )
        if not (np.isfinite(self.lower).all() and np.isfinite(self.upper).all()):
            raise ValueError("bounds must be finite")
        if not (np.array(self.lower, np.float32) < np.array(self.upper, np.float32)).all():
            raise ValueError("the lower bound must lie below the upper bound everywhere")
        if len(self.mean) != len(self.std) or len(self.mean) not in (0, 1, self.shape[0]):
            raise ValueError(
                f"mean and std are one number each or one for each of the {self.shape[0]} "
                f"channels, got {len(self.mean)} and {len(self.std)}"
            )
        if not (np.isfinite(self.mean).all() and np.isfinite(self.std).all()):
            raise ValueError("mean and std must be finite")
        if any(value <= 0 for value in self.std):
            raise ValueError("every std must be above 0")

    @property
    def is_image(self) -> bool:
        """Channels, height, width in 0..1 or 0..255: points are kept on the 8-bit grid."""
        return len(self.shape) == 3 and self.lower == (0.0,) and self.upper in ((1.0,), (255.0,))

    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """Lower and upper, float32, each of a shape that broadcasts against (n, *shape)."""
        shape = self.shape if len(self.lower) > 1 else (1,) * len(self.shape)
        return (
            np.array(self.lower, np.float32).reshape(shape),
            np.array(self.upper, np.float32).reshape(shape),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """Points found the same way with the same purpose, and what the owner says of them."""

    points: FloatArray  # (n, *shape), within the spec's bounds
    outputs: FloatArray  # (n, classes): the owner's logits, or log-probabilities

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", _frozen(self.points, np.float32))
        object.__setattr__(self, "outputs", _frozen(self.outputs, np.float32))
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
        """(n,) int64: the owner's classes."""
        labels: IntArray = self.outputs.argmax(axis=1)
        return labels

    def __len__(self) -> int:
        return len(self.points)


@dataclass(frozen=True, slots=True)
class OwnerRecord:
    """What a bundle says about the model it defends."""

    name: str
    digest: str  # "sha256:…" of the file, or of the weights
    output: Access  # LOGITS or PROBABILITIES: what the model itself returns
    classes: int


@dataclass(frozen=True, slots=True, eq=False)
class Fingerprint:
    """The points of one owner, found by one method."""

    method: str
    parameters: Mapping[str, Any]  # JSON values: everything the method decided or measured
    seed: int
    spec: InputSpec
    owner: OwnerRecord
    families: Mapping[str, Family]  # CORE always; the others where samples and shadows gave them
    discrimination: Discrimination
    reason: str  # one line: the measurement behind `discrimination`
    lead: str = "label_similarity"  # the identification that answers are weighed with first
    transports: Mapping[str, float] = field(default_factory=dict)
    """Way of travelling -> share of core points that keep the owner's label on it."""

    def __post_init__(self) -> None:
        if CORE not in self.families:
            raise ValueError(f"a fingerprint has a family {CORE!r}, got {sorted(self.families)}")
        if not all(0 <= share <= 1 for share in self.transports.values()):
            raise ValueError(f"shares of points lie within 0..1: {dict(self.transports)}")
        lower, upper = self.spec.bounds()
        for name, family in self.families.items():
            if family.points.shape[1:] != self.spec.shape:
                raise ValueError(
                    f"points of {name!r} have shape {family.points.shape[1:]}, "
                    f"the spec says {self.spec.shape}"
                )
            if family.outputs.shape[1] != self.owner.classes:
                raise ValueError(
                    f"outputs of {name!r} have {family.outputs.shape[1]} classes, "
                    f"the owner has {self.owner.classes}"
                )
            if not ((family.points >= lower) & (family.points <= upper)).all():
                raise ValueError(f"points of {name!r} lie outside the input's bounds")


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What one model said about one family of points."""

    labels: IntArray  # (n,): classes, -1 where there was no usable answer
    scores: FloatArray | None = None  # (n, classes): log-probabilities; None for labels only

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", _frozen(self.labels, np.int64))
        if self.labels.ndim != 1:
            raise ValueError(f"labels must be (n,), got {self.labels.shape}")
        if self.scores is not None:
            object.__setattr__(self, "scores", _frozen(self.scores, np.float32))
            if self.scores.ndim != 2 or len(self.scores) != len(self.labels):
                raise ValueError(
                    f"scores must be ({len(self.labels)}, classes), got {self.scores.shape}"
                )
            if not np.isfinite(self.scores[self.answered]).all():
                raise ValueError("scores of answered points must be finite")

    @property
    def answered(self) -> BoolArray:
        """(n,) bool."""
        return self.labels >= 0


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """A model whose relation to the owner is known, and its answers."""

    name: str
    kind: ReferenceKind
    digest: str  # "sha256:…" of the file or of the recipe
    access: Access
    answers: Mapping[str, Answers]  # by family
    recipe: Mapping[str, Any] = field(default_factory=dict)  # JSON values


@dataclass(frozen=True, slots=True)
class Terms:
    """What a calibrated verdict takes, fixed in the bundle before any suspect is seen."""

    accuse: float = 0.01
    """An accusation's p-value among homologous references is at most this."""
    acquit: float = 0.05
    """An acquittal's p-value among pirated references is at most this."""
    clearance: float = 0.4
    """Share, 0..1, of the way from the closest homologous reference to the owner by which an
    accused stands clear of it."""

    def __post_init__(self) -> None:
        if not (0 < self.accuse < 1 and 0 < self.acquit < 1 and 0 <= self.clearance < 1):
            raise ValueError(f"levels and the clearance lie within 0..1: {self}")


@dataclass(frozen=True, slots=True)
class SuspectRecord:
    """Who was asked, and through what."""

    name: str
    digest: str | None  # "sha256:…"; None where what answers can't be hashed
    adapter: str
    runtime: Mapping[str, str]  # e.g. {"onnxruntime": "1.31.1", "provider": "CPUExecutionProvider"}


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Everything a suspect said: enough to judge again without it."""

    suspect: SuspectRecord
    bundle_digest: str
    access: Access
    classes: int | None  # how many the suspect knows; None where labels alone don't tell
    answers: Mapping[str, Answers]  # by family
    notes: tuple[str, ...] = ()  # one line each: what a reader must know about the asking
    asked: int | None = None  # so many points in the order of asking; None: all, looked at once
    spent: int | None = None  # how many different points were asked; None: all
    disguises: tuple[str, ...] = ()  # one line each: what was undone before comparing
    repeated: int = 0  # how many points were asked twice
    changed: int = 0  # how many of those got another label

    def __post_init__(self) -> None:
        for name, answers in self.answers.items():
            if answers.scores is not None and answers.scores.shape[1] != self.classes:
                raise ValueError(
                    f"scores of {name!r} are for {answers.scores.shape[1]} classes, "
                    f"the suspect knows {self.classes}"
                )

    @property
    def queries(self) -> int:
        """How many different points were asked."""
        if self.spent is not None:
            return self.spent
        return sum(len(answers.labels) for answers in self.answers.values())
