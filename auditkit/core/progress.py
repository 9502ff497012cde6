"""How long work tells how far it is."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]


def silent(_stage: str, _done: int, _total: int) -> None:
    """The progress report of a library that never prints."""
