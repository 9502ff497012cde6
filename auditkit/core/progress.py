"""How long-running work reports its progress."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with the name of a stage, how much of it is done, and how much there is in all."""


def silent(_stage: str, _done: int, _total: int) -> None:
    """Ignore progress: the library itself never prints."""
