"""Which of many models answer alike: distances between them, and a tree of the closest.

Two models are as far from each other as the share of core points to which they give different
labels. Core points were made so that copies of the owner agree on them and others do not; labels
are what every suspect reveals. The tree is a picture for people, and no verdict depends on it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditkit.core.arrays import IntArray
from auditkit.core.evidence import Evidence
from auditkit.core.models import ReferenceKind
from auditkit.core.points import CORE
from auditkit.files.bundle import Bundle
from auditkit.reports.base import Lineage, Member

Shares = NDArray[np.float64]
MOST = 60
"""Most suspects in a picture; beyond that names can't be read."""
ENOUGH = 0.5
"""Least share of the points that a suspect has to answer."""
WORST_FIRST = ("pirated", "refused", "inconclusive", "homologous")
"""The order in which suspects are shown, and kept where there are too many."""
FAR = 1.0
"""The distance of two models that have no point in common."""


@dataclass(frozen=True, slots=True, eq=False)
class Voice:
    """A model with its labels for the points that are compared."""

    member: Member
    labels: IntArray
    """(n,) labels; -1 where there is no usable answer."""


def voice(bundle: Bundle, member: Member, evidence: Evidence) -> Voice | None:
    """Return a suspect's labels; None if they can't be compared with others', or are too few."""
    if evidence.classes not in (None, bundle.fingerprint.owner.classes):
        return None
    labels = evidence.answers.labels[_rows(bundle)]
    return Voice(member, labels) if len(labels) and (labels >= 0).mean() >= ENOUGH else None


def known(bundle: Bundle) -> Iterator[Voice]:
    """Yield the owner, and its twins or, without any, the other independent models of a bundle."""
    rows = _rows(bundle)
    yield Voice(Member("the owner", "owner"), bundle.fingerprint.sheet.labels[rows])
    twins = [one for one in bundle.references if one.kind is ReferenceKind.TWIN]
    others = [one for one in bundle.references if not one.kind.is_derived]
    for number, one in enumerate(twins or others, 1):
        yield Voice(Member(f"{one.kind} {number}", str(one.kind)), one.answers.labels[rows])


def _rows(bundle: Bundle) -> IntArray:
    """Return the rows of the points that are compared: core points, or all if there are none."""
    sheet = bundle.fingerprint.sheet
    rows = np.flatnonzero(sheet.rows(CORE))
    return rows if len(rows) else np.arange(len(sheet))


def lineage(bundle: Bundle, suspects: Sequence[Voice | None]) -> Lineage | None:
    """Return the tree of suspects and the models of known kind in their bundle.

    Args:
        bundle: What the suspects were asked about.
        suspects: One entry for each suspect of the report; None for those without answers.

    Returns:
        The tree; None if fewer than two suspects can be compared.
    """
    able = sorted(
        (one for one in suspects if one is not None),
        key=lambda one: (WORST_FIRST.index(one.member.kind), one.member.number),
    )
    if len(able) < 2:
        return None
    voices = [*known(bundle), *able[:MOST]]
    apart = distances(np.stack([one.labels for one in voices]))
    return Lineage(
        members=tuple(one.member for one in voices),
        links=tuple(_links(apart)),
        points=len(voices[0].labels),
        left_out=len(suspects) - len(able[:MOST]),
    )


def distances(labels: IntArray) -> Shares:
    """Return how far models are from each other.

    Args:
        labels: (m, n) labels that m models give to n points; -1 where there is no answer.

    Returns:
        (m, m) shares, 0..1, of different labels among the points that both answered.
    """
    count = len(labels)
    both, same = np.zeros((count, count)), np.zeros((count, count))
    for column in labels.T:  # one point after the other: all at once would not fit into memory
        answered = column >= 0
        pairs = answered[:, None] & answered
        both += pairs
        same += pairs & (column[:, None] == column)
    apart = np.full((count, count), FAR)
    np.divide(both - same, both, out=apart, where=both > 0)
    np.fill_diagonal(apart, 0.0)
    return apart


def _links(apart: Shares) -> Iterator[tuple[int, int, float]]:
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    for left, right, height, _ in linkage(
        squareform(apart, checks=False), "average", optimal_ordering=True
    ):
        yield int(left), int(right), float(height)
