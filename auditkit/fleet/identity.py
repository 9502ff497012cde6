"""What a suspect's content is called in a ledger: the same content is asked once.

Nothing of a suspect is parsed here. A file that may name others in its folder is searched for their
names as bytes, and those that occur belong to its content.
"""

import hashlib
import itertools
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from auditkit.adapters import identified
from auditkit.adapters.base import LARGEST_FILE
from auditkit.core.errors import AuditkitError
from auditkit.core.provenance import sha256
from auditkit.fleet.book import Book

Stamp = tuple[int, int, int]
"""Size, time of change in ns, and inode of a file."""
BLOCK = 1 << 20
REFERENCE = b"location"
"""Without these bytes an ONNX file names no other (`auditkit.adapters.onnx_external`)."""
MOST_BESIDE = 20_000
"""Files of a folder that are looked at."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A suspect and its content, as it was when it was looked at."""

    name: str
    content: str
    """Its adapter and its digest; of what is no readable file, its adapter and its name."""
    digest: str | None = None
    """The file's, if its content is that file alone."""
    source: str = ""
    """The file's path."""
    stamp: Stamp | None = None
    """The file's; None: there is none that can be read."""

    @property
    def is_current(self) -> bool:
        """Whether the file has not changed since."""
        return self.stamp is None or stamp_of(self.source) == self.stamp


def identity(name: str, book: Book) -> Identity:
    """Find out what a suspect's content is; a file that was seen before is not read again.

    Raises:
        LedgerError: The ledger can't be used.
    """
    try:
        suspect = identified(name)
    except AuditkitError:
        return Identity(name, f"unknown {name}")
    adapter, source = suspect.adapter, suspect.source
    stamp = None if "://" in source or suspect.kind.own_code else stamp_of(source)
    if stamp is None or stamp[0] > LARGEST_FILE:
        return Identity(name, f"{adapter} {name}")
    try:
        digest, refers = _digest(source, stamp, book)
        beside = _beside(source, book) if refers and suspect.kind.reads_beside else ""
    except OSError:
        return Identity(name, f"{adapter} {name}")
    if suspect.kind.remote:  # the same description may say more, such as a header, by its place
        return Identity(name, f"{adapter} {digest} {name}", None, source, stamp)
    if beside:
        return Identity(
            name, f"{adapter} {sha256(f'{digest} {beside}'.encode())}", None, source, stamp
        )
    return Identity(name, f"{adapter} {digest}", digest, source, stamp)


def stamp_of(path: str) -> Stamp | None:
    """Return a regular file's stamp; None if there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - many files
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(found.st_mode):  # a pipe would be waited for
        return None
    return found.st_size, found.st_mtime_ns, found.st_ino


def _digest(path: str, stamp: Stamp, book: Book) -> tuple[str, bool]:
    """Return the digest of a file, and whether it may name others."""
    place = str(Path(path).absolute())
    known = book.digest(place, stamp)
    if known is not None:
        return known
    digest, refers, last = hashlib.sha256(), False, b""
    with Path(path).open("rb", buffering=0) as file:
        while block := file.read(BLOCK):
            digest.update(block)
            refers = refers or REFERENCE in last + block
            last = block[-len(REFERENCE) :]
    found = f"sha256:{digest.hexdigest()}"
    book.keep_digest(place, stamp, found, refers=refers)
    return found, refers


def _beside(path: str, book: Book) -> str:
    """Return names and digests of the files below a file's folder whose names occur in it."""
    data, folder = Path(path).read_bytes(), Path(path).parent
    lines = []
    for one in sorted(itertools.islice(folder.rglob("*"), MOST_BESIDE)):
        stamp = stamp_of(str(one)) if one.name.encode(errors="replace") in data else None
        if stamp is not None and one.name != Path(path).name:
            digest, _ = _digest(str(one), stamp, book)
            lines.append(f"{one.relative_to(folder).as_posix()} {digest}")
    return "\n".join(lines)
