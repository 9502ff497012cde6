"""Carries points to any adapter and answers back: in fitting batches, with patience, within budget.

Everything that is sent is noted in the journal before, every answer after. The n-th time that a
point is asked in one audit is served by the n-th answer in the journal, if there is one: so a
killed audit repeats itself without asking, and goes on where it stopped.
"""

import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from auditkit.adapters.base import Adapter
from auditkit.core.access import checked
from auditkit.core.arrays import FloatArray
from auditkit.core.errors import BatchError, BudgetError, QueryError, TransientError
from auditkit.core.points import InputSpec, point_digest
from auditkit.core.requests import Patience
from auditkit.files.journal import Journal, Recorded

Result = TypeVar("Result")


Row = NDArray[Any]


FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10.0
"""Seconds between tries, doubled each time, where the suspect does not say how long to wait."""


class Pace:
    """When the next request may start, for all threads."""

    def __init__(self, rate: float | None) -> None:
        self._gap = 1 / rate if rate else 0.0
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Return when it is this thread's turn."""
        with self._lock:
            start = max(self._next, time.monotonic())
            self._next = start + self._gap
        time.sleep(max(0.0, start - time.monotonic()))

    def pause(self, seconds: float) -> None:
        """Let nobody start for so long."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)


class Courier:
    """One suspect's adapter, asked with patience; itself asked by one thread at a time."""

    def __init__(
        self, adapter: Adapter, spec: InputSpec, patience: Patience, journal: Journal
    ) -> None:
        self._adapter, self._patience, self._journal = adapter, patience, journal
        self._asked_as = json.dumps(asdict(spec), sort_keys=True).encode()
        self._size = adapter.batch
        self._pace = Pace(patience.rate)
        self._turns: Counter[str] = Counter()
        self.digest = adapter.digest
        self.reused: list[str] = []
        """When each answer was given that an earlier audit had asked for; ISO 8601."""

    @property
    def runtime(self) -> Mapping[str, str]:
        """The adapter's."""
        return self._adapter.runtime

    def answer(self, points: FloatArray) -> Row:
        """(b, *spec.shape) float32 -> (b, classes) float32 scores or (b,) int64 labels.

        Raises:
            QueryError: The suspect fails for good, or answers nonsense.
            BudgetError: The budget does not last; what was answered is in the journal.
        """
        keys = [self._key(point) for point in points]
        turns = [self._turn(key) for key in keys]
        missing = [place for place, turn in enumerate(turns) if self._kept(*turn) is None]
        if missing:
            paid_for = missing[: self._affordable()]
            self._fetch([keys[place] for place in paid_for], points[paid_for])
            if len(paid_for) < len(missing):
                raise BudgetError(f"the budget of {self._patience.budget} queries is spent")
        found = [kept for turn in turns if (kept := self._kept(*turn)) is not None]
        self.reused += [kept.at for kept in found if kept.at < self._journal.begun]
        return _stacked([kept.row for kept in found])

    def kept(self, points: FloatArray) -> list[Row | None]:
        """What the journal holds of the last time each point was asked; nothing is sent."""
        keys = [self._key(point) for point in points]
        found = [self._kept(key, self._turns[key] - 1) for key in keys]
        return [None if kept is None else kept.row for kept in found]

    def close(self) -> None:
        """Close the adapter; the journal stays open."""
        self._adapter.close()

    def _key(self, point: FloatArray) -> str:
        text = point_digest(point).encode() + self._asked_as
        return hashlib.sha256(text).hexdigest()

    def _turn(self, key: str) -> tuple[str, int]:
        self._turns[key] += 1
        return key, self._turns[key] - 1

    def _affordable(self) -> int | None:
        """Points that the budget has left: the first ones, not whichever request is quicker."""
        if self._patience.budget is None:
            return None
        return max(0, self._patience.budget - self._journal.spent(self._adapter.identity))

    def _kept(self, key: str, turn: int) -> Recorded | None:
        known = self._journal.answers(self._adapter.identity, key)
        return known[turn] if 0 <= turn < len(known) else None

    def _fetch(self, keys: list[str], points: FloatArray) -> None:
        if not keys:
            return
        starts = range(0, len(keys), self._size)
        parts = [slice(start, start + self._size) for start in starts]
        lanes = min(self._patience.lanes, self._adapter.lanes, len(parts))
        if lanes == 1:
            for part in parts:
                self._send(keys[part], points[part])
            return
        with ThreadPoolExecutor(lanes) as pool:
            jobs = [pool.submit(self._send, keys[part], points[part]) for part in parts]
            try:
                for job in jobs:
                    job.result()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _send(self, keys: Sequence[str], points: FloatArray) -> None:
        """One request; in smaller ones where that is too much at once."""
        if len(points) <= self._size:
            try:
                patiently(lambda: self._once(keys, points), self._patience.longest, self._pace)
            except (BatchError, TransientError) as error:
                if len(points) == 1:
                    raise
                half = len(points) // 2 if isinstance(error, BatchError) else 1
                self._size = min(self._size, half)
            else:
                return
        for start in range(0, len(keys), size := self._size):
            self._send(keys[start : start + size], points[start : start + size])

    def _once(self, keys: Sequence[str], points: FloatArray) -> None:
        endpoint = self._adapter.identity
        self._journal.asked(endpoint, keys, self._patience.budget)
        try:
            rows = checked(self._adapter.answer(points.copy()), len(points))
        except QueryError as error:
            self._journal.failed(endpoint, keys, str(error))
            raise
        self._journal.answered(endpoint, keys, rows)


def patiently(call: Callable[[], Result], longest: float, pace: Pace) -> Result:
    """What the call returns, tried again for so many seconds while it fails for the moment.

    Raises:
        SuspectError: It fails for good; TransientError when the time is over.
    """
    end, pause = time.monotonic() + longest, FIRST_PAUSE
    while True:
        pace.wait()
        try:
            return call()
        except TransientError as error:
            wait = pause if error.after is None else error.after
            if time.monotonic() + wait > end:
                raise TransientError(f"{error} (tried for {longest:.0f} s)", error.after) from error
        pace.pause(wait)
        pause = min(2 * pause, LONGEST_PAUSE)


def _stacked(rows: list[Row]) -> Row:
    shapes = {row.shape for row in rows}
    if len(shapes) > 1:
        raise QueryError(f"the suspect answers now in one form, now in another: {sorted(shapes)}")
    return np.stack(rows)
