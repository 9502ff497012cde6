"""Where the suspects of a scan come from: arguments that are looked up once, or again and again."""

import time
from collections.abc import Sequence
from typing import Protocol

from auditkit.core.errors import FleetError
from auditkit.fleet.finding import found
from auditkit.fleet.identity import Stamp, stamp_of


class Source(Protocol):
    """Names suspects."""

    def new(self) -> Sequence[str]:
        """Return those that were not named yet, or have changed since."""

    @property
    def ends(self) -> bool:
        """Whether nothing more will come."""


class Once:
    """Suspects that are known."""

    ends = True

    def __init__(self, suspects: Sequence[str]) -> None:
        self._left = list(suspects)

    def new(self) -> Sequence[str]:
        """See `Source.new`."""
        left, self._left = self._left, []
        return left


class Watched:
    """Suspects that arguments name now and later. A file is named once it has stopped changing."""

    ends = False

    def __init__(self, arguments: Sequence[str], seconds: float) -> None:
        """Watch.

        Args:
            arguments: Files, folders, patterns, addresses and lists, as `found` takes them.
            seconds: Pause between two looks; a file has stopped changing if it is the same in two.
        """
        self._arguments, self._seconds = arguments, seconds
        self._due = 0.0
        self._seen: dict[str, Stamp | None] = {}
        self._named: dict[str, Stamp | None] = {}

    def new(self) -> Sequence[str]:
        """See `Source.new`."""
        if time.monotonic() < self._due:
            return []
        self._due = time.monotonic() + self._seconds
        stamps = {name: stamp_of(name) for name in self._there()}
        steady = [
            name
            for name, stamp in stamps.items()
            if (name in self._seen and self._seen[name] == stamp) or stamp is None
        ]
        self._seen = stamps
        fresh = [one for one in steady if one not in self._named or self._named[one] != stamps[one]]
        self._named.update((one, stamps[one]) for one in fresh)
        return fresh

    def _there(self) -> list[str]:
        names: dict[str, None] = {}
        for argument in self._arguments:
            try:
                names.update(dict.fromkeys(found([argument]).suspects))
            except FleetError:
                continue  # a pattern that nothing fits yet, or a list that is being written
        return list(names)
