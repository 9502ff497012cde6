"""One interview: a suspect is asked in the sheet's order, in its preprocessing, some points twice.

Nothing here judges answers; the caller decides when enough was asked.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from auditkit.adapters.base import Values
from auditkit.core.access import Access, access_of
from auditkit.core.answers import Answers, answers_of, joined
from auditkit.core.arrays import FloatArray, IntArray, Rows
from auditkit.core.errors import BudgetError, QueryError, SuspectMismatchError
from auditkit.core.evidence import Evidence
from auditkit.core.models import SuspectRecord
from auditkit.core.points import CONTROL
from auditkit.core.progress import Progress, silent
from auditkit.files.bundle import Bundle
from auditkit.suspects.class_matching import Matching, matching
from auditkit.suspects.client import Client
from auditkit.suspects.preprocessing import (
    BETTER,
    KNOWN,
    RECOGNISED,
    REORDERED,
    Preprocessing,
    class_order,
    class_order_told,
    preprocessings,
    recognised,
)
from auditkit.suspects.repeats import Twice, label_of, unsteady

BATCH = 100
"""Points between two reports of progress."""
TRIED = 30
"""Controls that are asked in each of the usual ways; the others only in those that may fit."""
OPENING = 5
"""Controls that a sequential audit asks first, to see whether the suspect knows the task at all."""
REPEATED = 5
"""Points that are asked twice. A suspect that answers at random gives itself away by them; each
costs a query, so there are few."""
WATCH = 25
"""A suspect without a digest (an API) is asked one earlier point again after every 25 new ones, so
that a model that is swapped meanwhile is noticed."""


@dataclass(frozen=True, slots=True, eq=False)
class _Tried:
    """A preprocessing, what the suspect says to controls in it, and the share that it knows."""

    way: Preprocessing
    said: dict[int, Rows]
    share: float
    """Of those controls, 0..1; 0 if it fails to answer."""


class Interview:
    """One opened suspect and everything it has said so far. Only `repeat` asks anything twice."""

    def __init__(
        self, bundle: Bundle, client: Client, record: SuspectRecord, access: Access
    ) -> None:
        self._bundle, self._client, self._record = bundle, client, record
        self._sheet = bundle.fingerprint.sheet
        self._way = Preprocessing("as the owner takes them", bundle.fingerprint.spec)
        self._wanted = access
        self._said: dict[int, Rows] = {}
        self._again: dict[int, Rows] = {}
        self._why: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self._sheet)

    @property
    def is_file(self) -> bool:
        """Whether the suspect is a file, whose answers cost nothing."""
        return self._client.port.digest is not None

    @property
    def controls(self) -> list[int]:
        """Rows of the natural controls, in the order of asking."""
        return np.flatnonzero(self._sheet.rows(CONTROL)).tolist()

    def ask(self, rows: Iterable[int], progress: Progress = silent) -> None:
        """Ask those of the sheet's rows that were not asked yet, in this order.

        Raises:
            QueryError: The suspect fails to answer, or answers nonsense.
        """
        missing = [row for row in rows if row not in self._said]
        for start in range(0, len(missing), BATCH):
            progress("asking the suspect", len(self._said), len(self._sheet))
            batch = missing[start : start + BATCH]
            try:
                said = self._client.answer(self._shown(batch, self._way), self._way.spec)
            except BudgetError:
                # What was paid for counts, although the batch as a whole was not answered.
                kept = self._client.kept(self._shown(batch, self._way), self._way.spec)
                answered = zip(batch, kept, strict=True)
                self._said.update((row, one) for row, one in answered if one is not None)
                raise
            self._said.update(zip(batch, said, strict=True))
            # A file can't be exchanged while it is asked: its bytes were hashed and are in memory.
            if self._client.port.digest is None:
                self.repeat(min(REPEATED, len(self._said) // WATCH))

    def _shown(self, rows: list[int], way: Preprocessing) -> FloatArray:
        """Return the points of some rows as a preprocessing gives them."""
        return way(self._sheet.points[rows])

    def recognise(self, progress: Progress = silent) -> None:
        """Find the preprocessing in which the suspect knows the controls that were asked.

        Where it does not know them as they are, controls are asked in each of the usual ways.
        The first of the best is kept if it makes the difference; all that was said is forgotten. A
        way is a function on points, so the suspect stays open.
        """
        heard = [row for row in self.controls if row in self._said]
        # Of the few controls that open a sequential audit, one may fail by chance.
        enough = KNOWN if len(heard) == len(self.controls) else RECOGNISED
        if not heard or self._known(heard, self._said) >= enough:
            return
        self.ask(self.controls, progress)
        own = self._known(self.controls, self._said)
        if own >= KNOWN or self._client.port.values is Values.POINTS:
            return
        least = max(RECOGNISED, own + BETTER)
        fitting = [one for one in self._promising() if one.share >= least]
        # Answers to wrongly prepared inputs say nothing about the model, so they are dropped.
        if fitting:
            best = max(fitting, key=lambda one: one.share)  # the first of the best
            self._way, self._said, self._again = best.way, {}, {}
            self._why = (
                f"inputs are taken as {best.way.name}: so it knows {best.share:.0%} of the "
                f"controls, {own:.0%} as the owner takes them",
            )

    def _promising(self) -> list["_Tried"]:
        """Return the usual ways that may fit: some controls are asked in each, all in these.

        Ways in which the suspect knows fewer of those than as they are don't.
        """
        few = self._tried
        rest = [row for row in self.controls if row not in few]
        least = max(RECOGNISED, self._known(few, self._said))
        ways = preprocessings(self._bundle.fingerprint.spec)
        found = [one for way in ways if (one := self._known_by(way, few, {})).share >= least]
        return [self._known_by(one.way, rest, one.said) for one in found] if rest else found

    @property
    def _tried(self) -> list[int]:
        """Rows of the controls that are asked in each of the usual ways, one of each class first.

        A class order can't be told by labels where some class has none.
        """
        turns: Counter[int] = Counter()
        placed = []
        for row in self.controls:
            label = int(self._sheet.labels[row])
            placed.append((turns[label], row))
            turns[label] += 1
        return [row for _, row in sorted(placed)[:TRIED]]

    def _known_by(self, way: Preprocessing, rows: list[int], before: dict[int, Rows]) -> "_Tried":
        """Ask controls in this way; the share is of these and those that were asked before."""
        try:
            answers = self._client.answer(self._shown(rows, way), way.spec)
            said = {**before, **dict(zip(rows, answers, strict=True))}
            return _Tried(way, said, self._known(sorted(said), said))
        except BudgetError:
            raise
        except (QueryError, SuspectMismatchError):
            return _Tried(way, before, 0.0)

    def _known(self, controls: list[int], said: dict[int, Rows]) -> float:
        """Return the share of these controls that are right, in another class order if one fits."""
        owners = self._sheet.labels[controls]
        first = said[controls[0]]  # classes that it has no score for can't be known
        named = owners < (np.size(first) if np.ndim(first) else np.inf)
        same = np.array([label_of(said[row]) for row in controls]) == owners
        own = float(same[named].mean()) if named.any() else 0.0
        if own > 1 - REORDERED or len(controls) < len(self._tried):
            return own  # good enough as it is, or too few to match classes by
        rows = joined([said[row][None] for row in controls])
        level = access_of(rows)
        classes = self._sheet.outputs.shape[1]
        answers = answers_of(rows, level, level)
        shared = matching(owners, answers, classes)
        if shared is None:
            return recognised(self._sheet.outputs[controls], answers)
        both = shared.of_shared(owners)
        return float((shared(answers, owners).labels == owners)[both].mean())

    def repeat(self, count: int = REPEATED) -> None:
        """Ask the first `count` points again, once each, to see whether the answers change.

        Raises:
            QueryError: The suspect fails to answer.
        """
        first = sorted(self._said)[:count]
        rows = [row for row in first if row not in self._again]
        # In another order, each comes to another place of a batch: answers may depend on that.
        rows = rows[1:] + rows[:1]
        if rows:
            said = self._client.answer(self._shown(rows, self._way), self._way.spec)
            self._again.update(zip(rows, said, strict=True))

    def _level(self) -> Access:
        return access_of(joined([row[None] for row in self._said.values()]))

    def settle_access(self) -> None:
        """From here on use no more than was revealed so far.

        Looks at answers on the way must all compare the same thing, or their error rates don't add
        up.
        """
        self._wanted = min(self._level(), self._wanted, key=lambda level: level.rank)

    def _answers(self, revealed: Access, used: Access) -> Answers:
        """Return the whole column of answers; points that were not asked are not answered."""
        row = next(iter(self._said.values()))
        blank = np.full_like(row, np.nan) if row.ndim else np.array(-1)
        whole = np.stack([self._said.get(place, blank) for place in range(len(self._sheet))])
        return answers_of(whole, revealed, used)

    def evidence(self, asked: int | None = None) -> Evidence:
        """Return everything that was said so far.

        Args:
            asked: How many points in the order of asking were looked at one by one; None: all at
                once.
        """
        revealed = self._level()
        used = min(revealed, self._wanted, key=lambda level: level.rank)
        row = next(iter(self._said.values()))
        answers, why = self._answers(revealed, used), self._why
        classes, spent = len(row) if row.ndim else None, len(self._said)
        shared = self._matching(answers)
        if shared is not None:
            asked_shared = shared.of_shared(self._sheet.labels[list(self._said)])
            answers, spent = shared(answers, self._sheet.labels), int(asked_shared.sum())
            classes, why = answers.classes, (*why, shared.told)
        twice = [Twice(self._said[place], row) for place, row in self._again.items()]
        owners = None if shared is not None else self._class_order(answers)
        if owners is not None:
            answers = answers.relabelled(owners)
            why += (class_order_told(owners),)
        return Evidence(
            suspect=self._record,
            bundle_digest=self._bundle.digest,
            answers=answers,
            classes=classes,
            notes=(*_notes(revealed, used), *unsteady(twice), *self._remarks()),
            asked=asked,
            spent=spent,
            sent=self._client.sent,
            disguises=why,
            repeated=len(twice),
            changed=sum(pair.changed for pair in twice),
        )

    def _remarks(self) -> tuple[str, ...]:
        return (*_reused(self._client.reused), *_lost(self._client.lost))

    def _matching(self, answers: Answers) -> Matching | None:
        controls = np.flatnonzero(self._sheet.rows(CONTROL) & answers.answered)
        labels = self._sheet.labels[controls]
        return matching(labels, answers.at(controls), self._sheet.outputs.shape[1])

    def _class_order(self, answers: Answers) -> IntArray | None:
        controls = self._sheet.rows(CONTROL)
        if not controls.any():
            return None
        return class_order(self._sheet.outputs[controls], answers.at(controls))

    def leading(self) -> int:
        """Count the points that were answered before the first unanswered one."""
        said = np.isin(np.arange(len(self._sheet)), list(self._said))
        return len(said) if said.all() else int(said.argmin())


def _notes(revealed: Access, used: Access) -> tuple[str, ...]:
    told = f"the suspect reveals {revealed}; only {used} was used, as asked"
    return () if revealed is used else (told,)


def _lost(reasons: list[str]) -> Iterator[str]:
    if reasons:
        yield f"{len(reasons)} points got replies without an answer, the last: {reasons[-1]}"


def _reused(times: list[str]) -> Iterator[str]:
    if times:
        first = min(times)[:10]
        told = f"{len(times)} answers were given in an earlier audit, the first on {first}"
        yield f"{told}, and come from the journal"
