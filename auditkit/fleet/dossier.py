"""Reports from a ledger: nobody is asked again, and no suspect is opened.

Verdicts are those that the scan kept. Where the bundle is still there, agreement by family of
points and the tree of suspects that answer alike are shown as well: they need points and answers
together.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from auditkit.core.errors import AuditkitError, EvidenceError, LedgerError
from auditkit.core.evidence import Evidence
from auditkit.core.provenance import now
from auditkit.files import bundle as bundles
from auditkit.files import evidence as files
from auditkit.files.bundle import Bundle
from auditkit.fleet.ledger import Ledger, Pair
from auditkit.reports.base import Report
from auditkit.reports.beside import Beside
from auditkit.reports.build import corrected
from auditkit.reports.reading import read_report

LISTED = 10
"""Bundles that an error names."""


def chosen(ledger: Ledger, wanted: str) -> str:
    """Return the digest of the bundle that a report is on.

    Args:
        ledger: Where it was scanned with.
        wanted: Its path as the ledger has it, the path's end, or the beginning of its digest;
            empty: the ledger has one bundle alone.

    Raises:
        LedgerError: There is none, or several.
    """
    judged = {bundle for bundle, *_ in ledger.rows("SELECT DISTINCT bundle FROM pairs")}
    known = {digest: path for digest, path in ledger.bundles().items() if digest in judged}
    fitting = [
        digest
        for digest, path in known.items()
        if not wanted
        or wanted in (path, Path(path).name)
        or digest.removeprefix("sha256:").startswith(wanted.removeprefix("sha256:"))
    ]
    if len(fitting) == 1:
        return fitting[0]
    listed = ", ".join(sorted(known.values())[:LISTED])
    more = f" and {len(known) - LISTED} more" if len(known) > LISTED else ""
    if not known:
        raise LedgerError("the ledger holds no verdict yet; auditkit scan writes them")
    got = f"{len(fitting)} fit {wanted!r}" if wanted else f"it holds {len(known)}"
    raise LedgerError(f"a report is on one bundle, {got}; name one with --bundle: {listed}{more}")


def latest(pairs: Sequence[Pair]) -> list[Pair]:
    """Return one pair for each suspect, that which was judged last, by name."""
    found: dict[str, Pair] = {}
    for pair in sorted(pairs, key=lambda one: one.at):
        found[pair.suspect] = pair
    return [found[name] for name in sorted(found)]


def dossier(
    ledger: Ledger, pairs: Sequence[Pair], *, pictures: bool = False, command: str = ""
) -> Report:
    """Return the report on pairs of one bundle.

    Args:
        ledger: Where they are.
        pairs: At least one, all of one bundle.
        pictures: Whether core points are shown, if the bundle is at hand.
        command: The command line that asked for the report, without secrets.

    Raises:
        LedgerError: The ledger can't be read, or was changed.
    """
    reports = [told(ledger, pair) for pair in pairs]
    outcomes = tuple(report.outcomes[0] for report in reports)
    newest = max(zip(pairs, reports, strict=True), key=lambda both: both[0].at)[1]
    made = replace(
        newest,
        outcomes=outcomes,
        generated=now(),
        corrected=corrected(outcomes),
        command=command,
    )
    bundle = at_hand(ledger, pairs[0].bundle)
    if bundle is None:
        return made
    beside = Beside(bundle, pictures)
    for outcome, said in zip(outcomes, answers(ledger, pairs, bundle), strict=True):
        beside.add(outcome, said)
    return replace(made, compared=tuple(beside.compared), lineage=beside.lineage())


def told(ledger: Ledger, pair: Pair) -> Report:
    """Return the report on one pair as the scan kept it.

    Raises:
        LedgerError: The ledger can't be read, or was changed.
    """
    try:
        return read_report(ledger.verdict(pair))
    except EvidenceError as error:
        raise LedgerError(f"the verdict on {pair.suspect!r} can't be read: {error}") from error


def at_hand(ledger: Ledger, digest: str) -> Bundle | None:
    """Return a bundle of a ledger; None if it is no longer where the scan found it."""
    path = ledger.bundles().get(digest)
    try:
        found = None if path is None else bundles.read(path)
    except AuditkitError:
        return None
    return found if found is not None and found.digest == digest else None


def answers(ledger: Ledger, pairs: Sequence[Pair], bundle: Bundle) -> Iterator[Evidence | None]:
    """Yield what the suspect of each pair answered; None if it was refused before.

    Raises:
        LedgerError: Answers were changed after they were kept.
    """
    for pair in pairs:
        data = ledger.evidence(pair)
        try:
            yield None if data is None else files.read(pair.suspect, bundle, data)
        except EvidenceError as error:
            raise LedgerError(f"the answers of {pair.suspect!r} can't be read: {error}") from error
