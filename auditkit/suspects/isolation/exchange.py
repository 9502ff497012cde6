"""Questions to a worker and its replies, as the auditor sees them.

Whatever goes wrong becomes one of auditkit's errors here: a worker that crashes, hangs, or says
what is no reply, and errors that it tells of.
"""

import itertools
import threading
import time
from concurrent.futures import CancelledError, Future
from typing import NoReturn

from auditkit.core import errors
from auditkit.core.arrays import JsonObject
from auditkit.core.errors import (
    AuditkitError,
    CrashError,
    QueryError,
    ReplyError,
    TimeLimitError,
    TransientError,
)
from auditkit.suspects.isolation.channel import Frame, FrameError
from auditkit.suspects.isolation.forks import Worker

LAST_WORDS = 2.0
"""Seconds in which a worker that has gone must be seen to have ended."""


class Exchange:
    """Asks a worker, several questions at once if the suspect takes them."""

    def __init__(
        self, worker: Worker, seconds: float | None, name: str = "", place: str = ""
    ) -> None:
        """Take over a worker.

        Args:
            worker: Whom to ask.
            seconds: How long all replies may take together; None: any time.
            name: The suspect's name as the user wrote it.
            place: The same as the worker knows it; messages are told with the name.
        """
        self._worker, self._seconds = worker, seconds
        self._started = time.monotonic()
        self._name, self._place = name, place
        self._numbers = itertools.count()
        self._sending = threading.Lock()
        self._waiting: dict[int, Future[Frame]] = {}
        self._failed: Exception | None = None
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def ask(self, question: Frame) -> Frame:
        """Send a question and return its reply.

        Raises:
            CrashError: The worker ended, or sent what is no reply.
            TimeLimitError: It did not reply in time; it is ended then.
            AuditkitError, MemoryError: What the worker says went wrong.
        """
        number, reply = next(self._numbers), Future[Frame]()
        try:
            with self._sending:
                if self._failed is not None:
                    raise self._failed
                self._waiting[number] = reply
                head = {**question.head, "number": number}
                self._worker.channel.send(Frame(head, question.arrays), self._left())
            found = reply.result(self._left())
        except TimeoutError as error:
            self._failed = TimeLimitError(
                f"it was not done within {self._seconds:g} seconds; --suspect-seconds gives it more"
            )
            self._worker.kill()
            raise self._failed from error
        except (OSError, CancelledError) as error:
            self._listener.join()
            raise (self._failed or CrashError("its process ended")) from error
        if "error" in found.head:
            told = str(found.head.get("message"))
            told = told.replace(self._place, self._name) if self._place else told
            _raise(found.head, told)
        return found

    def renew(self) -> None:
        """Count the time that all replies may take from now."""
        self._started = time.monotonic()

    def _left(self) -> float | None:
        if self._seconds is None:
            return None
        return max(self._started + self._seconds - time.monotonic(), 0.0)

    def close(self) -> None:
        """End the worker; a second call does nothing."""
        self._worker.kill()
        self._listener.join()  # it reads from the pipes until they end
        self._worker.close()

    def _listen(self) -> None:
        try:
            while True:
                found = self._worker.channel.receive()
                self._waiting.pop(found.head["number"]).set_result(found)
        except (FrameError, KeyError, TypeError, ValueError, MemoryError):
            self._failed = CrashError("its process sent what is no reply")
            self._worker.kill()
        except (EOFError, OSError):
            pass
        with self._sending:
            ended = CrashError(_ending(self._worker.status(LAST_WORDS)))
            self._failed = self._failed or ended
            for reply in self._waiting.values():
                reply.cancel()


def _ending(status: int | None) -> str:
    if status is None:
        return "its process stopped answering"
    if status < 0:
        return f"its process crashed (signal {-status})"
    return f"it ended its own process (exit code {status})"


def _raise(told: JsonObject, message: str) -> NoReturn:
    """Raise the error that a worker tells of."""
    name = str(told["error"])
    kind = getattr(errors, name, None)
    if name == "MemoryError":
        raise MemoryError
    if kind is TransientError:
        after = told.get("after")
        raise TransientError(message, after if isinstance(after, float) else None)
    if kind is ReplyError:
        raise ReplyError(message, final=told.get("final") is True)
    if isinstance(kind, type) and issubclass(kind, AuditkitError):
        raise kind(message)
    raise QueryError(f"the suspect raised {name}: {message}")
