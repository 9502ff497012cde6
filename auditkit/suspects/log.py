"""What a log of questions and answers is, and the one that is kept in memory."""

from collections.abc import Hashable, Sequence
from typing import Protocol

from auditkit.core.arrays import FloatArray, Rows
from auditkit.core.errors import BudgetError
from auditkit.core.points import InputSpec
from auditkit.files.journal import Recorded

Key = Hashable
"""The name under which the answer to a point is kept."""


class Log(Protocol):
    """A record of what was asked and answered: a `Journal` on disk, or a `Memory`."""

    begun: str
    """ISO 8601; what was answered before is an earlier audit's."""

    def key(self, point: FloatArray, spec: InputSpec) -> Key:
        """Return the name under which the answer to a point with this normalisation is kept."""

    def spent(self, endpoint: str) -> int:
        """Return how many points were ever sent to this endpoint, answered or not."""

    def answers(self, endpoint: str, key: Key) -> Sequence[Recorded]:
        """Return the endpoint's answers to a point, one for each time it was asked."""

    def endpoints(self) -> Sequence[str]:
        """Return every name under which answers are kept, in the order of the first answer."""

    def asked(self, endpoint: str, keys: Sequence[Key], budget: int | None) -> None:
        """Note that these points are about to be sent.

        Raises:
            BudgetError: That would be more than the budget.
        """

    def answered(self, endpoint: str, keys: Sequence[Key], rows: Rows) -> None:
        """Keep the answers."""

    def failed(self, endpoint: str, keys: Sequence[Key], why: str) -> None:
        """Note that these points were sent and not answered."""


class Memory:
    """A log in memory: a file can be asked anew at no cost, so nothing is written for it."""

    def __init__(self) -> None:
        self.begun = ""
        self._spent = 0
        self._answers: dict[str, dict[Key, list[Recorded]]] = {}
        self._specs: list[InputSpec] = []

    def key(self, point: FloatArray, spec: InputSpec) -> Key:
        """See `Log.key`."""
        known = [number for number, one in enumerate(self._specs) if one is spec]
        if not known:  # a spec of table rows holds thousands of bounds, too many to hash each time
            self._specs.append(spec)
        # Points themselves would take more memory than everything else about a suspect. Their hash
        # is of 64 bits and seeded anew in every process.
        return hash(point.tobytes()), known[0] if known else len(self._specs) - 1

    def spent(self, _endpoint: str) -> int:
        """See `Log.spent`."""
        return self._spent

    def answers(self, endpoint: str, key: Key) -> Sequence[Recorded]:
        """See `Log.answers`."""
        return self._answers.get(endpoint, {}).get(key, ())

    def endpoints(self) -> Sequence[str]:
        """See `Log.endpoints`."""
        return tuple(self._answers)

    def asked(self, _endpoint: str, keys: Sequence[Key], budget: int | None) -> None:
        """See `Log.asked`."""
        if budget is not None and self._spent + len(keys) > budget:
            raise BudgetError(f"the budget of {budget} queries is spent")
        self._spent += len(keys)

    def answered(self, endpoint: str, keys: Sequence[Key], rows: Rows) -> None:
        """See `Log.answered`."""
        kept = self._answers.setdefault(endpoint, {})
        for key, row in zip(keys, rows, strict=True):
            kept.setdefault(key, []).append(Recorded(row, ""))

    def failed(self, _endpoint: str, _keys: Sequence[Key], _why: str) -> None:
        """See `Log.failed`."""
