"""Small drawings in SVG, made of numbers and fixed words alone.

Colours come from the style sheet by class, so that a drawing follows the page into the dark and
onto paper. Text that a file could have chosen never gets into one.
"""

from collections.abc import Iterable, Iterator

import numpy as np
from markupsafe import Markup

from auditkit.core.verdicts import LineUp, Place
from auditkit.reports.base import Agreement

WIDTH, LEFT, RIGHT = 560, 140, 90
ROW = 30
FEWEST, MOST = 6.0, 30.0
"""Least and greatest end of the axis, in deviations; an owner beyond it is drawn at the end."""


def line_up(found: LineUp, needed: float | None) -> Markup:
    """Return the owner and its twins on one axis for each measure, in deviations.

    The owner is a dot and a twin a stroke. The suspect is at the far right, out of sight: the more
    a member resembles it, the further right it stands.

    Args:
        found: The line-up.
        needed: How many deviations an accusation takes; None if that is not known.
    """
    places = sorted(found.places, key=lambda place: -place.standing)
    spread = [_deviations(place) for place in places]
    low = min(-3.0, *(row.min() for row in spread))
    furthest = max(FEWEST, needed or 0.0, *(row.max() for row in spread))
    axis = _Axis(max(low, -MOST), min(furthest, MOST) + 1)
    height = ROW * (len(places) + 2) + 14
    bottom = height - ROW - 14
    parts = [*_grid(axis, bottom)]
    if needed is not None and needed <= axis.high:
        x = axis.at(needed)
        parts.append(_line(x, ROW - 8, x, bottom, "needed"))
        parts.append(_text(x, ROW - 12, "accused from about here", "small", "middle"))
    for number, (place, row) in enumerate(zip(places, spread, strict=True), 1):
        parts += _row(axis, ROW * number + ROW / 2, place, row)
    parts.append(_text(LEFT, height - 6, "◀ less like the suspect", "small", "start"))
    parts.append(_text(WIDTH - RIGHT, height - 6, "more like the suspect ▶", "small", "end"))
    told = f"The owner stands out by {found.gap:.1f} deviations from {found.twins} twins."
    return _drawing(height, told, parts)


def agreement(found: Iterable[Agreement]) -> Markup:
    """Return a bar for each family of points: the suspect's share, and a stroke for each other."""
    rows = list(found)
    height = ROW * (len(rows) + 1)
    axis = _Axis(0.0, 1.0)
    parts: list[Markup] = []
    for number, one in enumerate(rows):
        y = ROW * number + ROW / 2
        parts.append(_text(LEFT - 12, y + 4, f"{one.family} points", "name", "end"))
        parts.append(_bar(LEFT, y - 9, axis.at(1.0) - LEFT, 18, "empty"))
        parts.append(_bar(LEFT, y - 9, axis.at(one.share) - LEFT, 18, "share"))
        parts += [_line(axis.at(x), y - 11, axis.at(x), y + 11, "twin") for x in one.others]
        parts.append(_text(WIDTH - RIGHT + 8, y + 4, f"{one.share:.0%}", "value", "start"))
    parts += [
        _text(axis.at(x), height - 8, f"{x:.0%}", "small", "middle")
        for x in (0, 0.25, 0.5, 0.75, 1)
    ]
    return _drawing(height, "Shares of points that are answered as the owner answers them.", parts)


class _Axis:
    """A scale from left to right."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high

    def at(self, value: float) -> float:
        """Return the place of a value in the drawing; values beyond the ends stand at the ends."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return LEFT + share * (WIDTH - LEFT - RIGHT)


def _deviations(place: Place) -> np.ndarray:
    """Return how far each member stands from the twins' mean; the owner's is its standing."""
    likeness = np.array(place.likeness)
    twins = likeness[1:]
    spread = twins.std(ddof=1) * np.sqrt(1 + 1 / len(twins)) if len(twins) > 1 else 0.0
    away = (likeness - twins.mean()) / spread if spread > 1e-12 else np.zeros(len(likeness))
    away[0] = place.standing
    return np.nan_to_num(away, nan=0.0, posinf=1e9, neginf=-1e9)


def _grid(axis: _Axis, bottom: float) -> Iterator[Markup]:
    step = 5 if axis.high - axis.low > 14 else 2
    for value in range(int(np.ceil(axis.low / step)) * step, int(axis.high) + 1, step):
        x = axis.at(value)
        yield _line(x, ROW, x, bottom, "grid")
        yield _text(x, bottom + 14, f"{value:+d}" if value else "0", "small", "middle")


def _row(axis: _Axis, y: float, place: Place, away: np.ndarray) -> Iterator[Markup]:
    yield _text(LEFT - 12, y + 4, place.measure, "name", "end")
    for one in away[1:]:
        yield _line(axis.at(one), y - 8, axis.at(one), y + 8, "twin")
    yield Markup('<circle class="owner" cx="{:.1f}" cy="{:.1f}" r="6"/>').format(
        axis.at(away[0]), y
    )
    yield _text(WIDTH - RIGHT + 10, y + 4, f"{away[0]:+,.1f}", "value", "start")


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    return Markup('<line class="{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>').format(
        kind, x1, y1, x2, y2
    )


def _bar(x: float, y: float, width: float, height: float, kind: str) -> Markup:
    return Markup(
        '<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" rx="3"/>'
    ).format(kind, x, y, width, height)


def _text(x: float, y: float, text: str, kind: str, anchor: str) -> Markup:
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(
        kind, x, y, anchor, text
    )


def _drawing(height: float, told: str, parts: Iterable[Markup]) -> Markup:
    head = Markup('<svg viewBox="0 0 {} {:.0f}" role="img" aria-label="{}">').format(
        WIDTH, height, told
    )
    return Markup("").join((head, *parts, Markup("</svg>")))
