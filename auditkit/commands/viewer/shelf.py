"""What the page shows of a ledger: pairs, filtered and sorted, and what reports say of them."""

import hashlib
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from auditkit.fleet.dossier import answers, at_hand, dossier, told
from auditkit.fleet.ledger import Ledger, Pair
from auditkit.reports.base import Lineage, Member, Report
from auditkit.reports.cases import cases
from auditkit.reports.lineage import WORST_FIRST, Voice, known, lineage, voice
from auditkit.reports.summary import Row, rows

PAGE = 100
"""Rows of one page."""
MOST_ON_MAP = 1000
"""Most suspects on one map; the accused are kept."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the reader asks to see."""

    verdict: str = ""
    bundle: str = ""
    """The bundle's digest."""
    name: str = ""
    """A part of the suspect's name."""
    sort: str = "verdict"
    page: int = 1


@dataclass(frozen=True, slots=True)
class Shown:
    """One row of the table."""

    key: str
    """Names the pair in addresses."""
    pair: Pair
    row: Row


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of the table."""

    rows: tuple[Shown, ...]
    count: int
    """How many fit in all."""
    pages: int
    verdicts: Counter[str]
    """How many pairs there are with each verdict, whatever is wanted."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """The models of one bundle's map."""

    voices: tuple[Voice, ...]
    keys: tuple[str, ...]
    """The key of each one's pair; empty for models of the bundle."""
    left_out: int
    tree: Lineage | None
    """Which of them answer alike; None of fewer than two suspects."""


def key_of(pair: Pair) -> str:
    """Return what names a pair in addresses: nothing that a suspect could have chosen."""
    told = "\0".join((pair.bundle, pair.content, pair.how, pair.suspect, pair.at))
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:24]


class Shelf:
    """An open ledger, with what was worked out from it. Threads may share it."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._rows: dict[str, Row] = {}
        self._lock = threading.Lock()

    def bundles(self) -> dict[str, str]:
        """Return the path of each bundle by its digest."""
        return self.ledger.bundles()

    def listing(self, wanted: Wanted) -> Listing:
        """Return a page of the table.

        Raises:
            LedgerError: The ledger can't be read, or was changed.
        """
        pairs = list(self.ledger.pairs())
        verdicts = Counter(pair.verdict for pair in pairs)
        name = wanted.name.casefold()
        fitting = [
            pair
            for pair in pairs
            if wanted.verdict in ("", pair.verdict)
            and wanted.bundle in ("", pair.bundle)
            and name in pair.suspect.casefold()
        ]
        key, backwards = self._order(wanted.sort)
        fitting.sort(key=key, reverse=backwards)
        pages = max(1, -(-len(fitting) // PAGE))
        first = PAGE * (min(max(wanted.page, 1), pages) - 1)
        shown = [self._shown(pair) for pair in fitting[first : first + PAGE]]
        return Listing(tuple(shown), len(fitting), pages, verdicts)

    def _order(self, sort: str) -> tuple[Callable[[Pair], Any], bool]:
        """Return by what pairs are sorted, and whether the greatest comes first."""
        orders: dict[str, tuple[Callable[[Pair], Any], bool]] = {
            "suspect": (lambda one: (one.suspect, one.bundle), False),
            "bundle": (lambda one: (one.bundle, one.suspect), False),
            "reason": (lambda one: (one.code, one.suspect), False),
            "time": (lambda one: one.at, True),
            "core points": (lambda one: _or_least(self._row(one).share), True),
            "stands out": (lambda one: _or_least(self._row(one).gap), True),
        }
        return orders.get(sort, (lambda one: (_rank(one), one.suspect, one.bundle), False))

    def _shown(self, pair: Pair) -> Shown:
        return Shown(key_of(pair), pair, self._row(pair))

    def _row(self, pair: Pair) -> Row:
        key = key_of(pair)
        with self._lock:
            found = self._rows.get(key)
        if found is None:
            [found] = rows(list(cases(told(self.ledger, pair))))
            with self._lock:
                self._rows[key] = found
        return found

    def report(self, key: str) -> Report | None:
        """Return the report on one pair; None if there is none of this key.

        Raises:
            LedgerError: The ledger can't be read, or was changed.
        """
        found = next((pair for pair in self.ledger.pairs() if key_of(pair) == key), None)
        return None if found is None else dossier(self.ledger, [found])

    def mapped(self, digest: str) -> Mapped | None:
        """Return the models of a bundle and the suspects that answered it; None without the bundle.

        Raises:
            LedgerError: The ledger can't be read, or was changed.
        """
        bundle = at_hand(self.ledger, digest)
        if bundle is None:
            return None
        pairs = sorted(self.ledger.pairs(digest), key=lambda one: (_rank(one), one.suspect))
        said = answers(self.ledger, pairs[:MOST_ON_MAP], bundle)
        voices = list(known(bundle))
        keys = [""] * len(voices)
        for number, (pair, evidence) in enumerate(zip(pairs, said, strict=False), 1):
            member = Member(pair.suspect, pair.verdict, number)
            heard = None if evidence is None else voice(bundle, member, evidence)
            if heard is not None:
                voices.append(heard)
                keys.append(key_of(pair))
        left_out = len(pairs) - sum(map(bool, keys))
        suspects = [one for one, key in zip(voices, keys, strict=True) if key]
        return Mapped(tuple(voices), tuple(keys), left_out, lineage(bundle, suspects))


def _rank(pair: Pair) -> int:
    return WORST_FIRST.index(pair.verdict) if pair.verdict in WORST_FIRST else len(WORST_FIRST)


def _or_least(number: float | None) -> float:
    return float("-inf") if number is None else number
