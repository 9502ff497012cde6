"""The client of a suspect: it sends batches that fit, retries, and keeps to rate and budget.

Every question is written to the log before it is sent, and every answer after it came. When a point
is asked for the n-th time in one audit, the n-th answer in the log serves it, if there is one: so a
killed audit that is started again asks nothing twice, and continues where it stopped.

What a suspect behind an address replies now and then instead of an answer, such as an error with
status 200, costs that point alone: it is asked again, and then counts as unanswered.
"""

import threading
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from auditkit.adapters.base import Adapter
from auditkit.core.access import checked
from auditkit.core.arrays import FloatArray, Rows
from auditkit.core.errors import (
    BatchError,
    BudgetError,
    QueryError,
    ReplyError,
    TransientError,
)
from auditkit.core.escape import first_line
from auditkit.core.points import InputSpec
from auditkit.core.requests import Patience
from auditkit.files.journal import Recorded
from auditkit.suspects.arrangement import Arrangement, arrange
from auditkit.suspects.log import Key, Log
from auditkit.suspects.patience import FIRST_PAUSE, Pace, patiently

LOST = 10
"""Points one after the other without an answer, after which the suspect counts as failed: what goes
wrong for all of them will go wrong for the rest, and each may cost money."""


@dataclass(frozen=True, slots=True, eq=False)
class _Question:
    """Points to ask, the names of their answers, and how the points enter the suspect."""

    keys: list[Key]
    points: FloatArray
    arrangement: Arrangement

    def part(self, rows: slice | list[int]) -> "_Question":
        """Return the same question about some of the points."""
        places = range(len(self.keys))[rows] if isinstance(rows, slice) else rows
        return _Question([self.keys[i] for i in places], self.points[rows], self.arrangement)


class Client:
    """Asks one opened suspect. Its own methods are called by one thread at a time."""

    def __init__(
        self,
        adapter: Adapter,
        spec: InputSpec,
        patience: Patience,
        log: Log,
        *,
        resize: bool = False,
    ) -> None:
        """Prepare to ask; nothing is sent yet.

        Raises:
            SuspectMismatchError: The suspect takes other inputs than points of this spec.
        """
        self.port = adapter.port
        self.sent = 0
        """How many points were sent; failed and repeated ones and those that fill batches count."""
        self.reused: list[str] = []
        """When each answer was given that an earlier audit had asked for; ISO 8601."""
        self.lost: list[str] = []
        """Why points that were asked got no answer, one entry for each."""
        self._lost_in_turn = 0
        self._blank: Rows | None = None
        self._adapter, self._patience, self._log, self._resize = adapter, patience, log, resize
        self._arrangements = {spec: arrange(spec, adapter.port, resize=resize)}
        self._size = _at_once(adapter, spec)
        self._pace = Pace(patience.rate)
        self._turns: Counter[Key] = Counter()
        self._counting = threading.Lock()

    @property
    def runtime(self) -> Mapping[str, str]:
        """The adapter's account of what ran where, for the report."""
        return self._adapter.runtime

    def answer(self, points: FloatArray, spec: InputSpec) -> Rows:
        """Ask about points, and return (b, classes) float32 scores or (b,) int64 labels.

        Args:
            points: (b, *spec.shape) float32 in the spec's bounds.
            spec: With the normalisation that the suspect is asked with.

        Raises:
            QueryError: The suspect fails for good, or answers nonsense.
            BudgetError: The budget does not last; what was answered is in the log.
            SuspectMismatchError: It takes other inputs than these.
        """
        question = self._question(points, spec)
        # A point that is asked again on purpose must be sent again, so each time counts for itself.
        turns = [self._turn(key) for key in question.keys]
        places = range(len(turns))
        missing = [
            place for place in places if self._kept(question.keys[place], turns[place]) is None
        ]
        if missing:
            affordable = missing[: self._affordable()]
            if affordable:
                self._fetch(question.part(affordable))
            if len(affordable) < len(missing):
                raise BudgetError(f"the budget of {self._patience.budget} queries is spent")
        kept = [self._kept(key, turn) for key, turn in zip(question.keys, turns, strict=True)]
        found = [one for one in kept if one is not None]
        self.reused += [one.at for one in found if one.at < self._log.begun]
        return _stacked([self._unanswered() if one is None else one.row for one in kept])

    def kept(self, points: FloatArray, spec: InputSpec) -> list[Rows | None]:
        """Return the logged answer of the last time each point was asked; nothing is sent."""
        keys = [self._log.key(point, spec) for point in points]
        found = [self._kept(key, self._turns[key] - 1) for key in keys]
        return [None if one is None else one.row for one in found]

    def close(self) -> None:
        """Close the adapter; the log stays open."""
        self._adapter.close()

    def _question(self, points: FloatArray, spec: InputSpec) -> _Question:
        if spec not in self._arrangements:
            self._arrangements[spec] = arrange(spec, self.port, resize=self._resize)
        keys = [self._log.key(point, spec) for point in points]
        return _Question(keys, points, self._arrangements[spec])

    def _turn(self, key: Key) -> int:
        self._turns[key] += 1
        return self._turns[key] - 1

    def _affordable(self) -> int | None:
        """Return how many points the budget has left; None: any number."""
        if self._patience.budget is None:
            return None
        return max(0, self._patience.budget - self._log.spent(self.port.identity))

    def _kept(self, key: Key, turn: int) -> Recorded | None:
        known = self._log.answers(self.port.identity, key)
        if not 0 <= turn < len(known):
            return None
        if self._blank is None:
            self._blank = _blank(known[turn].row)
        return known[turn]

    def _unanswered(self) -> Rows:
        """Return the row of a point without an answer, in the form of the suspect's answers."""
        return np.array(-1) if self._blank is None else self._blank

    def _fetch(self, question: _Question) -> None:
        starts = range(0, len(question.keys), self._size)
        parts = [question.part(slice(start, start + self._size)) for start in starts]
        # The first alone: what is wrong with a description shows in the first reply, and every
        # request may cost money.
        if self._blank is None and len(parts) > 1:
            self._send(parts.pop(0))
        # More threads than requests would only start and end.
        threads = min(self._patience.lanes, self.port.concurrency, len(parts))
        if threads == 1:
            for part in parts:
                self._send(part)
            return
        with ThreadPoolExecutor(threads) as pool:
            jobs = [pool.submit(self._send, part) for part in parts]
            # After the first failure nothing more is sent: every request may cost money.
            try:
                for job in jobs:
                    job.result()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _send(self, question: _Question) -> None:
        """Send one request, or smaller ones if the suspect refuses so many points at once."""
        if len(question.keys) <= self._size:
            try:
                self._heard(question)
            # Some servers answer a batch that is too large with an error of their own (500, a
            # timeout), so what keeps failing is tried in single points before it counts as failed.
            except (BatchError, TransientError, ReplyError) as error:
                if len(question.keys) == 1:
                    self._lose(question, error)
                    return
                half = len(question.keys) // 2 if isinstance(error, BatchError) else 1
                self._size = min(self._size, half)
            else:
                return
        for start in range(0, len(question.keys), size := self._size):
            self._send(question.part(slice(start, start + size)))

    def _heard(self, question: _Question) -> None:
        """Send one request until a reply holds answers, at most `Patience.tries` times."""
        tries = (
            self._patience.tries if self.port.digest is None else 1
        )  # a file would say the same again
        for left in reversed(range(tries)):
            try:
                patiently(lambda: self._once(question), self._patience.longest, self._pace)
            except ReplyError as error:
                if not left or error.final:
                    raise
                self._pace.pause(FIRST_PAUSE)
            else:
                return

    def _lose(self, question: _Question, error: QueryError) -> None:
        """Go on without the answer to one point, if it is the point that gets none.

        Raises:
            QueryError: The error: nothing was ever answered, or too many points in turn were not.
        """
        is_point = isinstance(error, ReplyError) and self.port.digest is None
        with self._counting:
            self._lost_in_turn += 1
            if not is_point or self._blank is None or self._lost_in_turn >= LOST:
                raise error
            self.lost.append(str(error))
        if isinstance(error, ReplyError) and error.final:
            self._log.answered(self.port.identity, question.keys, self._blank[None])

    def _once(self, question: _Question) -> None:
        endpoint, count = self.port.identity, len(question.keys)
        # Noted before it is sent: a request that gets no reply is paid for all the same.
        self._log.asked(endpoint, question.keys, self._patience.budget)
        with self._counting:
            self.sent += max(count, self.port.batch or 0)  # what fills a batch up is sent as well
        try:
            rows = self._asked(question.arrangement(question.points))
        except QueryError as error:
            self._log.failed(endpoint, question.keys, str(error))
            raise
        self._log.answered(endpoint, question.keys, rows)
        with self._counting:
            self._blank, self._lost_in_turn = _blank(rows[0]), 0

    def _asked(self, batch: Rows) -> Rows:
        """Return the checked reply to a batch, filled up to the size that the suspect fixes."""
        count, fixed = len(batch), self.port.batch or len(batch)
        if fixed > count:
            batch = np.concatenate([batch, np.repeat(batch[:1], fixed - count, axis=0)])
        # Whatever an adapter or a stranger's code raises becomes one line here, for all adapters.
        try:
            return checked(self._adapter.answer(batch), len(batch))[:count]
        except QueryError:
            raise
        except (ConnectionError, TimeoutError) as error:
            raise TransientError(_raised(error)) from error
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a suspect that exits must not choose our exit code
            raise QueryError(_raised(error)) from error


def _at_once(adapter: Adapter, spec: InputSpec) -> int:
    port = adapter.port
    if port.batch is not None:
        return port.batch
    size = 4 * int(np.prod(spec.shape))
    limit = port.at_once if port.largest_request is None else port.largest_request // size
    return max(1, min(port.at_once, limit))


def _blank(row: Rows) -> Rows:
    """Return a row of the same form that is no answer."""
    return np.full_like(row, np.nan) if row.ndim else np.array(-1)


def _raised(error: BaseException) -> str:
    return f"the suspect raised {type(error).__name__}: {first_line(error)}"


def _stacked(rows: list[Rows]) -> Rows:
    shapes = {row.shape for row in rows}
    if len(shapes) > 1:
        raise QueryError(f"the suspect answers now in one form, now in another: {sorted(shapes)}")
    return np.stack(rows)
