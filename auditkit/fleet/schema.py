"""The tables of a ledger, and how its file is opened.

The file says of itself that it is a ledger, and of which version: SQLite has two numbers for that.
"""

import sqlite3
import time
from pathlib import Path

from auditkit.core.errors import LedgerError

APPLICATION = 0x41554B54
"""`AUKT`, the application id of SQLite files that are ledgers."""
VERSION = 1
BUSY = 30.0
"""Seconds for which another scan's step in the same ledger is waited for."""
AGAIN = 0.02
"""Seconds until it is tried again where SQLite does not wait by itself."""
TABLES = (
    # The digest of a file is computed once, until its size, time or inode is another.
    """CREATE TABLE files (
        path TEXT PRIMARY KEY, size INTEGER NOT NULL, modified INTEGER NOT NULL,
        inode INTEGER NOT NULL, digest TEXT NOT NULL, refers INTEGER NOT NULL)""",
    "CREATE TABLE bundles (digest TEXT PRIMARY KEY, path TEXT NOT NULL, owner TEXT NOT NULL)",
    # Several names may stand for one content.
    "CREATE TABLE suspects (name TEXT PRIMARY KEY, content TEXT NOT NULL)",
    "CREATE INDEX suspects_by_content ON suspects (content)",
    """CREATE TABLE pairs (
        bundle TEXT NOT NULL, content TEXT NOT NULL, how TEXT NOT NULL, name TEXT NOT NULL,
        verdict TEXT NOT NULL, code TEXT NOT NULL, at TEXT NOT NULL, report BLOB NOT NULL,
        evidence BLOB, PRIMARY KEY (content, bundle, how))""",
    "CREATE INDEX pairs_by_verdict ON pairs (verdict)",
    """CREATE TABLE claims (
        bundle TEXT NOT NULL, content TEXT NOT NULL, how TEXT NOT NULL, claimant TEXT NOT NULL,
        host TEXT NOT NULL, process INTEGER NOT NULL, until REAL NOT NULL,
        PRIMARY KEY (content, bundle, how))""",
)


def opened(path: Path, *, fresh: bool, read_only: bool = False) -> sqlite3.Connection:
    """Open a ledger's file.

    Args:
        path: The file.
        fresh: Whether it is made if there is none.
        read_only: Whether nothing can be written to it.

    Raises:
        LedgerError: There is none, it is no ledger, one of a later version, or can't be used.
    """
    if not path.exists() and not fresh:
        raise LedgerError(f"no such ledger: {str(path)!r}; auditkit scan makes one")
    try:
        file = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}",
            uri=True,
            timeout=BUSY,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            _prepare(file, path, read_only=read_only)
        except BaseException:
            file.close()
            raise
    except sqlite3.Error as error:
        raise trouble(path, error) from error
    return file


def trouble(path: Path, error: sqlite3.Error) -> LedgerError:
    """Return one line for what SQLite says."""
    name, said = repr(str(path)), str(error)
    # SQLite has no error classes of its own for these, only the messages.
    if "disk is full" in said or "disk I/O" in said:
        return LedgerError(
            f"{name} can't be written: {said}; make room and run the same command again"
        )
    if "locked" in said:
        return LedgerError(f"{name} is held by another program; wait for it, or name another")
    if "not a database" in said or "malformed" in said:
        return LedgerError(f"{name} is no ledger: {said}; name another with --ledger")
    return LedgerError(f"{name} can't be used as a ledger: {said}")


def _prepare(file: sqlite3.Connection, path: Path, *, read_only: bool) -> None:
    # The file may come from a stranger: views and triggers in it must not run functions.
    file.execute("PRAGMA trusted_schema = OFF")
    # One look at all of it: another scan may be making the tables at this moment.
    file.execute("BEGIN")
    made = _is_ledger(file, path)
    file.execute("COMMIT")
    if made:
        if not read_only:
            _set_up(file)
        return
    if read_only:
        raise LedgerError(f"{str(path)!r} is an empty file and no ledger; auditkit scan makes one")
    _log_ahead(file)
    file.execute("BEGIN IMMEDIATE")
    # Another scan may have made it meanwhile.
    if not _is_ledger(file, path):
        for table in TABLES:
            file.execute(table)
        file.execute(f"PRAGMA application_id = {APPLICATION}")
        file.execute(f"PRAGMA user_version = {VERSION}")
    file.execute("COMMIT")
    _set_up(file)


def _set_up(file: sqlite3.Connection) -> None:
    _log_ahead(file)
    # In this mode that outlives a killed process; only a power cut can lose the last entries.
    file.execute("PRAGMA synchronous = NORMAL")


def _log_ahead(file: sqlite3.Connection) -> None:
    """Let readers and one writer work at once; SQLite waits for others everywhere but here."""
    until = time.monotonic() + BUSY
    while True:
        try:
            file.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(AGAIN)


def _is_ledger(file: sqlite3.Connection, path: Path) -> bool:
    """Return whether the file is a ledger; False for an empty one.

    Raises:
        LedgerError: It is something else, or a ledger of a later version.
    """
    (application,) = file.execute("PRAGMA application_id").fetchone()
    (version,) = file.execute("PRAGMA user_version").fetchone()
    (tables,) = file.execute("SELECT count(*) FROM sqlite_master").fetchone()
    (others,) = file.execute(
        "SELECT count(*) FROM sqlite_master WHERE type IN ('view', 'trigger')"
    ).fetchone()
    if not tables and not application:
        return False
    if application != APPLICATION:
        raise LedgerError(
            f"{str(path)!r} is a database of another program; name another with --ledger"
        )
    # A view in place of a table could compute for ever, whenever somebody looks into the file.
    if others:
        raise LedgerError(f"{str(path)!r} was changed: no ledger has views or triggers")
    if version != VERSION:
        raise LedgerError(
            f"{str(path)!r} is a ledger of version {version}, this auditkit reads {VERSION}; "
            "update auditkit, or name another with --ledger"
        )
    return True
