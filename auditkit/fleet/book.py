"""The ledger as scans write it: digests, names, verdicts, and who is at which pair now.

A claim says which scan examines a pair. It ends when the verdict is kept, when its scan has ended
on this machine, or when it was not renewed in time.
"""

import os
import socket
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from auditkit.fleet.ledger import REFUSED, Ledger


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of one pair."""

    verdict: str
    code: str
    report: bytes
    """JSON, as `auditkit check -f json` prints it."""
    evidence: bytes | None
    """The answers, as an evidence file; None of a suspect that was refused before it answered."""


@dataclass(frozen=True, slots=True)
class Claimant:
    """Who claims pairs: one scan."""

    name: str = field(default_factory=lambda: uuid.uuid4().hex)
    host: str = field(default_factory=socket.gethostname)
    process: int = field(default_factory=os.getpid)


class Book(Ledger):
    """An open ledger that a scan writes. Its methods raise LedgerError where it can't be used."""

    def digest(self, path: str, stamp: tuple[int, int, int]) -> tuple[str, bool] | None:
        """Return a file's digest, and whether it names other files, if that is known.

        Args:
            path: The file's, absolute.
            stamp: Its size, time of change in ns, and inode; if one of them is another now,
                nothing is known.
        """
        rows = self.rows(
            "SELECT digest, refers FROM files "
            "WHERE path = ? AND size = ? AND modified = ? AND inode = ?",
            (path, *stamp),
        )
        return (str(rows[0][0]), bool(rows[0][1])) if rows else None

    def keep_digest(
        self, path: str, stamp: tuple[int, int, int], digest: str, *, refers: bool
    ) -> None:
        """Remember a file's digest."""
        with self.step() as file:
            file.execute(
                "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)",
                (path, *stamp, digest, refers),
            )

    def name_bundle(self, digest: str, path: str, owner: str) -> None:
        """Remember where a bundle lies, and whose it is."""
        with self.step() as file:
            file.execute("INSERT OR REPLACE INTO bundles VALUES (?, ?, ?)", (digest, path, owner))

    def name_suspect(self, name: str, content: str) -> None:
        """Remember what a suspect's name stands for now."""
        with self.step() as file:
            file.execute("INSERT OR REPLACE INTO suspects VALUES (?, ?)", (name, content))

    def settled(self, content: str, how: str) -> Mapping[str, tuple[str, str]]:
        """Return the verdict on a content and its code, by the bundle's digest."""
        rows = self.rows(
            "SELECT bundle, verdict, code FROM pairs WHERE content = ? AND how = ?", (content, how)
        )
        return {bundle: (verdict, code) for bundle, verdict, code in rows}

    def forget_refused(self, content: str, how: str, bundles: Iterable[str], before: str) -> None:
        """Remove the refusals of a content that were reached before a time, so that it is asked."""
        with self.step() as file:
            file.executemany(
                "DELETE FROM pairs WHERE content = ? AND how = ? AND bundle = ? "
                "AND verdict = ? AND at < ?",
                [(content, how, bundle, REFUSED, before) for bundle in bundles],
            )

    def claim(
        self,
        content: str,
        how: str,
        bundles: Sequence[str],
        claimant: Claimant,
        time: tuple[float, float],
    ) -> list[str]:
        """Claim those pairs that are not judged and that no other scan is at.

        Args:
            content: The suspect's.
            how: The way of asking.
            bundles: Digests.
            claimant: Who claims.
            time: Now, and when the claim ends unless it is renewed, in seconds since 1970.

        Returns:
            The bundles of the pairs that are the claimant's now.
        """
        present, until = time
        with self.step() as file:
            held = file.execute(
                "SELECT bundle, claimant, host, process, until FROM claims "
                "WHERE content = ? AND how = ?",
                (content, how),
            ).fetchall()
            taken = {
                bundle
                for bundle, name, host, process, end in held
                if name != claimant.name and end > present and not _has_ended(host, process)
            }
            rows = file.execute(
                "SELECT bundle FROM pairs WHERE content = ? AND how = ?", (content, how)
            )
            done = {bundle for (bundle,) in rows}
            free = [bundle for bundle in bundles if bundle not in taken | done]
            file.executemany(
                "INSERT OR REPLACE INTO claims VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    (bundle, content, how, claimant.name, claimant.host, claimant.process, until)
                    for bundle in free
                ],
            )
        return free

    def renew(self, claimant: Claimant, until: float) -> None:
        """Let all claims of a scan last longer."""
        with self.step() as file:
            file.execute("UPDATE claims SET until = ? WHERE claimant = ?", (until, claimant.name))

    def release(self, claimant: Claimant, content: str = "") -> None:
        """Give up a scan's claims: on one content, or all."""
        with self.step() as file:
            file.execute(
                "DELETE FROM claims WHERE claimant = ? AND (? = '' OR content = ?)",
                (claimant.name, content, content),
            )

    def keep(self, bundle: str, content: str, how: str, name: str, judged: Judged) -> None:
        """Keep what came of a pair, and end the claim on it; what is there already stays."""
        row = (bundle, content, how, name, judged.verdict, judged.code, moment())
        with self.step() as file:
            file.execute(
                "INSERT OR IGNORE INTO pairs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*row, judged.report, judged.evidence),
            )
            file.execute(
                "DELETE FROM claims WHERE content = ? AND bundle = ? AND how = ?",
                (content, bundle, how),
            )


def moment() -> str:
    """Return the time as the ledger notes it: ISO 8601, UTC, microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def _has_ended(host: str, process: int) -> bool:
    """Return whether the process was one of this machine that is no more."""
    if host != socket.gethostname():
        return False  # then only time tells
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
