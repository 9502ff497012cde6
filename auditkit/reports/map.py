"""The map of models that answer alike, in SVG: the closer two stand, the more labels they share.

Distances between many models don't fit into a plane. Classical multidimensional scaling keeps as
much of them as two axes can, and how much that is, is told beside the map.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from auditkit.core.escape import clean
from auditkit.reports.base import Member

WIDTH, HEIGHT, EDGE = 560, 420, 18
"""Size of the drawing, and how far models stay from its edge."""


Places = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """Places of models in a plane."""

    places: Places
    """(m, 2) coordinates; one unit on either axis is the same distance."""
    kept: float
    """The share of all differences, 0..1, that the two axes hold."""


def plane(apart: Places) -> Plane:
    """Return places of models whose distances come as close to the given ones as two axes allow.

    Args:
        apart: (m, m) shares of different labels, 0..1, with zeros on the diagonal.
    """
    count = len(apart)
    centring = np.eye(count) - 1 / count
    # A share of different labels is a squared distance between answers: each point that differs
    # counts once, whatever the labels are.
    inner = -0.5 * centring @ apart @ centring
    values, vectors = np.linalg.eigh(inner)
    axes = np.zeros((count, 2))
    found = np.maximum(values[::-1][:2], 0.0)
    axes[:, : len(found)] = vectors[:, ::-1][:, :2] * np.sqrt(found)
    whole = float(np.maximum(values, 0.0).sum())
    return Plane(axes, float(found.sum()) / whole if whole > 0 else 1.0)


def drawn(found: Plane, members: Sequence[Member], links: Sequence[str]) -> Markup:
    """Return the map.

    Args:
        found: Places of the members.
        members: The models; their names are shown when they are pointed at.
        links: The page of each member; empty: it has none.
    """
    head = Markup('<svg class="map" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(
        WIDTH, HEIGHT, f"{len(members)} models; those that answer alike stand together."
    )
    spots = _spots(found.places)
    # Whoever is accused is drawn last, on top of others in the same place.
    order = sorted(range(len(members)), key=lambda one: _height(members[one]))
    parts = [_mark(members[one], *spots[one], links[one]) for one in order]
    return Markup("").join((head, *parts, Markup("</svg>")))


def _spots(places: Places) -> list[tuple[float, float]]:
    low, high = places.min(axis=0), places.max(axis=0)
    room = np.array([WIDTH - 2 * EDGE, HEIGHT - 2 * EDGE])
    # One scale for both axes, or distances would be bent.
    scale = float(np.min(room / np.maximum(high - low, 1e-9)))
    middle = (low + high) / 2
    spots = (places - middle) * scale + np.array([WIDTH / 2, HEIGHT / 2])
    return [(float(x), float(y)) for x, y in spots]


def _height(member: Member) -> int:
    known = ("homologous", "inconclusive", "refused", "pirated", "owner")
    return known.index(member.kind) if member.kind in known else -1


def _mark(member: Member, x: float, y: float, link: str) -> Markup:
    kind, name = member.kind.replace(" ", "-"), clean(member.name, 400)
    title = Markup("<title>{}: {}</title>").format(name, member.kind)
    if kind == "owner":
        shape = Markup('<rect class="spot owner" x="{:.1f}" y="{:.1f}" width="14" height="14">')
        return shape.format(x - 7, y - 7) + title + Markup("</rect>")
    shape = Markup('<circle class="spot {}" cx="{:.1f}" cy="{:.1f}" r="{}">').format(
        kind, x, y, 5 if link else 3
    )
    mark = shape + title + Markup("</circle>")
    return Markup('<a href="{}">{}</a>').format(link, mark) if link else mark


def kinds(members: Sequence[Member]) -> Iterator[str]:
    """Yield the kinds of models in a map, in the order of its legend."""
    yield from sorted({one.kind for one in members}, key=lambda kind: -_height(Member("", kind)))
