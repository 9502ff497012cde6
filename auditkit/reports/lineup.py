"""The picture of a line-up: the owner and its twins on one axis, by their likeness to a suspect."""

from collections.abc import Iterator

from rich.text import Text

from auditkit.core.verdicts import LineUp, Place

WIDTH = 44
"""Characters of the axis."""


def picture(found: LineUp) -> Iterator[Text]:
    """Yield one axis for each measure, the one on which the owner stands out most first.

    The owner is `O`, a twin is `:`, and several twins in one place are `|`.
    """
    ordered = sorted(found.places, key=lambda place: -place.standing)
    yield Text(f"{'likeness':16} {'less':{WIDTH - 4}}more  deviations", "dim")
    for place in ordered:
        line = Text(f"{place.measure:16} ")
        line.append("".join(_axis(place)))
        line.append(f" {place.standing:+8.1f}")
        yield line
    yield Text(
        f"O the owner, : a twin, | several, of {found.twins}; on the right, how far the owner "
        "stands out",
        "dim",
    )


def _axis(place: Place) -> list[str]:
    low, high = min(place.likeness), max(place.likeness)
    span = max(high - low, 1e-12)
    axis = ["-"] * WIDTH
    owner, *twins = (round((WIDTH - 1) * (one - low) / span) for one in place.likeness)
    for twin in twins:
        axis[twin] = ":" if axis[twin] == "-" else "|"
    axis[owner] = "O"
    return axis
