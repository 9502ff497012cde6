"""Everything that a suspect said."""

import math
from dataclasses import dataclass

from auditkit.core.access import Access
from auditkit.core.answers import Answers
from auditkit.core.arrays import Rows
from auditkit.core.models import SuspectRecord

IN_ORDER = "in the order given"
"""What the record of a suspect says of `rows` that are bound to their points by nothing else."""
MOST_LOOKS = 1_000_000
"""Most outputs that are read of one suspect; p is multiplied by their number."""
ENOUGH_SHARED = 0.5
"""Least share of the owner's tensors, 0..1, that must have a shape in common with a suspect's."""
# Whoever shows other weights than those that answer keeps as many numbers again for the latter.
ENOUGH_COMPARED = 0.5
"""More than this share of a suspect's numbers, 0..1, must lie in the tensors that were compared."""


@dataclass(frozen=True, slots=True)
class SeenWeights:
    """How the weights of a suspect's file compare with the owner's, and with those of its twins."""

    likeness: tuple[float, ...]
    """To the owner, then to each twin, in the bundle's order: about 0 for independent models, 1 for
    the same. The owner's alone if a twin's weights are not known."""
    chance: float
    """How often weights that were made independently are as alike to the owner's, (0, 1]."""
    shared: float
    """Share of the owner's tensors, 0..1, that have a shape in common with one of the suspect's."""
    compared: float = 1.0
    """Share of the suspect's numbers, 0..1, that lie in tensors of those shapes, as many as the
    owner has of each. Evidence of before this was told counts as 1."""

    @property
    def is_comparable(self) -> bool:
        """Whether so many shapes are in common that unlike weights say something."""
        return self.shared >= ENOUGH_SHARED

    @property
    def is_whole(self) -> bool:
        """Whether the rest of the file has no room for the weights of another model."""
        return self.compared > ENOUGH_COMPARED

    def __post_init__(self) -> None:
        if not self.likeness or not all(math.isfinite(one) for one in self.likeness):
            raise ValueError(f"likenesses of weights are finite numbers, got {self.likeness}")
        shares = (self.shared, self.compared)
        if not 0 < self.chance <= 1 or not all(0 <= one <= 1 for one in shares):
            raise ValueError(f"a chance and shares lie within 0..1, got {self}")


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """One event of an audit: points that were asked, answered or failed at once."""

    kind: str
    """`asked`, `answered`, `failed`, or `kept`: answered in an earlier audit."""
    output: str
    """Names of the outputs that answered, in JSON; empty where the suspect has one."""
    at: str
    """ISO 8601, UTC."""
    points: tuple[str, ...]
    """Hexadecimal digests of the points (`core.points.point_digest`), as they were asked."""
    rows: Rows | None = None
    """The answers, one row or label a point, as the suspect gave them."""
    why: str = ""
    """Why it failed."""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Everything a suspect said: enough to judge again without it."""

    suspect: SuspectRecord
    bundle_digest: str
    answers: Answers
    """One row for each point of the bundle's sheet; what was not asked is not answered."""
    classes: int | None
    """How many classes the suspect knows; None where labels alone don't tell."""
    notes: tuple[str, ...] = ()
    """What a reader must know about the asking, one line each."""
    asked: int | None = None
    """How many points in the order of asking were looked at one by one; None: all at once."""
    spent: int | None = None
    """How many different points were asked; None: all."""
    sent: int | None = None
    """How many points were sent in all, repeats and tries of other preprocessings included; None:
    that was not counted."""
    disguises: tuple[str, ...] = ()
    """What was undone before comparing, one line each."""
    repeated: int = 0
    """How many points were asked twice."""
    changed: int = 0
    """How many of the repeated points got another label, or scores that rounding can't explain."""
    looks: int = 1
    """How many outputs were read and judged, of which this one is the closest to the owner."""
    weights: SeenWeights | None = None
    """What the weights of the suspect's file showed; None where it is no file, or has none that can
    be compared."""
    heard: tuple[Heard, ...] = ()
    """Everything that was asked and answered, in the order of time; empty: that was not kept."""

    def __post_init__(self) -> None:
        if not 1 <= self.looks <= MOST_LOOKS:
            raise ValueError(f"1 to {MOST_LOOKS} outputs are read, got {str(self.looks)[:20]}")
        known = self.answers.classes
        if known is not None and known != self.classes:
            raise ValueError(f"scores are for {known} classes, the suspect knows {self.classes}")

    @property
    def is_bound(self) -> bool:
        """Whether each answer is known to be that to its point; recorded rows may be mixed up."""
        return self.suspect.runtime.get("rows") != IN_ORDER

    @property
    def access(self) -> Access:
        """The access level at which the suspect's answers are used."""
        return self.answers.access

    @property
    def queries(self) -> int:
        """The number of different points that were asked."""
        return len(self.answers.labels) if self.spent is None else self.spent
