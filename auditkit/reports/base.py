"""The content of a report, and the interface of what renders it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from auditkit.core.commitment import Commitment
from auditkit.core.fingerprint import Discrimination, LineUpTerms, Siblings
from auditkit.core.models import ReferenceKind
from auditkit.core.verdicts import Outcome


@dataclass(frozen=True, slots=True)
class BundleSummary:
    """The facts about a bundle that a reader of its verdicts needs."""

    digest: str
    """`sha256:…` of the bundle's content."""
    method: str
    """The fingerprint method that made the points."""
    owner: str
    """The name of the owner's model."""
    owner_digest: str
    """`sha256:…` of the owner's file or weights."""
    classes: int
    """How many classes the owner has."""
    points: Mapping[str, int]
    """How many points there are of each family."""
    discrimination: Discrimination
    reason: str
    """The measurement behind `discrimination`."""
    references: Mapping[ReferenceKind, int]
    """How many models of known kind the bundle has, by kind."""
    created: str
    """When the bundle was made: ISO 8601, UTC."""
    transports: Mapping[str, float] = field(default_factory=dict)
    """The share of core points, 0..1, that keep the owner's label on each way to a suspect."""
    siblings: Siblings = field(default_factory=Siblings)
    identifications: tuple[str, ...] = ()
    """The identifications that the bundle allows."""
    line_up: LineUpTerms = field(default_factory=LineUpTerms)
    seed: int = 0
    """What starts and targets of the points were drawn by, together with all else that was given;
    0 unless its maker chose another."""

    def travelled(self) -> str:
        """Return one line on what points lose on their way; empty if that was not measured."""
        if not self.transports:
            return ""
        shares = ", ".join(f"{name} {share:.0%}" for name, share in self.transports.items())
        return f"Core points that keep the owner's label on the way to a suspect: {shares}."


@dataclass(frozen=True, slots=True)
class Corrected:
    """The chance of one suspect's gap, corrected for the number of suspects in the report."""

    holm: float
    """Holm's: if all at or below p are accused, some accusation is false with probability p or
    less."""
    benjamini_hochberg: float
    """Benjamini and Hochberg's: if all at or below p are accused, a share p of them at most is
    expected to be false."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """On how many points of one family a suspect gives the owner's label."""

    family: str
    same: int
    """How many got the owner's label."""
    answered: int
    """How many got a usable answer, 1 or more."""
    others: tuple[float, ...] = ()
    """The same as a share, 0..1, for each independent model of the bundle."""
    kind: str = ""
    """What these models are: `twins`, or `stand-ins and siblings`; empty: there are none."""

    @property
    def share(self) -> float:
        """The share of answered points that got the owner's label, 0..1."""
        return self.same / self.answered


@dataclass(frozen=True, slots=True)
class Pictured:
    """One core point as a picture, with the classes that owner and suspect gave it."""

    png: bytes
    """The picture as a PNG file."""
    owner: int
    suspect: int | None
    """None where it gave no usable answer."""


@dataclass(frozen=True, slots=True)
class Compared:
    """Owner and suspect side by side: what takes both bundle and evidence to show."""

    agreement: tuple[Agreement, ...] = ()
    """One entry for each family of points that was asked, in the order of the bundle."""
    pictured: tuple[Pictured, ...] = ()
    """The best core points; empty unless pictures were asked for, and where points are none."""


@dataclass(frozen=True, slots=True)
class Member:
    """A model among others that were compared with each other."""

    name: str
    kind: str
    """`owner`, `twin`, `stand-in` or `sibling`; of a suspect its verdict."""
    number: int = 0
    """The suspect's place in the report, from 1; 0: it is none."""


@dataclass(frozen=True, slots=True)
class Lineage:
    """Which models answer alike: a tree that joins the closest first."""

    members: tuple[Member, ...]
    links: tuple[tuple[int, int, float], ...]
    """Two branches and their distance, 0..1, the closest first. Member i is branch i; the branch
    that link i makes is number len(members) + i."""
    points: int
    """How many points were compared."""
    left_out: int = 0
    """Suspects that answered too little, or were too many for a picture."""


@dataclass(frozen=True, slots=True)
class Report:
    """Verdicts and refusals that were reached with one bundle."""

    bundle: BundleSummary
    outcomes: tuple[Outcome, ...]
    versions: Mapping[str, str]
    generated: str
    """When the report was made: ISO 8601, UTC."""
    corrected: tuple[Corrected | None, ...] = ()
    """For each outcome, if two or more have a line-up; no verdict depends on it."""
    explained: bool = False
    """Whether the report for people ends with what its words mean."""
    commitment: Commitment = field(default_factory=Commitment)
    """Who stands behind the bundle, and since when it exists."""
    compared: tuple[Compared | None, ...] = ()
    """For each outcome, or empty; None where the evidence is not at hand or labels can't be
    compared."""
    command: str = ""
    """The command line that made the report, without secrets; empty: that is not known."""
    lineage: Lineage | None = None
    """Which suspects answer alike; None where fewer than two did, or the bundle is not at hand."""


@dataclass(frozen=True, slots=True)
class Screen:
    """The screen or file that a report is written to."""

    encoding: str = "utf-8"
    """A renderer shows characters that this encoding lacks as escapes."""
    colours: bool = False
    """Whether colours may be used; False for files and pipes."""


class Renderer(Protocol):
    """The interface of a report plug-in: one way to show a report."""

    def __call__(self, report: Report, screen: Screen) -> bytes:
        """Return the whole report, encoded for the screen."""
