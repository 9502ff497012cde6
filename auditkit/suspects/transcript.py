"""A log that also keeps everything that passes through it, in the order of time, for evidence."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from auditkit.core.arrays import FloatArray, Rows
from auditkit.core.evidence import Heard
from auditkit.core.points import InputSpec, point_digest
from auditkit.files.journal import ANSWERED, ASKED, FAILED, Recorded
from auditkit.suspects.log import Key, Log

KEPT = "kept"


class Transcript:
    """Stands before another log; threads may use it at the same time."""

    def __init__(self, log: Log) -> None:
        self._log, self.begun = log, log.begun
        self._lock = threading.Lock()
        self._digests: dict[Key, str] = {}
        self._heard: list[Heard] = []
        self._reused: set[tuple[str, Key, int]] = set()

    @property
    def heard(self) -> tuple[Heard, ...]:
        """Everything that passed through, in the order of time."""
        return tuple(self._heard)

    def key(self, point: FloatArray, spec: InputSpec) -> Key:
        """See `Log.key`."""
        key = self._log.key(point, spec)
        if key not in self._digests:
            self._digests[key] = point_digest(point)
        return key

    def spent(self, endpoint: str) -> int:
        """See `Log.spent`."""
        return self._log.spent(endpoint)

    def answers(self, endpoint: str, key: Key) -> Sequence[Recorded]:
        """See `Log.answers`; those of an earlier audit are kept, each once."""
        found = self._log.answers(endpoint, key)
        for turn, one in enumerate(found):
            if one.at < self.begun and (endpoint, key, turn) not in self._reused:
                self._reused.add((endpoint, key, turn))
                points = (self._digests[key],)
                self._keep(Heard(KEPT, _output(endpoint), one.at, points, one.row[None]))
        return found

    def endpoints(self) -> Sequence[str]:
        """See `Log.endpoints`."""
        return self._log.endpoints()

    def asked(self, endpoint: str, keys: Sequence[Key], budget: int | None) -> None:
        """See `Log.asked`."""
        self._log.asked(endpoint, keys, budget)
        self._keep(Heard(ASKED, "", _now(), self._points(keys)))

    def answered(self, endpoint: str, keys: Sequence[Key], rows: Rows) -> None:
        """See `Log.answered`."""
        self._log.answered(endpoint, keys, rows)
        # A copy: whoever gave the rows may use the memory again.
        self._keep(Heard(ANSWERED, _output(endpoint), _now(), self._points(keys), np.array(rows)))

    def failed(self, endpoint: str, keys: Sequence[Key], why: str) -> None:
        """See `Log.failed`."""
        self._log.failed(endpoint, keys, why)
        self._keep(Heard(FAILED, "", _now(), self._points(keys), why=why[:200]))

    def _points(self, keys: Sequence[Key]) -> tuple[str, ...]:
        return tuple(self._digests[key] for key in keys)

    def _keep(self, one: Heard) -> None:
        with self._lock:
            self._heard.append(one)


def _output(place: str) -> str:
    """Return the outputs that a place in a log is of (`Reading.place`), without the address."""
    return place.partition(" output ")[2]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
