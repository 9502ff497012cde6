"""Sends requests to an opened suspect: one at a time, retried, checked, written to the log."""

import contextlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from auditkit.adapters.base import Adapter, Outputs
from auditkit.core.access import checked
from auditkit.core.arrays import FloatArray, Rows
from auditkit.core.errors import QueryError, ReplyError, SuspectError, TransientError
from auditkit.core.escape import first_line
from auditkit.core.points import InputSpec
from auditkit.core.requests import Patience
from auditkit.suspects.fitting import Fit
from auditkit.suspects.log import Key, Log
from auditkit.suspects.patience import FIRST_PAUSE, NOBODY_PATIENCE, Pace, patiently
from auditkit.suspects.readings import MOST_READ, Reading, readings


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """Points to ask, the names of their answers, and how the points are normalised."""

    keys: list[Key]
    points: FloatArray
    spec: InputSpec

    def part(self, rows: slice | list[int]) -> "Question":
        """Return the same question about some of the points."""
        places = range(len(self.keys))[rows] if isinstance(rows, slice) else rows
        return Question([self.keys[i] for i in places], self.points[rows], self.spec)


class Sender:
    """Sends requests; several threads may do so at once."""

    def __init__(
        self,
        adapter: Adapter,
        patience: Patience,
        log: Log,
        classes: int | None,
        output: str,
        reading: Reading | None,
    ) -> None:
        """Prepare to send; the arguments are those of `Client`."""
        self.sent = 0
        """How many points were sent; failed and repeated ones and those that fill batches count."""
        self.readings: list[Reading] = [] if reading is None else [reading]
        """What could be answers of the suspect, known once it has answered; the first is read."""
        self.outputs: tuple[str, ...] = ()
        """All outputs that it has, if it has several."""
        self.proven = 0
        """The largest number of points that were answered at once."""
        self.lost_in_turn = 0
        """How many points in turn got no answer."""
        self.blank: Rows | None = None
        """A row of the suspect's form that is no answer; None until it has answered."""
        self.counting = threading.Lock()
        self._adapter, self._patience, self._log = adapter, patience, log
        self._port, self._pace = adapter.port, Pace(patience.rate)
        self._classes, self._output = classes, output
        self._reading = reading

    @property
    def place(self) -> str:
        """The name under which the log keeps the answers."""
        identity = self._port.identity
        return identity if self._reading is None else self._reading.place(identity)

    def heard(self, question: Question, fit: Fit) -> None:
        """Send one request until a reply holds answers, at most `Patience.tries` times."""
        # A file would say the same again.
        tries = self._patience.tries if self._port.digest is None else 1
        for left in reversed(range(tries)):
            try:
                self.patiently(question, fit)
            except ReplyError as error:
                if not left or error.final:
                    raise
                self._pace.pause(FIRST_PAUSE)
            else:
                return

    def patiently(self, question: Question, fit: Fit) -> None:
        """Send one request, again and again while it fails for the moment."""
        # Who was never there is not waited for: the address is wrong, or the server is not running.
        nobody = None if self.proven else min(NOBODY_PATIENCE, self._patience.longest)
        patiently(lambda: self._once(question, fit), self._patience.longest, self._pace, nobody)

    def _once(self, question: Question, fit: Fit) -> None:
        endpoint, count = self._port.identity, len(question.keys)
        batch = fit.way.of(question.spec)(_filled_up(question.points, fit))
        # Noted before it is sent: a request that gets no reply is paid for all the same.
        self._log.asked(endpoint, question.keys, self._patience.budget)
        with self.counting:
            self.sent += max(count, fit.size if fit.filled else 0)  # what fills it up is sent too
        try:
            reply = self._asked(batch, max(count, fit.size if fit.filled else 0))
        except QueryError as error:
            self._log.failed(endpoint, question.keys, str(error))
            raise
        rows = reply.rows[:count]
        self._log.answered(self.place, question.keys, rows)
        for place, others in reply.besides.items():
            self._log.answered(place, question.keys, others[:count])
        with self.counting:
            self.proven = max(self.proven, count)
            self.blank, self.lost_in_turn = blank_like(rows[0]), 0

    def _asked(self, batch: Rows, count: int) -> "_Reply":
        """Return the checked reply to a batch of so many points."""
        # Whatever an adapter or a stranger's code raises becomes one line here, for all adapters.
        try:
            reply = self._adapter.answer(batch)
            if isinstance(reply, Mapping):
                return self._read(reply, count)
            return _Reply(checked(reply, count), {})
        except SuspectError:
            raise
        except (ConnectionError, TimeoutError) as error:
            raise TransientError(_raised(error)) from error
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a suspect that exits must not choose our exit code
            raise QueryError(_raised(error)) from error

    def _read(self, outputs: Outputs, count: int) -> "_Reply":
        """Return the answers among a reply's outputs."""
        if not self.readings:
            self.outputs = tuple(outputs)
            self.readings = readings(outputs, count, self._classes, self._output)
        first, *others = self.readings
        besides = {}
        # One reply holds what each reading wants, so that no point is asked, and paid for, again.
        for one in (first, *others[: MOST_READ - 1]) if others else ():
            # A reading that fails now and then asks these points itself.
            with contextlib.suppress(QueryError):
                besides[one.place(self._port.identity)] = one.rows(outputs, count, self._classes)
        return _Reply(first.rows(outputs, count, self._classes), besides)


@dataclass(frozen=True, slots=True, eq=False)
class _Reply:
    """What one reply says."""

    rows: Rows
    """By the first reading."""
    besides: Mapping[str, Rows]
    """By each reading, where there are several; by their places in the log."""


def _filled_up(points: FloatArray, fit: Fit) -> FloatArray:
    """Repeat the first point until a batch has the size that the suspect fixes."""
    missing = fit.size - len(points) if fit.filled else 0
    return np.concatenate([points, np.repeat(points[:1], max(0, missing), axis=0)])


def blank_like(row: Rows) -> Rows:
    """Return a row of the same form that is no answer."""
    return np.full_like(row, np.nan) if row.ndim else np.array(-1)


def _raised(error: BaseException) -> str:
    return f"the suspect raised {type(error).__name__}: {first_line(error)}"
