"""What a family of hostile suspects is made of."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

Write = Callable[[Path], object]
"""Writes one suspect's file."""


@dataclass(frozen=True, slots=True)
class Hostile:
    """One suspect that nobody should have to open."""

    name: str
    """Its file's name, which ends as its kind does."""
    write: Write
    honest: bool = False
    """Whether a verdict is all right: what is odd about it does no harm."""


def bytes_of(name: str, content: bytes) -> Hostile:
    """A file of these bytes."""
    return Hostile(name, lambda path: path.write_bytes(content))


Family = Callable[[], Iterator[Hostile]]
