"""The seal of a journal: a signature of the number of its entries and of the last one's digest.

It lies in the journal itself and changes in the same step as the entries, so that a killed audit
leaves both or neither. Whoever cuts off the last entry, or edits one and computes the rest anew,
would have to sign again.
"""

import sqlite3
from dataclasses import dataclass

from auditkit.core.errors import JournalError, SigningKeyError
from auditkit.core.provenance import canonical
from auditkit.files.signing.envelope import pre_authentication
from auditkit.files.signing.keys import PublicKey, Signer, named

KIND = "application/vnd.auditkit.journal+json"
TABLE = """CREATE TABLE seal (
    entries INTEGER NOT NULL, head TEXT NOT NULL, keyid TEXT NOT NULL, signature TEXT NOT NULL)"""
TABLES = ["entries", "seal"]


@dataclass(frozen=True, slots=True)
class Seal:
    """What a journal's seal says."""

    entries: int
    head: str
    key: PublicKey


def read(file: sqlite3.Connection) -> Seal | None:
    """Return a journal's seal; None if it has none.

    Raises:
        JournalError: There is one, and its signature does not hold.
    """
    if not file.execute("SELECT name FROM sqlite_master WHERE name = 'seal'").fetchall():
        return None
    rows = file.execute("SELECT entries, head, keyid, signature FROM seal").fetchall()
    if len(rows) != 1:
        raise JournalError(f"its seal was changed: {len(rows)} of them, wanted one")
    entries, head, keyid, signature = rows[0]
    key = named(str(keyid))
    try:
        holds = key is not None and key.made(bytes.fromhex(signature), _signed(entries, head))
    except (ValueError, TypeError):
        holds = False
    if key is None or not holds:
        raise JournalError("its seal does not hold: it was changed after it was sealed")
    return Seal(entries, head, key)


def check(seal: Seal, entries: int, head: str) -> None:
    """Check that a seal is that of these entries.

    Raises:
        JournalError: Entries were cut off, added or changed.
    """
    if (seal.entries, seal.head) != (entries, head):
        raise JournalError(
            f"its seal is of {seal.entries} entries, {entries} are there: the last ones were cut "
            "off, added or changed"
        )


def begin(
    file: sqlite3.Connection, seal: Seal | None, entries: int, head: str, signer: Signer | None
) -> None:
    """Seal a new journal, or check that an old one may be continued.

    Raises:
        JournalError: It has entries without a seal, or the seal is by another key.
    """
    if signer is None or (seal is not None and seal.key == signer.public):
        return
    if seal is not None:
        raise JournalError(
            f"it is sealed by {seal.key.fingerprint}, the key is {signer.public.fingerprint}"
        )
    if entries:
        raise JournalError("it was begun without --key; name another with --journal")
    with file:
        # sqlite3 begins no transaction for a table, and a table without a seal would be a changed
        # journal.
        file.execute("BEGIN")
        file.execute(TABLE)
        file.execute("INSERT INTO seal VALUES (0, '', '', '')")
        renew(file, None, entries, head, signer)


def renew(
    file: sqlite3.Connection, seal: Seal | None, entries: int, head: str, signer: Signer | None
) -> None:
    """Seal the entries as they are now, within the caller's transaction.

    Raises:
        SigningKeyError: The journal is sealed, and no key is given.
    """
    if signer is None:
        if seal is not None:
            raise SigningKeyError(
                f"the journal is sealed by {seal.key.fingerprint}; go on with its --key"
            )
        return
    signature = signer.sign(_signed(entries, head)).hex()
    file.execute(
        "UPDATE seal SET entries = ?, head = ?, keyid = ?, signature = ?",
        (entries, head, signer.public.keyid, signature),
    )


def _signed(entries: int, head: str) -> bytes:
    return pre_authentication(KIND, canonical({"entries": entries, "head": head}))
