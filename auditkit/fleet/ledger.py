"""The ledger of scans as it is read: what was asked of whom, and what came of it.

A pair is a bundle and a suspect's content, asked in one way. Its row holds the report that
`auditkit check -f json` prints for it and the suspect's answers, so that nobody has to be asked
again for a later report.
"""

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from auditkit.core.arrays import JsonObject
from auditkit.core.errors import LedgerError
from auditkit.core.reading import beginning
from auditkit.fleet import schema

SQLITE = b"SQLite format 3\0"
"""How such files begin."""
REFUSED = "refused"
"""The verdict of a pair that could not be audited."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One suspect before one bundle, as a reader of the ledger sees it."""

    bundle: str
    """The bundle's digest."""
    suspect: str
    """The suspect's name; suspects of the same content have a pair each."""
    content: str
    """What names the suspect's content: its adapter and its digest, or its address."""
    how: str
    """The way of asking, as JSON."""
    verdict: str
    """`pirated`, `homologous`, `inconclusive` or `refused`."""
    code: str
    """Why: the reason's code (docs/report.md)."""
    at: str
    """When it was judged: ISO 8601, UTC."""


def is_ledger(path: Path) -> bool:
    """Return whether a file is a database, so that it can be nothing but a ledger."""
    try:
        return beginning(path, len(SQLITE)) == SQLITE
    except (OSError, ValueError):
        return False


class Ledger:
    """An open ledger. Threads may share it; so may processes, each with one of its own."""

    def __init__(self, path: Path, file: sqlite3.Connection) -> None:
        self._path, self._file = path, file
        self._lock = threading.RLock()

    @classmethod
    def open(cls, path: Path | str, *, fresh: bool = False, read_only: bool = False) -> Self:
        """Open a ledger.

        Args:
            path: Its file.
            fresh: Whether it is made if there is none.
            read_only: Whether nothing can be written to it.

        Raises:
            LedgerError: There is none, it is no ledger, one of a later version, or can't be used.
        """
        return cls(Path(path), schema.opened(Path(path), fresh=fresh, read_only=read_only))

    def close(self) -> None:
        """Let go of the file; a second call does nothing."""
        with self._lock:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def bundles(self) -> dict[str, str]:
        """Return the path of each bundle that was scanned with, by its digest."""
        return dict(self.rows("SELECT digest, path FROM bundles ORDER BY path"))

    def pairs(self, bundle: str = "", how: str = "") -> Iterator[Pair]:
        """Yield every pair that was judged, by bundle and suspect.

        Args:
            bundle: The digest of one bundle; empty: of all.
            how: One way of asking; empty: all.
        """
        yield from (
            Pair(*row)
            for row in self.rows(
                "SELECT bundle, suspects.name, content, how, verdict, code, at "
                "FROM pairs JOIN suspects USING (content) "
                "WHERE (? = '' OR bundle = ?) AND (? = '' OR how = ?) "
                "ORDER BY bundle, suspects.name, at",
                (bundle, bundle, how, how),
            )
        )

    def verdict(self, pair: Pair) -> JsonObject:
        """Return the report on a pair, as `auditkit check -f json` prints it.

        Raises:
            LedgerError: It is not in this ledger, or no report is kept of it.
        """
        name, told, _ = self._kept(pair)
        try:
            report: JsonObject = json.loads(told)
            bundle, suspects = report["bundle"]["digest"], report["suspects"]
            # The same content is asked once, under one of its names.
            for suspect in suspects:
                suspect["suspect"] = pair.suspect
                suspect["reason"] = str(suspect["reason"]).replace(repr(name), repr(pair.suspect))
            said = [(bundle, suspect["verdict"]) for suspect in suspects]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise self._changed(pair) from error
        if said != [(pair.bundle, pair.verdict)]:
            raise self._changed(pair)
        return report

    def _changed(self, pair: Pair) -> LedgerError:
        return LedgerError(
            f"{str(self._path)!r} holds no report of its verdict on {pair.suspect!r}: it was "
            "changed"
        )

    def evidence(self, pair: Pair) -> bytes | None:
        """Return the answers behind a pair as an evidence file; None if there were none.

        Raises:
            LedgerError: It is not in this ledger.
        """
        *_, found = self._kept(pair)
        return found

    def _kept(self, pair: Pair) -> tuple[str, bytes, bytes | None]:
        rows = self.rows(
            "SELECT name, report, evidence FROM pairs WHERE content = ? AND bundle = ? AND how = ?",
            (pair.content, pair.bundle, pair.how),
        )
        if not rows:
            raise LedgerError(f"{str(self._path)!r} has no verdict on {pair.suspect!r}")
        name, report, evidence = rows[0]
        return name, report, evidence

    def rows(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return what a query finds.

        Raises:
            LedgerError: The file can't be read.
        """
        try:
            with self._lock:
                return self._file.execute(query, tuple(values)).fetchall()
        except sqlite3.Error as error:
            raise schema.trouble(self._path, error) from error

    @contextmanager
    def step(self) -> Iterator[sqlite3.Connection]:
        """Make one step that is in the file whole or not at all.

        Raises:
            LedgerError: The file can't be written.
        """
        with self._lock:
            try:
                # The right to write is taken first: what is read within can't be overtaken.
                self._file.execute("BEGIN IMMEDIATE")
                try:
                    yield self._file
                    self._file.execute("COMMIT")
                except BaseException:
                    if self._file.in_transaction:  # a full disk may have ended it
                        self._file.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                raise schema.trouble(self._path, error) from error
