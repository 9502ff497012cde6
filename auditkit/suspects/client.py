"""The client of a suspect: it sends batches that fit, retries, and keeps to rate and budget.

Every question is written to the log before it is sent, and every answer after it came. When a point
is asked for the n-th time in one audit, the n-th answer in the log serves it, if there is one: so a
killed audit that is started again asks nothing twice, and continues where it stopped.

What a suspect behind an address replies now and then instead of an answer, such as an error with
status 200, costs that point alone: it is asked again, and then counts as unanswered.
"""

from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import chain

import numpy as np

from auditkit.adapters.base import Adapter
from auditkit.core.arrays import FloatArray, Rows
from auditkit.core.errors import (
    BatchError,
    BudgetError,
    QueryError,
    ReplyError,
    TransientError,
)
from auditkit.core.points import InputSpec
from auditkit.core.requests import Patience
from auditkit.files.journal import Recorded
from auditkit.suspects.fitting import Fit, arrangements, fits
from auditkit.suspects.log import Key, Log
from auditkit.suspects.readings import Reading
from auditkit.suspects.sending import Question, Sender, blank_like

LOST = 10
"""Points one after the other without an answer, after which the suspect counts as failed: what goes
wrong for all of them will go wrong for the rest, and each may cost money."""


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
        self.reused: list[str] = []
        """When each answer was given that an earlier audit had asked for; ISO 8601."""
        self.lost: list[str] = []
        """Why points that were asked got no answer, one entry for each."""
        self._adapter, self._patience, self._log = adapter, patience, log
        self._ways = arrangements(spec, adapter.port, resize=resize)
        self._fit = next(fits(self._ways, adapter.port))
        self._sender = Sender(adapter, patience, log, classes, output, reading)
        self._turns: Counter[Key] = Counter()

    @property
    def sent(self) -> int:
        """How many points were sent; failed and repeated ones and those that fill batches count."""
        return self._sender.sent

    @property
    def readings(self) -> list[Reading]:
        """What could be answers of the suspect, known once it has answered; the first is read."""
        if self._sender.readings:
            return self._sender.readings
        # All answers were in the log: it tells by which readings.
        known = (Reading.placed(one, self.port.identity) for one in self._log.endpoints())
        return [one for one in known if one is not None]

    @property
    def outputs(self) -> tuple[str, ...]:
        """All outputs that it has, if it has several."""
        return self._sender.outputs

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
        question = Question([self._log.key(point, spec) for point in points], points, spec)
        # A point that is asked again on purpose must be sent again, so each time counts for itself.
        turns = [self._turn(key) for key in question.keys]
        places = range(len(turns))
        missing = [
            place for place in places if self._kept(question.keys[place], turns[place]) is None
        ]
        if missing:
            affordable = missing[: self._affordable()]
            if affordable:
                is_all = len(affordable) == len(turns)
                self._fetch(question if is_all else question.part(affordable))
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

    def _turn(self, key: Key) -> int:
        self._turns[key] += 1
        return self._turns[key] - 1

    def _affordable(self) -> int | None:
        """Return how many points the budget has left; None: any number."""
        if self._patience.budget is None:
            return None
        return max(0, self._patience.budget - self._log.spent(self.port.identity))

    def _kept(self, key: Key, turn: int) -> Recorded | None:
        known = self._log.answers(self._sender.place, key)
        if not 0 <= turn < len(known):
            return None
        if self._sender.blank is None:
            self._sender.blank = blank_like(known[turn].row)
        return known[turn]

    def _unanswered(self) -> Rows:
        """Return the row of a point without an answer, in the form of the suspect's answers."""
        return np.array(-1) if self._sender.blank is None else self._sender.blank

    def _fetch(self, question: Question) -> None:
        size = self._fit.size
        starts = range(0, len(question.keys), size)
        parts = [question.part(slice(start, start + size)) for start in starts]
        # The first alone: what is wrong with a description shows in the first reply, and every
        # request may cost money.
        if self._sender.blank is None and len(parts) > 1:
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

    def _send(self, question: Question) -> None:
        """Send one request, or others if the suspect refuses this one as it is."""
        answered = 0
        if len(question.keys) <= self._fit.size:
            try:
                self._sender.heard(question, self._fit)
            except BudgetError:
                raise
            except QueryError as error:
                if self.port.local and not isinstance(error, TransientError):
                    answered = self._refit(question, error)
                elif len(question.keys) == 1:
                    self._lose(question, error)
                    return
                else:
                    self._shrink(len(question.keys), error)
            else:
                return
        for start in range(answered, len(question.keys), size := self._fit.size):
            self._send(question.part(slice(start, start + size)))

    def _lose(self, question: Question, error: QueryError) -> None:
        """Go on without the answer to one point, if it is the point that gets none.

        Raises:
            QueryError: The error: nothing was ever answered, or too many points in turn were not.
        """
        is_point = isinstance(error, ReplyError) and self.port.digest is None
        with self._sender.counting:
            self._sender.lost_in_turn += 1
            if not is_point or self._sender.blank is None or self._sender.lost_in_turn >= LOST:
                raise error
            self.lost.append(str(error))
        if isinstance(error, ReplyError) and error.final:
            self._log.answered(self._sender.place, question.keys, self._sender.blank[None])

    def _shrink(self, count: int, error: QueryError) -> None:
        """Ask fewer than so many points at once from here on.

        Raises:
            QueryError: The given error, if it is no matter of the size.
        """
        # Some servers answer a batch that is too large with an error of their own (500, a timeout),
        # so what keeps failing is tried in single points before it counts as failed.
        if not isinstance(error, BatchError | TransientError | ReplyError):
            raise error
        size = count // 2 if isinstance(error, BatchError) else 1
        self._fit = replace(self._fit, size=min(self._fit.size, size))

    def _refit(self, question: Question, first: QueryError) -> int:
        """Find a way in which a suspect of this process takes points after it failed.

        Returns:
            How many of the points it has answered meanwhile.

        Raises:
            QueryError: It answers in none; its words to one point are repeated.
        """
        others = fits(self._ways, self.port)
        if self._sender.proven:  # it is known how points enter it, only not how many
            proven = Fit(self._fit.way, self._sender.proven, filled=True)
            others = chain([proven], fits([self._fit.way], self.port))
        told, tried = first, 0
        for fit in others:
            if fit == self._fit:
                continue
            part = question.part(slice(0, fit.size))
            try:
                self._sender.patiently(part, fit)
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


def _stacked(rows: list[Rows]) -> Rows:
    shapes = {row.shape for row in rows}
    if len(shapes) > 1:
        raise QueryError(f"the suspect answers now in one form, now in another: {sorted(shapes)}")
    return np.stack(rows)
