"""Journals: what is read follows from the first entry on, and a sealed one is whole."""

import contextlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np

from auditkit.files import journal
from auditkit.files.journal import Entry, Journal, described
from auditkit.files.signing import keys
from fuzz.base import Harness, Wrong
from fuzz.mutator import changed, changed_value

HERE, THERE = "https://here/v2/models/m", "https://there/v2/models/m"
CUTS = ("DELETE FROM entries WHERE number > ?", "DELETE FROM entries WHERE number < ?")
SEALS = (
    "DELETE FROM seal",
    "UPDATE seal SET entries = entries - 1",
    "UPDATE seal SET head = keyid",
    "UPDATE seal SET signature = 3",
    "INSERT INTO seal SELECT * FROM seal",
)


@dataclass(frozen=True, slots=True)
class _Given:
    """A journal's bytes, and whether its chain was computed anew."""

    data: bytes
    rechained: bool


class _Journals:
    """Mutants of the file, and of entries whose chain was computed anew."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "mutant.journal"
        keys.make(folder / "key")
        signers = (None, keys.private(folder / "key"))
        self._good = [_written(folder / f"{n}.journal", one) for n, one in enumerate(signers)]
        self._heads = _heads(self._good[0], folder) | _heads(self._good[1], folder)
        self._whole = Journal(folder / "1.journal").head

    def draw(self, chance: Random) -> _Given:
        """See `Target.draw`."""
        good = chance.choice(self._good)
        if chance.random() < 0.6:
            return _Given(changed(good, chance), rechained=False)
        self._put(good)
        with contextlib.closing(sqlite3.connect(self._file)) as file, file:
            file.execute("PRAGMA journal_mode = DELETE")
            _edited(file, chance, sealed=good is self._good[1])
        return _Given(self._file.read_bytes(), rechained=True)

    def attempt(self, given: _Given) -> None:
        """See `Target.attempt`."""
        self._put(given.data)
        described(self._file)
        self._put(given.data)
        with contextlib.closing(Journal(self._file)) as found:
            if not given.rechained and found.head not in self._heads:
                raise Wrong("an entry was changed")
            if found.seal is not None and found.head != self._whole:
                raise Wrong("an entry of a sealed journal was changed")

    def _put(self, data: bytes) -> None:
        for left in self._file.parent.glob(f"{self._file.name}*"):
            left.unlink()
        self._file.write_bytes(data)


def _written(path: Path, signer: keys.Signer | None) -> bytes:
    with contextlib.closing(Journal(path, signer)) as made:
        made.asked(HERE, ["a", "b"], None)
        made.answered(HERE, ["a", "b"], np.array([[0.1, 0.9], [0.25, 0.75]], np.float32))
        made.asked(THERE, ["a"], None)
        made.failed(THERE, ["a"], "busy")
        made.answered(HERE, ["c"], np.array([3]))
    return path.read_bytes()


def _heads(data: bytes, folder: Path) -> set[str]:
    """Digests of all entries: a journal that was cut ends with one of them."""
    path = folder / "heads.journal"
    path.write_bytes(data)
    with contextlib.closing(sqlite3.connect(path)) as file:
        return {journal.START, *(one for (one,) in file.execute("SELECT digest FROM entries"))}


def _edited(file: sqlite3.Connection, chance: Random, *, sealed: bool) -> None:
    """Change an entry, cut some off or change the seal, and compute the chain anew."""
    rows = file.execute("SELECT kind, endpoint, at, content FROM entries ORDER BY number")
    entries = [list(row) for row in rows.fetchall()]
    way = chance.random()
    if way < 0.7:
        entry = chance.choice(entries)
        entry[3] = _other_content(entry[3], chance)
    elif way < 0.8:
        chance.choice(entries)[chance.randrange(3)] = chance.choice(("", "answered", None, 3, b"x"))
    elif way < 0.9 or not sealed:
        file.execute(chance.choice(CUTS), (chance.randrange(7),))
        return
    else:
        file.execute(chance.choice(SEALS))
        return
    file.execute("DELETE FROM entries")
    head = journal.START
    for kind, endpoint, at, content in entries:
        head = journal._chained(head, *map(str, (kind, endpoint, at, content)))
        with contextlib.suppress(sqlite3.IntegrityError):  # NULL has no place there
            file.execute(journal.INSERT, Entry(kind, endpoint, at, content, head))


def _other_content(content: str, chance: Random) -> str:
    if chance.random() < 0.2:
        return changed(content.encode(), chance).decode("utf-8", "replace")
    return journal.json.dumps(changed_value(journal.json.loads(content), chance))


HARNESS = Harness("journals", _Journals)
