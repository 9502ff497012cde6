"""The points of one owner, and what is known of them."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from auditkit.core.arrays import JsonObject
from auditkit.core.models import OwnerRecord
from auditkit.core.points import CORE, InputSpec, Sheet
from auditkit.core.weights import Sketch

FEWEST_TWINS = 7
"""Fewest twins of a line-up: with fewer, one odd twin decides how far the owner stands out."""
FIRST_IDENTIFICATIONS = (
    *("clustering", "correlation", "decision_distance", "label_similarity"),
    *("mistakes", "mutual_information", "output_similarity", "relations"),
)
"""Those that compare answers, and may speak of any bundle with scores or labels."""
VETO = 0.60
"""Points that an innocent shares by more than this share are not the owner's own, 0..1. Measured on
stand-ins of all populations: innocents of the owner's architecture share at most 0.75 of good
points, and copies keep 0.88 or more (docs/decisions/0002-verdict.md)."""
HIGHEST_LEVEL = 0.01
"""Highest level of a line-up: nobody may be accused of what one innocent in 100 shows."""


class Discrimination(enum.StrEnum):
    """Whether a fingerprint was seen to tell copies of the owner from strangers."""

    DISCRIMINATING = "discriminating"
    NOT_DISCRIMINATING = "not discriminating"
    UNMEASURED = "unmeasured"


@dataclass(frozen=True, slots=True)
class Siblings:
    """What nets of the owner's architecture, trained anew with the fingerprint, showed."""

    shares: tuple[float, ...] = ()
    """Of core points that got the owner's label: one for each net; empty: none were tried."""
    reason: str = "none were asked for"
    """Why none were tried, or what else a reader must know of them, if anything."""

    def __post_init__(self) -> None:
        if not all(0 <= share <= 1 for share in self.shares):
            raise ValueError(f"shares of points lie within 0..1: {self.shares}")

    @property
    def tried(self) -> bool:
        """Whether there was any sibling that had learnt the task."""
        return bool(self.shares)

    def told(self) -> str:
        """Say in one line what siblings showed, or why none were tried."""
        if not self.tried:
            return f"none were tried ({self.reason})"
        remark = f"; {self.reason}" if self.reason else ""
        return f"{len(self.shares)}, which share at most {max(self.shares):.0%}{remark}"


@dataclass(frozen=True, slots=True)
class LineUpTerms:
    """Whether suspects may be judged by a line-up of the owner among its twins."""

    twins: int = 0
    """Number of twins; 0: the fingerprint was made without."""
    doubt: str = ""
    """Why the owner does not pass for one of its twins; empty: it does, or there are none."""
    level: float = 1e-5
    """How often, at most, an innocent suspect may show a gap as large as an accused one."""

    def __post_init__(self) -> None:
        if self.twins < 0 or not 0 < self.level < 1:
            raise ValueError(f"a number of twins and a level within 0..1 are wanted, got {self}")

    @property
    def claimed(self) -> bool:
        """Whether the line-up decides."""
        return self.twins >= FEWEST_TWINS and not self.doubt


@dataclass(frozen=True, slots=True, eq=False)
class OwnWeights:
    """What a bundle keeps of the owner's weights."""

    sketch: Sketch
    least_kept: float
    """The smallest likeness to the owner's weights of its quick copies, 0..1."""
    from_scratch: bool
    """Whether the owner says that the model was trained from random weights. Weights of models that
    were tuned from one public model are alike though all of them are innocent."""

    def __post_init__(self) -> None:
        if not -1 <= self.least_kept <= 1:
            raise ValueError(f"a likeness lies within -1..1, got {self.least_kept}")


@dataclass(frozen=True, slots=True, eq=False)
class Fingerprint:
    """The points of one owner, found by one method."""

    method: str
    parameters: Mapping[str, Any]  # JSON values: everything the method decided or measured
    seed: int
    spec: InputSpec
    owner: OwnerRecord
    sheet: Sheet  # core points always; other families where samples gave them
    discrimination: Discrimination
    reason: str  # one line: the measurement behind `discrimination`
    lead: str = "label_similarity"  # the identification that answers are weighed with first
    transports: Mapping[str, float] = field(default_factory=dict)
    """Way of travelling -> share of core points that keep the owner's label on it."""
    identifications: tuple[str, ...] = FIRST_IDENTIFICATIONS
    """The identifications that may speak of suspects. A plug-in that is not named has no say, so
    that what is installed on an auditor's machine turns no verdict."""
    siblings: Siblings = field(default_factory=Siblings)
    """Innocents of the owner's own recipe; where none were tried, thresholds accuse nobody."""
    line_up: LineUpTerms = field(default_factory=LineUpTerms)
    weights: OwnWeights | None = None
    """What is kept of the owner's weights; None where the model has none that can be read."""

    def __post_init__(self) -> None:
        if CORE not in self.sheet.names:
            raise ValueError(f"a fingerprint has a family {CORE!r}, got {self.sheet.names}")
        if self.lead not in self.speaking:
            raise ValueError(f"the identification {self.lead!r} leads, but {self.speaking} speak")
        if not all(0 <= share <= 1 for share in self.transports.values()):
            raise ValueError(f"shares of points lie within 0..1: {dict(self.transports)}")
        if self.sheet.points.shape[1:] != self.spec.shape:
            raise ValueError(
                f"points have shape {self.sheet.points.shape[1:]}, the spec says {self.spec.shape}"
            )
        if self.sheet.outputs.shape[1] != self.owner.classes:
            raise ValueError(
                f"outputs have {self.sheet.outputs.shape[1]} classes, "
                f"the owner has {self.owner.classes}"
            )
        lower, upper = self.spec.bounds()
        if not ((self.sheet.points >= lower) & (self.sheet.points <= upper)).all():
            raise ValueError("points lie outside the input's bounds")

    @property
    def recipe(self) -> JsonObject:
        """What the points were made from; empty where the maker did not say."""
        found = self.parameters.get("recipe")
        return found if isinstance(found, dict) else {}

    @property
    def robust(self) -> bool:
        """Whether core points were made to survive the way to an API."""
        return bool(self.recipe.get("robust"))

    @property
    def speaking(self) -> tuple[str, ...]:
        """The identifications that may speak, in the order of the report."""
        return tuple(sorted(self.identifications))
