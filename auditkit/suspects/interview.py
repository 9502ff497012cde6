"""How a suspect is asked: in the bundle's order, in its own preprocessing, some points twice.

Nothing here knows what answers are worth; whoever calls decides when enough was asked.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditkit.core.access import Access, access_of
from auditkit.core.answers import Answers, answers_of, joined
from auditkit.core.arrays import FloatArray, IntArray
from auditkit.core.errors import BudgetError, QueryError, SuspectError
from auditkit.core.evidence import Evidence
from auditkit.core.fingerprint import order_of
from auditkit.core.models import SuspectRecord
from auditkit.core.points import CONTROL, InputSpec
from auditkit.core.progress import Progress
from auditkit.files.bundle import Bundle
from auditkit.suspects.client import Courier
from auditkit.suspects.preprocessing import (
    BETTER,
    KNOWN,
    RECOGNISED,
    Preprocessing,
    preprocessings,
    recognised,
    relabelled,
    relabelling,
    told,
)

BATCH = 100


OPENING = 5
"""Controls that a sequential audit asks first: is it the owner's task at all?"""


REPEATED = 5
"""Points asked twice at most: changing answers give a random suspect away."""


WATCH = 25
"""New points after which one is asked again of who can't be hashed and may be exchanged."""


MOVED = 0.01
"""Change of a score, as a share of the largest, that rounding does not explain."""


Open = Callable[[InputSpec], Courier]


def layout(bundle: Bundle) -> tuple[FloatArray, IntArray]:
    """All families' points in a row, and the order in which they are asked."""
    families = bundle.fingerprint.families.values()
    return np.concatenate([family.points for family in families]), order_of(bundle.fingerprint)


class Interview:
    """One open suspect and what it has said so far; only `repeat` asks anything twice."""

    def __init__(
        self, bundle: Bundle, suspect: Courier, record: SuspectRecord, access: Access
    ) -> None:
        self._bundle, self._suspect, self._record = bundle, suspect, record
        self._points, self.order = layout(bundle)
        self._said: dict[int, NDArray[Any]] = {}
        self._wanted = access
        self._way: Preprocessing | None = None
        self._why: tuple[str, ...] = ()
        self._again: dict[int, NDArray[Any]] = {}

    def close(self) -> None:
        """Let go of the suspect."""
        self._suspect.close()

    def ask(self, places: Iterable[int], progress: Progress) -> None:
        """Ask those of the points that were not asked yet, in this order.

        Raises:
            QueryError: The suspect fails to answer, or answers nonsense.
        """
        missing = [place for place in map(int, places) if place not in self._said]
        for start in range(0, len(missing), BATCH):
            progress("asking the suspect", len(self._said), len(self._points))
            batch = missing[start : start + BATCH]
            try:
                rows = self._suspect.answer(self._shown(batch))
            except BudgetError:
                kept = zip(batch, self._suspect.kept(self._shown(batch)), strict=True)
                self._said.update((place, row) for place, row in kept if row is not None)
                raise
            self._said.update(zip(batch, rows, strict=True))
            if self._suspect.digest is None:
                self.repeat(min(REPEATED, len(self._said) // WATCH))

    def _shown(self, places: list[int]) -> FloatArray:
        """Points as this suspect takes them."""
        batch: FloatArray = self._points[places]
        return batch if self._way is None else self._way(batch)

    def controls(self, count: int | None = None) -> list[int]:
        """Places of the first so many controls in the order of asking; all unless told."""
        first, stop = self._place_of_controls()
        inside = (self.order >= first) & (self.order < stop)
        return [int(place) for place in self.order[inside][:count]]

    def _place_of_controls(self) -> tuple[int, int]:
        names = list(self._bundle.fingerprint.families)
        sizes = [len(family) for family in self._bundle.fingerprint.families.values()]
        if CONTROL not in names:
            return 0, 0
        place = names.index(CONTROL)
        return sum(sizes[:place]), sum(sizes[: place + 1])

    def recognise(self, reopen: Open, progress: Progress) -> None:
        """Find the preprocessing in which the suspect knows the controls that were asked.

        Where it does not know them as they are, all controls are asked in each of the usual ways.
        The first of the best is kept if it makes the difference; all that was said is forgotten.
        """
        controls = self.controls()
        heard = [place for place in controls if place in self._said]
        enough = KNOWN if len(heard) == len(controls) else RECOGNISED  # of few one may fail
        if not heard or self._known(heard) >= enough:
            return
        self.ask(controls, progress)
        own = self._known(controls)
        if own >= KNOWN:
            return
        best, share = None, max(RECOGNISED, own + BETTER)
        for way in preprocessings(self._bundle.fingerprint.spec):
            tried = self._tried(way, reopen, controls)
            if tried is not None and tried[1] >= share and (best is None or tried[1] > share):
                best, share = tried
        if best is not None:
            self._suspect.close()
            self._suspect, self._way, self._said = reopen(best.spec), best, {}
            self._again = {}
            self._why = (
                f"inputs are taken as {best.name}: so it knows {share:.0%} of the controls, "
                f"{own:.0%} as the owner takes them",
            )

    def _tried(
        self, way: Preprocessing, reopen: Open, controls: list[int]
    ) -> tuple[Preprocessing, float] | None:
        try:
            suspect = reopen(way.spec)
        except SuspectError:
            return None
        other = Interview(self._bundle, suspect, self._record, self._wanted)
        other._way = way
        try:
            other.ask(controls, lambda *_told: None)
            return way, other._known(controls)
        except BudgetError:
            raise
        except QueryError:
            return None
        finally:
            other.close()

    def _known(self, controls: list[int]) -> float:
        answers = self._answers(self._level())[CONTROL]
        family = self._bundle.fingerprint.families[CONTROL]
        asked = np.array(controls, np.int64) - self._place_of_controls()[0]
        return recognised(family, answers, asked)

    def repeat(self, count: int = REPEATED) -> None:
        """Ask so many of the points again, once each: do the answers change?

        Raises:
            QueryError: The suspect fails to answer.
        """
        first = [place for place in self.order.tolist() if place in self._said][:count]
        places = [place for place in first if place not in self._again]
        if places:
            rows = self._suspect.answer(self._shown(places))
            self._again.update(zip(places, rows, strict=True))

    def _level(self) -> Access:
        return access_of(joined([row[None] for row in self._said.values()]))

    def settle_access(self) -> None:
        """From here on no more is used than was revealed so far."""
        self._wanted = min(self._level(), self._wanted, key=lambda level: level.rank)

    def _answers(self, revealed: Access) -> dict[str, Answers]:
        """By family; what was not asked is not answered."""
        used = min(revealed, self._wanted, key=lambda level: level.rank)
        row = next(iter(self._said.values()))
        blank = np.full_like(row, np.nan) if row.ndim else np.array(-1)
        whole = np.stack([self._said.get(place, blank) for place in range(len(self._points))])
        families = self._bundle.fingerprint.families
        ends = np.cumsum([len(family) for family in families.values()])[:-1]
        parts = zip(families, np.split(whole, ends), strict=True)
        return {name: answers_of(part, revealed, used) for name, part in parts}

    def evidence(self, asked: int | None = None) -> Evidence:
        """What was said so far.

        Args:
            asked: So many points in the order of asking were looked at one by one; None: all at
                once.
        """
        revealed = self._level()
        used = min(revealed, self._wanted, key=lambda level: level.rank)
        row = next(iter(self._said.values()))
        answers, why = self._answers(revealed), self._why
        twice = [(self._said[place], row) for place, row in self._again.items()]
        controls = self._bundle.fingerprint.families.get(CONTROL)
        owners = None if controls is None else relabelling(controls, answers[CONTROL])
        if owners is not None:
            answers = {name: relabelled(part, owners) for name, part in answers.items()}
            why += (told(owners),)
        return Evidence(
            suspect=self._record,
            bundle_digest=self._bundle.digest,
            access=used,
            classes=len(row) if row.ndim else None,
            answers=answers,
            notes=(*_notes(revealed, used), *_unsteady(twice), *_reused(self._suspect.reused)),
            asked=asked,
            spent=len(self._said),
            disguises=why,
            repeated=len(twice),
            changed=sum(_label(before) != _label(after) for before, after in twice),
        )

    def leading(self) -> int:
        """How many points in the order of asking were answered before the first that was not."""
        said = np.isin(self.order, list(self._said))
        return len(said) if said.all() else int(said.argmin())


def _label(row: NDArray[Any]) -> int:
    if not row.ndim:
        return int(row)
    return int(row.argmax()) if np.isfinite(row).all() else -1


def _notes(revealed: Access, used: Access) -> tuple[str, ...]:
    if revealed is used:
        return ()
    return (f"the suspect reveals {revealed}; only {used} was used, as asked",)


def _unsteady(twice: list[tuple[NDArray[Any], NDArray[Any]]]) -> tuple[str, ...]:
    rows = [(before, after) for before, after in twice if before.ndim]
    moved = [np.abs(before - after).max() / (1 + np.abs(before).max()) for before, after in rows]
    worst = float(np.nan_to_num(moved).max(initial=0.0)) if moved else 0.0
    if worst <= MOVED:
        return ()
    return (
        f"scores of points asked twice differ by up to {worst:.0%}: what answers is exchanged "
        "meanwhile, or adds noise",
    )


def _reused(times: list[str]) -> tuple[str, ...]:
    if not times:
        return ()
    return (
        f"{len(times)} answers were given in an earlier audit, the first on {min(times)[:10]}, and "
        "come from the journal",
    )
