"""A sealed journal shows what was done to it, even if every hash in it was computed anew."""

import sqlite3

import numpy as np
import pytest

from auditkit.core.errors import AuditkitError, JournalError, SigningKeyError
from auditkit.files.journal import ANSWERED, START, Journal, _chained, described, seal_of
from auditkit.files.signing import keys

HERE = "https://here/v2/models/m"


@pytest.fixture(scope="module")
def signers(tmp_path_factory):
    """Two keys."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("mine", "other"):
        keys.make(folder / name)
    return keys.private(folder / "mine"), keys.private(folder / "other")


@pytest.fixture
def path(tmp_path, signers):
    """A sealed journal of four entries."""
    found = tmp_path / "audit.journal"
    journal = Journal(found, signers[0])
    for point in ("a", "b"):
        journal.asked(HERE, [point], None)
        journal.answered(HERE, [point], np.array([1]))
    journal.close()
    return found


def changed(path, *commands):
    """Change the database by hand."""
    with sqlite3.connect(path) as file:
        for command in commands:
            file.execute(*command) if isinstance(command, tuple) else file.execute(command)
    file.close()


def rechained(path):
    """Compute the digest of every entry anew, as somebody without the key can."""
    with sqlite3.connect(path) as file:
        head = START
        rows = file.execute("SELECT * FROM entries ORDER BY number").fetchall()
        for number, kind, endpoint, at, content, _ in rows:
            head = _chained(head, kind, endpoint, at, content)
            file.execute("UPDATE entries SET digest = ? WHERE number = ?", (head, number))
    file.close()
    return head


def test_a_sealed_journal_goes_on_with_its_key(path, signers):
    """Entries that come later are sealed too, and the seal names the key."""
    assert seal_of(path).entries == 4
    journal = Journal(path, signers[0])
    journal.failed(HERE, ["c"], "busy")
    journal.close()
    seal = seal_of(path)
    assert (seal.entries, seal.key) == (5, signers[0].public)
    assert signers[0].public.fingerprint in described(path)[1]


def test_without_its_key_nothing_is_added(path, signers):
    """No key, another key, or a key that comes too late: nothing is written."""
    journal = Journal(path)
    with pytest.raises(SigningKeyError, match="go on with its --key"):
        journal.asked(HERE, ["c"], None)
    journal.close()
    with pytest.raises(JournalError, match="it is sealed by"):
        Journal(path, signers[1])
    assert seal_of(path).entries == 4
    plain = path.with_name("plain.journal")
    journal = Journal(plain)
    journal.asked(HERE, ["a"], None)
    journal.close()
    assert "not sealed" in described(plain)[1]
    with pytest.raises(JournalError, match="begun without --key"):
        Journal(plain, signers[0])
    assert seal_of(plain) is None


EDITS = {
    "the last entry is cut off": ["DELETE FROM entries WHERE number = 4"],
    "all entries are cut off": ["DELETE FROM entries"],
    "an answer is changed": ["UPDATE entries SET content = replace(content, '[1]', '[2]')"],
    "a time is changed": ["UPDATE entries SET at = '1999' WHERE number = 1"],
    "an entry is added": [
        "INSERT INTO entries SELECT 5, kind, endpoint, at, content, digest FROM entries "
        "WHERE number = 4"
    ],
    "the seal is emptied": ["DELETE FROM seal"],
    "there are two seals": ["INSERT INTO seal SELECT * FROM seal"],
    "the seal's number is changed": ["UPDATE seal SET entries = 3"],
    "the seal's number is a text": ["UPDATE seal SET entries = 'x'"],
    "the key is another": ["UPDATE seal SET keyid = 'ed25519:' || substr(keyid, 10) || '0'"],
    "the signature is no number": ["UPDATE seal SET signature = 'zz'"],
    "the signature is a number": ["UPDATE seal SET signature = 1"],
}


@pytest.mark.parametrize("again", [False, True], ids=["as it is", "chain computed anew"])
@pytest.mark.parametrize("edit", EDITS)
def test_what_was_done_is_noticed(path, edit, again):
    """Each edit is refused in one line, with the chain computed anew too."""
    changed(path, *EDITS[edit])
    if again:
        rechained(path)
    with pytest.raises(JournalError) as caught:
        seal_of(path)
    assert "\n" not in str(caught.value)


def test_a_cut_with_the_seal_adjusted_is_noticed(path):
    """Whoever cuts an entry off and writes what the seal says needs the key."""
    changed(path, "DELETE FROM entries WHERE number = 4")
    head = rechained(path)
    changed(path, ("UPDATE seal SET entries = 3, head = ?", (head,)))
    with pytest.raises(JournalError, match="seal does not hold"):
        seal_of(path)


def test_without_its_seal_it_is_not_sealed(path, signers):
    """Who takes the seal away gets a journal that is not sealed, which no key goes on with."""
    changed(path, "DROP TABLE seal")
    assert seal_of(path) is None
    with pytest.raises(AuditkitError, match="begun without --key"):
        Journal(path, signers[0])


def test_a_killed_audit_leaves_entry_and_seal_or_neither(path, signers):
    """What is written in one step is read in one step: a copy taken at any time is whole."""
    journal = Journal(path, signers[0])
    before = journal.entries
    journal._file.execute("BEGIN")
    journal._file.execute(
        "INSERT INTO entries (kind, endpoint, at, content, digest) VALUES (?, '', '', '', '')",
        (ANSWERED,),
    )
    journal.close()  # as a kill does: what was not committed is gone
    assert seal_of(path).entries == before
