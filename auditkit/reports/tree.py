"""The tree of models that answer alike, in SVG.

Names of suspects are in it: cleaned, cut, and escaped by the markup that they are put into. Colours
come from the style sheet by class.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from markupsafe import Markup

from auditkit.core.escape import clean
from auditkit.reports.base import Lineage, Member

WIDTH, LEFT, STEM, NAMES = 560, 14, 296, 306
"""The drawing's width, and where in it roots, leaves and names are."""
ROW, FOOT = 18, 30
LONGEST = 26
"""Characters of a name; of a longer one the end is shown, where file names are."""


@dataclass(frozen=True, slots=True)
class _Branch:
    x: float
    y: float


def tree(found: Lineage, links: Mapping[int, str]) -> Markup:
    """Return the tree: models that are joined further to the right answer more alike.

    Args:
        found: Which models answer alike.
        links: The address of each suspect's page by its number; those without have no link.
    """
    order = _leaves(found)
    height = ROW * len(order) + FOOT
    told = f"{len(order)} models, joined the further right the more alike they answer."
    head = Markup('<svg class="tree" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(
        WIDTH, height, told
    )
    parts = [*_axis(height), *_lines(found, order), *_names(found, order, links)]
    return Markup("").join((head, *parts, Markup("</svg>")))


def _leaves(found: Lineage) -> list[int]:
    """Return the members from top to bottom, so that no branches cross."""
    count = len(found.members)
    order, left = [], [count + len(found.links) - 1]
    while left:
        branch = left.pop()
        if branch < count:
            order.append(branch)
        else:
            first, second, _ = found.links[branch - count]
            left += [second, first]
    return order


def _at(distance: float) -> float:
    return STEM - distance * (STEM - LEFT)


def _axis(height: int) -> Iterator[Markup]:
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        x = _at(share)
        yield _line(x, 0, x, height - FOOT + 6, "grid")
        yield Markup('<text class="small" x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(
            x, height - 10, f"{1 - share:.0%}"
        )


def _lines(found: Lineage, order: list[int]) -> Iterator[Markup]:
    branches = {member: _Branch(STEM, ROW * place + ROW / 2) for place, member in enumerate(order)}
    for number, (first, second, distance) in enumerate(found.links, len(found.members)):
        one, two, x = branches.pop(first), branches.pop(second), _at(distance)
        yield _line(one.x, one.y, x, one.y, "branch")
        yield _line(two.x, two.y, x, two.y, "branch")
        yield _line(x, one.y, x, two.y, "branch")
        branches[number] = _Branch(x, (one.y + two.y) / 2)


def _names(found: Lineage, order: list[int], links: Mapping[int, str]) -> Iterator[Markup]:
    for place, number in enumerate(order):
        member = found.members[number]
        text = Markup('<text class="leaf {}" x="{}" y="{:.1f}"><title>{}</title>{}</text>').format(
            member.kind.replace(" ", "-"),
            NAMES,
            ROW * place + ROW / 2 + 4,
            clean(member.name, 400),
            shortened(member),
        )
        if member.number in links:
            text = Markup('<a href="{}">{}</a>').format(links[member.number], text)
        yield text


def shortened(member: Member) -> str:
    """Return the end of a model's name, without invisible characters."""
    name = clean(member.name, 400)
    return name if len(name) <= LONGEST else f"…{name[-LONGEST + 1 :]}"


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    return Markup('<line class="{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>').format(
        kind, x1, y1, x2, y2
    )
