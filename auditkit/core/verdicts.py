"""What an audit ends in: opinions, the comparison with reference models, verdict or refusal."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from auditkit.core.access import Access
from auditkit.core.fingerprint import Terms
from auditkit.core.models import ReferenceKind, SuspectRecord


class Decision(enum.StrEnum):
    """The three verdicts; only two of them claim anything."""

    PIRATED = "pirated"
    """Derived from the owner's model."""
    HOMOLOGOUS = "homologous"
    """Independently trained; innocent. (Not the common-descent meaning the word has elsewhere.)"""
    INCONCLUSIVE = "inconclusive"
    """The answers carry neither claim."""


ONE_BY_ONE = 0.75
"""Of the clearance that an accusation takes otherwise."""


@dataclass(frozen=True, slots=True)
class Identification:
    """One way's opinion. `says` is None where it abstains; `reason` then says why."""

    name: str
    says: Decision | None
    reason: str
    value: float | None = None
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """One suspect among reference models, by the score that the bundle fixes."""

    access: Access
    """What of the answers was used; the references were cut down to the same."""
    homologous: int
    pirated: int
    """How many references of each kind it was compared with."""
    p_homologous: float
    """How often a model like the homologous references comes so close to the owner: (0, 1]."""
    p_pirated: float
    """How often a model like the pirated references stays so far from the owner: (0, 1]."""
    clearance: float
    """Of the way from the closest homologous reference to the owner; negative within them."""
    p_erratic: float
    """How often a reference gives so many answers that no other model gives: (0, 1]."""
    likelihood_ratio: float
    sequential: bool
    """Whether every answer was looked at as it came."""

    def clearance_needed(self, terms: Terms) -> float:
        """The clearance that an accusation takes: less of who is asked one by one.

        There the references' furthest of all looks is compared with the suspect's of the looks so
        far, which already holds every accusation back.
        """
        return ONE_BY_ONE * terms.clearance if self.sequential else terms.clearance


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision about one suspect, with everything it rests on."""

    suspect: SuspectRecord
    decision: Decision
    reason: str
    access: Access
    queries: int
    answered: int
    identifications: tuple[Identification, ...]
    references: Mapping[ReferenceKind, int]
    notes: tuple[str, ...] = ()
    comparison: Comparison | None = None  # None without references of both kinds
    calibrated: bool = False  # whether the comparison decided
    disguises: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        raise TypeError("a verdict has three values, not two: compare its `decision`")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A suspect that could not be audited: an outcome with its reason, not a verdict."""

    suspect: str
    reason: str


Outcome = Verdict | Refusal
