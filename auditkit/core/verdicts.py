"""What an examination ends in: opinions, a line-up among twins, a verdict or a refusal.

Why a verdict is what it is, is a code with the facts behind it (`Reason`). The sentences for people
are in `auditkit/reports/wording.py`, so that a ledger can group by code and a translation is
possible.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from auditkit.core.access import Access
from auditkit.core.arrays import Json
from auditkit.core.errors import AuditkitError
from auditkit.core.escape import clean, first_line
from auditkit.core.evidence import Evidence
from auditkit.core.models import ReferenceKind, SuspectRecord


class Decision(enum.StrEnum):
    """The three verdicts; only two of them claim anything."""

    PIRATED = "pirated"
    """Derived from the owner's model."""
    HOMOLOGOUS = "homologous"
    """Independently trained; innocent. (Not the common-descent meaning the word has elsewhere.)"""
    INCONCLUSIVE = "inconclusive"
    """The answers carry neither claim."""


class ReasonCode(enum.StrEnum):
    """Why a verdict or an opinion is what it is; docs/report.md lists the codes and their facts."""

    # Verdicts by a line-up of the owner among its twins.
    FIRST_IN_LINE_UP = "first-in-line-up"
    LIKE_A_TWIN = "like-a-twin"
    NOT_OUTSTANDING = "not-outstanding"
    UNLIKE_COPIES = "unlike-copies"
    COPIES_UNSEEN = "copies-unseen"
    FIRST_BY_ONE = "first-by-one-measure"
    LABELS_ALONE = "labels-alone-clear-nobody"
    WEIGHTS_ALONE = "weights-alone-clear-nobody"
    # Verdicts by the bundle's thresholds.
    NO_SIGN_OF_A_COPY = "no-sign-of-a-modified-copy"
    SIBLINGS_NOT_TRIED = "siblings-not-tried"
    OPINIONS_CONTRADICT = "opinions-contradict"
    NOT_DISCRIMINATING = "not-discriminating"
    UNMEASURED = "unmeasured"
    PARTLY_ASKED = "partly-asked"
    # What keeps a suspect from any claim, or from being cleared.
    OTHER_CLASSES = "other-classes"
    OTHER_LABELS = "other-labels"
    FEW_ANSWERS = "few-answers"
    CONTROLS_FAILED = "controls-failed"
    ROWS_UNBOUND = "rows-unbound"
    ANSWERS_CHANGE = "answers-change"
    # Opinions of identifications.
    SHARES_AS_COPIES = "shares-as-copies"
    SHARES_AS_INDEPENDENT = "shares-as-independent"
    SHARES_BETWEEN = "shares-between"
    SCORES_AS_COPIES = "scores-as-copies"
    SCORES_AS_INDEPENDENT = "scores-as-independent"
    SCORES_BETWEEN = "scores-between"
    CLUSTERED = "clustered"
    CLUSTERINGS_DISAGREE = "clusterings-disagree"
    MISTAKES_SHARED = "mistakes-shared"
    CORRELATED = "correlated"
    DISTANCES_ALIKE = "decision-distances-alike"
    INFORMATION_SHARED = "information-shared"
    RELATIONS_CORRELATED = "relations-correlated"
    WEIGHTS_ALIKE = "weights-alike"
    WEIGHTS_UNLIKE = "weights-unlike"
    WEIGHTS_BETWEEN = "weights-between"
    WEIGHTS_BESIDE = "weights-beside-others"
    ANCESTOR_UNKNOWN = "ancestor-unknown"
    # Why an identification abstains.
    NO_ANSWERS = "no-answers"
    NO_WEIGHTS = "no-weights"
    NO_MISTAKES = "no-natural-mistakes"
    NEEDS_PROBABILITIES = "needs-probabilities"
    NEEDS_KNOWN_MODELS = "needs-known-models"
    CLASSES_DIFFER = "classes-differ"
    OWNER_CONSTANT = "owner-answers-alike"
    TOO_FEW_TO_COMPARE = "too-few-to-compare"
    NOT_WEIGHED = "not-weighed"
    LINE_UP_DECIDES = "line-up-decides"


@dataclass(frozen=True, slots=True)
class Reason:
    """A code with the facts behind it; `auditkit.reports.wording.sentence` says it in words."""

    code: str
    """One of `ReasonCode`, or a code of a plug-in's own."""
    facts: Mapping[str, Json] = field(default_factory=dict)
    """JSON values. A plug-in's own code comes with its sentence as the fact `text`."""


@dataclass(frozen=True, slots=True)
class Identification:
    """The opinion of one way to weigh answers. `says` is None where it abstains."""

    name: str
    says: Decision | None
    reason: Reason
    value: float | None = None
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """The owner's place in the line-up by one measure."""

    measure: str
    """What was compared: `core labels`, `natural scores`, `weights`, …"""
    likeness: tuple[float, ...]
    """Of the suspect to the owner, then to each twin; only their order and distances count."""
    standing: float
    """How far the owner stands out: (its likeness - mean of the twins') / (their standard
    deviation * sqrt(1 + 1 / twins))."""


@dataclass(frozen=True, slots=True)
class LineUp:
    """One suspect before the owner and its twins: which of them does it resemble most?"""

    access: Access
    places: tuple[Place, ...]
    p: float
    """Exact: how often the owner of an innocent suspect takes such a place by chance, (0, 1]."""
    gap: float
    """The largest standing of the owner over the measures."""
    p_gap: float
    """How often an innocent suspect shows such a gap, by Student's t distribution, (0, 1]."""
    like_twin: bool
    """Whether a twin stands out as an accused owner does."""
    excluded: tuple[str, ...]
    """Kinds of copies that would have been found: all that were measured were, and the suspect
    resembles the owner less than any of them."""
    unseen: tuple[str, ...]
    """Kinds of copies that were measured and are not excluded."""
    looks: int = 1
    """How many outputs of the suspect were read; `p` and `p_gap` are corrected for that."""
    unmeasured: tuple[str, ...] = ()
    """Kinds of which no copies were measured, or too few of them worked."""

    @property
    def twins(self) -> int:
        """The number of twins."""
        return len(self.places[0].likeness) - 1


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision about one suspect, with everything that it rests on."""

    suspect: SuspectRecord
    decision: Decision
    reason: Reason
    access: Access
    queries: int
    """How many different points were asked."""
    answered: int
    """How many of them got a usable answer."""
    identifications: tuple[Identification, ...]
    references: Mapping[ReferenceKind, int]
    notes: tuple[str, ...] = ()
    line_up: LineUp | None = None
    """None without twins."""
    calibrated: bool = False
    """Whether the line-up decided."""
    disguises: tuple[str, ...] = ()
    sent: int | None = None
    """How many points were sent in all, repeats and tries included; None: that is not known."""

    @property
    def p_homologous(self) -> float | None:
        """How often an innocent suspect puts the owner so far ahead, (0, 1]; None: not known."""
        return None if self.line_up is None else self.line_up.p

    def __bool__(self) -> bool:
        raise TypeError("a verdict has three values, not two: compare its `decision`")


LONGEST_REASON = 1000
"""Characters of a refusal's reason; it may repeat what a stranger wrote."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A suspect that could not be audited: an outcome with its reason, not a verdict."""

    suspect: str
    reason: str
    """One line: what was wanted, what was got, what cures it."""
    code: str = "crashed"
    """The error's code (`auditkit.core.errors`), or `crashed` for what nobody foresaw."""

    @classmethod
    def of(cls, suspect: str, error: BaseException) -> "Refusal":
        """Return the refusal that stands for an error."""
        if isinstance(error, AuditkitError):
            return cls(suspect, clean(str(error), LONGEST_REASON), error.code)
        if isinstance(error, MemoryError):
            return cls(suspect, "memory ran out while it was examined", "out-of-memory")
        line = f"{type(error).__name__}: {clean(first_line(error), LONGEST_REASON)}"
        return cls(suspect, f"something failed that nobody foresaw: {line}")


Outcome = Verdict | Refusal


@dataclass(frozen=True, slots=True)
class Examination:
    """What came of one suspect: its outcome, and everything it said where it said enough."""

    suspect: str
    """The suspect's name as it may be shown, without secrets."""
    outcome: Outcome
    evidence: Evidence | None = None
    """None for a suspect that was refused before it had answered."""
