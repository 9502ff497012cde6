"""What a report shows and how it is rendered."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TextIO

from auditkit.outcomes import Outcome
from auditkit.types import Discrimination, ReferenceKind


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


@dataclass(frozen=True, slots=True)
class Report:
    """Verdicts and refusals from one bundle."""

    bundle: BundleSummary
    outcomes: tuple[Outcome, ...]
    versions: Mapping[str, str]
    generated: str  # ISO 8601, UTC


class Renderer(Protocol):
    """One way to show a report."""

    def __call__(self, report: Report, stream: TextIO) -> None:
        """Write the whole report to the stream."""
