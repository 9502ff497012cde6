"""The client of a suspect: it sends batches that fit, retries, and keeps to rate and budget.

Every question is written to the log before it is sent, and every answer after it came. When a point
is asked for the n-th time in one audit, the n-th answer in the log serves it, if there is one: so a
killed audit that is started again asks nothing twice, and continues where it stopped.
"""

import threading
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from auditkit.adapters.base import Adapter, Outputs
from auditkit.core.access import checked
from auditkit.core.arrays import FloatArray, Rows
from auditkit.core.errors import BatchError, BudgetError, QueryError, TransientError
from auditkit.core.escape import first_line
from auditkit.core.points import InputSpec
from auditkit.core.requests import Patience
from auditkit.files.journal import Recorded
from auditkit.suspects.fitting import Fit, arrangements, fits
from auditkit.suspects.log import Key, Log
from auditkit.suspects.patience import Pace, patiently
from auditkit.suspects.readings import Reading, readings


@dataclass(frozen=True, slots=True, eq=False)
class _Question:
    """Points to ask, the names of their answers, and how the points are normalised."""

    keys: list[Key]
    points: FloatArray
    spec: InputSpec

    def part(self, rows: slice | list[int]) -> "_Question":
        """Return the same question about some of the points."""
        places = range(len(self.keys))[rows] if isinstance(rows, slice) else rows
        return _Question([self.keys[i] for i in places], self.points[rows], self.spec)


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
        classes: int | None = None,
        output: str = "",
        reading: Reading | None = None,
    ) -> None:
        """Prepare to ask; nothing is sent yet.

        Args:
            adapter: The suspect.
            spec: Of the points.
            patience: Its limits.
            log: Where questions and answers are kept.
            resize: Whether points may be resized.
            classes: How many the owner knows, to tell which output is meant.
            output: Name of the output to read; empty: all that could be the owner's are found.
            reading: How the outputs are read; None: the first of those that are found.

        Raises:
            SuspectMismatchError: The suspect takes other inputs than points of this spec.
        """
        self.port = adapter.port
        self.sent = 0
        """How many points were sent; failed and repeated ones and those that fill batches count."""
        self.reused: list[str] = []
        """When each answer was given that an earlier audit had asked for; ISO 8601."""
        self._adapter, self._patience, self._log = adapter, patience, log
        self._ways = arrangements(spec, adapter.port, resize=resize)
        self._fit = next(fits(self._ways, adapter.port))
        self._proven = 0  # the largest number of points that were answered at once
        self._pace = Pace(patience.rate)
        self.readings: list[Reading] = [] if reading is None else [reading]
        """What could be answers of the suspect, known once it has answered; the first is read."""
        self.outputs: tuple[str, ...] = ()
        """All outputs that it has, if it has several."""
        self._classes, self._output = classes, output
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
        question = _Question([self._log.key(point, spec) for point in points], points, spec)
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
        return _stacked([one.row for one in found])

    def kept(self, points: FloatArray, spec: InputSpec) -> list[Rows | None]:
        """Return the logged answer of the last time each point was asked; nothing is sent."""
        keys = [self._log.key(point, spec) for point in points]
        found = [self._kept(key, self._turns[key] - 1) for key in keys]
        return [None if one is None else one.row for one in found]

    def close(self) -> None:
        """Close the adapter; the log stays open."""
        self._adapter.close()

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
        return known[turn] if 0 <= turn < len(known) else None

    def _fetch(self, question: _Question) -> None:
        size = self._fit.size
        starts = range(0, len(question.keys), size)
        parts = [question.part(slice(start, start + size)) for start in starts]
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
        """Send one request, or others if the suspect refuses this one as it is."""
        answered = 0
        if len(question.keys) <= self._fit.size:
            try:
                self._patiently(question, self._fit)
            except BudgetError:
                raise
            except QueryError as error:
                if self.port.local and not isinstance(error, TransientError):
                    answered = self._refit(question, error)
                else:
                    self._shrink(len(question.keys), error)
            else:
                return
        for start in range(answered, len(question.keys), size := self._fit.size):
            self._send(question.part(slice(start, start + size)))

    def _shrink(self, count: int, error: QueryError) -> None:
        """Ask fewer than so many points at once from here on.

        Raises:
            QueryError: The given error, if it was about one point or no matter of the size.
        """
        # Some servers answer a batch that is too large with an error of their own (500, a timeout),
        # so what keeps failing is tried in single points before it counts as failed.
        if count == 1 or not isinstance(error, BatchError | TransientError):
            raise error
        size = count // 2 if isinstance(error, BatchError) else 1
        self._fit = replace(self._fit, size=min(self._fit.size, size))

    def _refit(self, question: _Question, first: QueryError) -> int:
        """Find a way in which a suspect of this process takes points after it failed.

        Returns:
            How many of the points it has answered meanwhile.

        Raises:
            QueryError: It answers in none; its words to one point are repeated.
        """
        others = fits(self._ways, self.port)
        if self._proven:  # it is known how points enter it, only not how many
            proven = Fit(self._fit.way, self._proven, filled=True)
            others = chain([proven], fits([self._fit.way], self.port))
        told, tried = first, 0
        for fit in others:
            if fit == self._fit:
                continue
            part = question.part(slice(0, fit.size))
            try:
                self._patiently(part, fit)
            except BudgetError:
                raise
            except QueryError as error:
                # What it says to one point, as the owner takes it, says most about the reason.
                told = error if fit.size == 1 and fit.way == self._ways[0] else told
                tried += 1
            else:
                self._fit = fit
                return len(part.keys)
        more = f"; {tried} other layouts and sizes of batches failed too" if tried else ""
        raise QueryError(f"{told}{more}") from first

    def _patiently(self, question: _Question, fit: Fit) -> None:
        """Send one request, again and again while it fails for the moment."""
        patiently(lambda: self._once(question, fit), self._patience.longest, self._pace)

    def _once(self, question: _Question, fit: Fit) -> None:
        endpoint, count = self.port.identity, len(question.keys)
        batch = fit.way.of(question.spec)(_filled_up(question.points, fit))
        # Noted before it is sent: a request that gets no reply is paid for all the same.
        self._log.asked(endpoint, question.keys, self._patience.budget)
        with self._counting:
            self.sent += max(count, fit.size if fit.filled else 0)  # what fills it up is sent too
        try:
            rows = self._asked(batch, max(count, fit.size if fit.filled else 0))[:count]
        except QueryError as error:
            self._log.failed(endpoint, question.keys, str(error))
            raise
        self._log.answered(endpoint, question.keys, rows)
        self._proven = max(self._proven, count)

    def _asked(self, batch: Rows, count: int) -> Rows:
        """Return the checked reply to a batch of so many points."""
        # Whatever an adapter or a stranger's code raises becomes one line here, for all adapters.
        try:
            reply = self._adapter.answer(batch)
            if isinstance(reply, Mapping):
                return self._read(reply, count)
            return checked(reply, count)
        except QueryError:
            raise
        except (ConnectionError, TimeoutError) as error:
            raise TransientError(_raised(error)) from error
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a suspect that exits must not choose our exit code
            raise QueryError(_raised(error)) from error

    def _read(self, outputs: Outputs, count: int) -> Rows:
        """Return the answers among a reply's outputs."""
        if not self.readings:
            self.outputs = tuple(outputs)
            self.readings = readings(outputs, count, self._classes, self._output)
        return self.readings[0].rows(outputs, count, self._classes)


def _filled_up(points: FloatArray, fit: Fit) -> FloatArray:
    """Repeat the first point until a batch has the size that the suspect fixes."""
    missing = fit.size - len(points) if fit.filled else 0
    return np.concatenate([points, np.repeat(points[:1], max(0, missing), axis=0)])


def _raised(error: BaseException) -> str:
    return f"the suspect raised {type(error).__name__}: {first_line(error)}"


def _stacked(rows: list[Rows]) -> Rows:
    shapes = {row.shape for row in rows}
    if len(shapes) > 1:
        raise QueryError(f"the suspect answers now in one form, now in another: {sorted(shapes)}")
    return np.stack(rows)
