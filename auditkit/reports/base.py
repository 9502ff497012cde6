"""What a report shows and how it is rendered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from auditkit.core.fingerprint import Discrimination, Siblings, Terms
from auditkit.core.models import ReferenceKind
from auditkit.core.verdicts import Outcome


@dataclass(frozen=True, slots=True)
class BundleSummary:
    """What a reader must know of the bundle behind the verdicts."""

    digest: str
    method: str
    owner: str
    owner_digest: str
    classes: int
    points: Mapping[str, int]  # family -> how many
    discrimination: Discrimination
    reason: str
    references: Mapping[ReferenceKind, int]
    created: str
    terms: Terms = field(default_factory=Terms)
    transports: Mapping[str, float] = field(default_factory=dict)
    siblings: Siblings = field(default_factory=Siblings)
    identifications: tuple[str, ...] = ()
    """Those that may speak, as the bundle names them."""

    def travelled(self) -> str:
        """What the points lose on their way, in a line; empty where that was not measured."""
        if not self.transports:
            return ""
        shares = ", ".join(f"{name} {share:.0%}" for name, share in self.transports.items())
        return f"Core points that keep the owner's label on the way to a suspect: {shares}."


@dataclass(frozen=True, slots=True)
class Corrected:
    """A p-value among homologous references, corrected for the suspects of one report."""

    holm: float
    """Small for one suspect: hardly anybody in the whole report is accused by chance."""
    benjamini_hochberg: float
    """All up to a level: at most that share of them is there by chance."""


@dataclass(frozen=True, slots=True)
class Report:
    """Verdicts and refusals from one bundle."""

    bundle: BundleSummary
    outcomes: tuple[Outcome, ...]
    versions: Mapping[str, str]
    generated: str  # ISO 8601, UTC
    corrected: tuple[Corrected | None, ...] = ()
    """For each outcome, where more than one has a p-value; no verdict depends on it."""


@dataclass(frozen=True, slots=True)
class Screen:
    """What a report is shown on."""

    encoding: str = "utf-8"
    """Characters that it lacks are shown as escapes."""
    colours: bool = False
    """Whether it is a terminal that may get colours."""


class Renderer(Protocol):
    """A plug-in: one way to show a report."""

    def __call__(self, report: Report, screen: Screen) -> bytes:
        """The whole report, in the screen's encoding."""
