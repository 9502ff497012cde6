"""The ledger's file: whose it is, who claims what in it, and what a full disk does."""

import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from auditkit.core.errors import LedgerError
from auditkit.files.journal import Journal
from auditkit.fleet import schema
from auditkit.fleet.book import Book, Claimant, Judged
from auditkit.fleet.ledger import Ledger

JUDGED = Judged("pirated", "shares-as-copies", b"{}", None)


@pytest.fixture
def book(tmp_path):
    """A ledger of nothing."""
    with Book.open(tmp_path / "audit.db", fresh=True) as opened:
        yield opened


def claimed(book, claimant, bundles=("a", "b"), at=0.0):
    """Which bundles of one content are the claimant's."""
    now = time.time() + at
    return book.claim("content", "how", list(bundles), claimant, (now, now + 60))


def test_only_ledgers_of_this_version_are_opened(tmp_path):
    """Nothing, another database, a later version and no database are refused in one line."""
    later, journal, text = (tmp_path / name for name in ("later.db", "journal", "text"))
    Book.open(later, fresh=True).close()
    with sqlite3.connect(later) as file:
        file.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    file.close()
    Journal(journal).close()
    text.write_text("no database " * 1000)
    for path, why in (
        *((tmp_path / "none", "no such ledger"), (later, "update auditkit")),
        *((journal, "another program"), (text, "is no ledger"), (tmp_path, "can't be used")),
    ):
        with pytest.raises(LedgerError, match=why) as raised:
            Ledger.open(path)
        assert "\n" not in str(raised.value)


def test_a_claim_keeps_others_out(book):
    """A pair is one scan's until it is judged, given up, out of time, or its process has ended."""
    mine, other = Claimant(), Claimant()
    assert claimed(book, mine) == ["a", "b"]
    assert claimed(book, other) == []
    assert claimed(book, other, at=61) == ["a", "b"]
    book.release(other)
    assert claimed(book, replace(mine, process=(1 << 22) + 1)) == ["a", "b"]
    assert claimed(book, other) == ["a", "b"]
    book.keep("a", "content", "how", "name", JUDGED)
    assert claimed(book, other) == ["b"]
    book.renew(other, time.time() + 1000)
    assert claimed(book, mine, at=100) == []


def test_the_first_verdict_stays(book):
    """Of two scans that judged one pair, the first is believed."""
    book.keep("a", "content", "how", "name", JUDGED)
    book.keep("a", "content", "how", "name", replace(JUDGED, verdict="refused"))
    assert book.settled("content", "how") == {"a": ("pirated", "shares-as-copies")}


def test_a_full_disk_is_one_line(book):
    """What was kept before stays, and the line says what to do."""
    book.keep("a", "content", "how", "name", JUDGED)
    (pages,) = book.rows("PRAGMA page_count")[0]
    book.rows(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(LedgerError, match=r"disk is full; make room and run the same command"):
        book.keep("b", "content", "how", "name", replace(JUDGED, report=bytes(1 << 20)))
    assert [*book.settled("content", "how")] == ["a"]


def test_scans_that_begin_at_once_make_one_ledger(tmp_path):
    """Nobody takes a ledger that another one is making for a stranger's, or for a held one."""
    together = threading.Barrier(6)

    def opened(path):
        together.wait()
        with Ledger.open(path, fresh=True) as ledger:
            return ledger.bundles()

    with ThreadPoolExecutor(6) as scans:
        for number in range(20):
            path = tmp_path / f"{number}.db"
            assert list(scans.map(opened, [path] * 6)) == [{}] * 6
