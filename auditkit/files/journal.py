"""The journal of an audit: every question and answer, written to SQLite as it happens.

Each entry holds the hash of the one before it. A killed audit continues from its journal, and
anyone who knows the digest of the last entry can tell whether an earlier one was changed, removed
or added. With a key the journal is sealed, and shows that by itself (`signing.sealing`). Secrets
are never written: points are kept by digest, answers as numbers.
"""

import hashlib
import json
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

from auditkit.core.arrays import FloatArray, Json, JsonObject, Rows
from auditkit.core.errors import BudgetError, JournalError
from auditkit.core.escape import first_line
from auditkit.core.points import InputSpec, point_digest
from auditkit.core.reading import beginning
from auditkit.files.signing import sealing
from auditkit.files.signing.keys import Signer
from auditkit.files.signing.sealing import Seal

FORMAT = "auditkit.journal/1"
START = hashlib.sha256(FORMAT.encode()).hexdigest()
ASKED, ANSWERED, FAILED = "asked", "answered", "failed"
TABLE = """CREATE TABLE IF NOT EXISTS entries (
    number INTEGER PRIMARY KEY, kind TEXT NOT NULL, endpoint TEXT NOT NULL, at TEXT NOT NULL,
    content TEXT NOT NULL, digest TEXT NOT NULL)"""
ODD = (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError)
"""What entries that no audit wrote lead to."""
LARGEST_LABEL = 2**62
INSERT = "INSERT INTO entries (kind, endpoint, at, content, digest) VALUES (?, ?, ?, ?, ?)"


class Entry(NamedTuple):
    """One event of an audit; `content` is JSON."""

    kind: str
    endpoint: str
    at: str
    content: str
    digest: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """One answer: a row of scores or a label, and when it was given (ISO 8601)."""

    row: Rows
    at: str


class Journal:
    """An open journal. Every entry is in the file before the audit takes its next step."""

    def __init__(self, path: Path | None = None, signer: Signer | None = None) -> None:
        """Open a journal, or begin one.

        Args:
            path: None: a journal in memory alone.
            signer: The key that seals it; None: whoever can write the file can change it.

        Raises:
            JournalError: Not a journal, changed, in use by another audit, or not writable.
        """
        self._name = str(path) if path is not None else ":memory:"
        self._lock = threading.Lock()
        self.begun = _now()
        """ISO 8601; answers that are older come from an earlier audit."""
        self._asked_as: dict[InputSpec, bytes] = {}
        self._spent: dict[str, int] = defaultdict(int)
        self._answers: dict[str, dict[Hashable, list[Recorded]]] = defaultdict(dict)
        self.head, self.entries = START, 0
        self._signer = signer
        if path is not None and path.exists() and not path.is_file():
            raise JournalError(f"{self._name!r} is a folder, a pipe or a device; name a new file")
        try:
            self._file = _opened(self._name)
            try:
                for entry in _verified(self._file, self._name):
                    self._note(entry)
                self.seal = self._sealed()
            except BaseException:
                self._file.close()
                raise
        except sqlite3.Error as error:
            raise JournalError(_trouble(self._name, error)) from error
        except ODD as error:
            raise JournalError(
                f"{self._name!r} holds what no audit wrote; name another with --journal"
            ) from error

    def _sealed(self) -> Seal | None:
        """Check the seal, and begin one with a key; a journal that is not sealed has none."""
        try:
            seal = sealing.read(self._file)
            if seal is not None:
                sealing.check(seal, self.entries, self.head)
            sealing.begin(self._file, seal, self.entries, self.head, self._signer)
            return sealing.read(self._file)
        except JournalError as error:
            raise JournalError(f"{self._name!r}: {error}") from error

    def key(self, point: FloatArray, spec: InputSpec) -> str:
        """Return the name under which the answer to a point with this normalisation is kept."""
        if spec not in self._asked_as:
            self._asked_as[spec] = json.dumps(asdict(spec), sort_keys=True).encode()
        return hashlib.sha256(point_digest(point).encode() + self._asked_as[spec]).hexdigest()

    def spent(self, endpoint: str) -> int:
        """Return how many points were ever sent to this endpoint, answered or not."""
        return self._spent[endpoint]

    def answers(self, endpoint: str, key: Hashable) -> Sequence[Recorded]:
        """Return the endpoint's answers to a point, one for each time it was asked."""
        return self._answers[endpoint].get(key, ())

    def endpoints(self) -> Sequence[str]:
        """Return every name under which answers are kept, in the order of the first answer."""
        return [endpoint for endpoint, kept in self._answers.items() if kept]

    def asked(self, endpoint: str, keys: Sequence[Hashable], budget: int | None) -> None:
        """Note that these points are about to be sent.

        Raises:
            BudgetError: That would be more than the budget; nothing is noted then.
        """
        # Threads send at the same time: within the lock no two of them can spend the same budget.
        with self._lock:
            if budget is not None and self._spent[endpoint] + len(keys) > budget:
                raise BudgetError(f"the budget of {budget} queries is spent")
            self._write(ASKED, endpoint, {"points": list(keys)})

    def answered(self, endpoint: str, keys: Sequence[Hashable], rows: Rows) -> None:
        """Keep the answers: (b, classes) scores or (b,) labels."""
        with self._lock:
            self._write(ANSWERED, endpoint, {"points": list(keys), "rows": rows.tolist()})

    def failed(self, endpoint: str, keys: Sequence[Hashable], why: str) -> None:
        """Note that these points were sent and not answered."""
        with self._lock:
            self._write(FAILED, endpoint, {"points": list(keys), "why": why})

    def close(self) -> None:
        """Let go of the file; a second call does nothing."""
        self._file.close()

    def _write(self, kind: str, endpoint: str, content: JsonObject) -> None:
        at, text = _now(), json.dumps(content, separators=(",", ":"))
        entry = Entry(kind, endpoint, at, text, _chained(self.head, kind, endpoint, at, text))
        try:
            # One step, so that a killed audit leaves entry and seal, or neither.
            with self._file:
                self._file.execute(INSERT, entry)
                after = self.entries + 1
                sealing.renew(self._file, self.seal, after, entry.digest, self._signer)
        except sqlite3.Error as error:
            raise JournalError(_trouble(self._name, error)) from error
        self._note(entry)

    def _note(self, entry: Entry) -> None:
        self.head, self.entries = entry.digest, self.entries + 1
        content = json.loads(entry.content)
        if entry.kind == ASKED:
            self._spent[entry.endpoint] += len(content["points"])
        if entry.kind == ANSWERED:
            rows = _rows(content["rows"])
            for point, row in zip(content["points"], rows, strict=True):
                kept = self._answers[entry.endpoint].setdefault(point, [])
                kept.append(Recorded(row, entry.at))


def _rows(values: Json) -> Rows:
    """Return rows of scores or labels as they were before they were written as JSON.

    Raises:
        ValueError, TypeError, OverflowError: They are neither.
    """
    # JSON has one kind of number; rows of scores and labels are told apart by their shape.
    rows = np.array(values)
    if rows.ndim == 2:
        with np.errstate(over="ignore"):  # infinite then, which is no usable answer
            return rows.astype(np.float32)
    if rows.dtype.kind == "f" and not (np.abs(rows) < LARGEST_LABEL).all():
        raise ValueError("labels are whole numbers")
    return rows.astype(np.int64)


def described(path: Path) -> list[str]:
    """Describe a journal: the digest of its last entry, and one line for each endpoint.

    Raises:
        JournalError: Not a journal, or changed after it was written.
    """
    journal = Journal(path)
    journal.close()
    seal = journal.seal
    lines = [
        f"journal {journal.head}, every entry bound to the one before",
        f"{journal.entries} entries, sealed by {seal.key.fingerprint}"
        if seal is not None
        else "not sealed: whoever can write the file can have changed it",
    ]
    for endpoint, spent in journal._spent.items():
        answers = journal._answers[endpoint]
        times = sum(len(kept) for kept in answers.values())
        lines.append(
            f"{endpoint}: {spent} points sent, {times} answers to {len(answers)} different ones"
        )
    return lines


def seal_of(path: Path) -> Seal | None:
    """Return a journal's seal, after every entry and the seal were checked; None: it has none.

    Raises:
        JournalError: Not a journal, or changed after it was written.
    """
    journal = Journal(path)
    journal.close()
    return journal.seal


def is_journal(path: Path) -> bool:
    """Return whether the file begins like an SQLite database."""
    try:
        return beginning(path, 16) == b"SQLite format 3\0"
    except (OSError, ValueError):
        return False


def _opened(name: str) -> sqlite3.Connection:
    file = sqlite3.connect(name, timeout=1, check_same_thread=False)
    try:
        _prepare(file, name)
    except BaseException:
        file.close()  # or it would stay in use for as long as somebody holds the error
        raise
    return file


def _prepare(file: sqlite3.Connection, name: str) -> None:
    # The file may come from a stranger: views and triggers in it must not run functions.
    file.execute("PRAGMA trusted_schema = OFF")
    tables = [table for (table,) in file.execute("SELECT name FROM sqlite_master")]
    if sorted(tables) not in ([], ["entries"], sealing.TABLES):
        raise JournalError(f"{name!r} is a database of something else; name another with --journal")
    # Two audits in one journal would count each other's answers as their own.
    file.execute("PRAGMA locking_mode = EXCLUSIVE")
    file.execute("PRAGMA journal_mode = WAL")
    # In WAL mode this outlives a killed process; only a power cut can lose the last entries, and
    # waiting for the disk after every answer would double the time of an audit.
    file.execute("PRAGMA synchronous = NORMAL")
    with file:
        file.execute(TABLE)


def _verified(file: sqlite3.Connection, name: str) -> Iterator[Entry]:
    # Numbers must follow each other, or entries could be cut off the front unnoticed.
    head, next_number = START, 1
    rows = file.execute(
        "SELECT number, kind, endpoint, at, content, digest FROM entries ORDER BY number"
    )
    for number, *columns in rows:
        entry = Entry(*columns)
        head = _chained(head, *map(str, columns[:4]))
        if entry.digest != head or number != next_number:
            raise JournalError(
                f"{name!r} was changed: entry {number} does not follow from the one before; "
                "keep it as it is, and begin another with --journal"
            )
        next_number += 1
        yield entry


def _now() -> str:
    # Microseconds, since `begun` is compared with the times of answers given just before.
    return datetime.now(UTC).isoformat(timespec="microseconds")


def _chained(before: str, kind: str, endpoint: str, at: str, content: str) -> str:
    text = json.dumps([before, kind, endpoint, at, content], separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _trouble(name: str, error: sqlite3.Error) -> str:
    # SQLite has no error class of its own for this, only the message.
    if "locked" in str(error):
        return f"{name!r} is in use by another audit; wait for it, or name another with --journal"
    # A stranger's database may have lines of its own in the message.
    return f"{name!r} can't be used as a journal: {first_line(error)}"
