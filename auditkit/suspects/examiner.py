"""One suspect is asked: opened, recognised, asked in one way or the other, and let go."""

import contextlib
from collections import Counter
from dataclasses import replace

from auditkit.adapters import REMOTE, open_suspect, split
from auditkit.adapters.base import Adapter
from auditkit.adapters.wire.addresses import shown
from auditkit.core.access import Access
from auditkit.core.errors import BudgetError, CalibrationError, QueryError
from auditkit.core.evidence import Evidence
from auditkit.core.models import ReferenceKind, SuspectRecord
from auditkit.core.points import InputSpec
from auditkit.core.progress import Progress, silent
from auditkit.core.requests import Asking, Patience
from auditkit.core.verdicts import Decision
from auditkit.files.bundle import Bundle
from auditkit.files.journal import Journal
from auditkit.judging.calibration.comparison import comparable
from auditkit.judging.calibration.conformal import needed
from auditkit.judging.calibration.score import look_schedule
from auditkit.judging.judge import judge
from auditkit.suspects.client import Courier, Pace, patiently
from auditkit.suspects.interview import OPENING, Interview, Open

OPENING_PATIENCE = 5.0
"""Seconds for which a suspect that is out of reach is tried when it is opened."""


def query(
    bundle: Bundle, suspect: str, asking: Asking = Asking(), progress: Progress = silent
) -> Evidence:
    """Ask a suspect about the bundle's points: all of them, or one by one until they decide.

    Raises:
        SuspectError: It can't be opened, does not fit, or fails to answer.
        CalibrationError: A sequential audit has no reference models to decide by.
    """
    if asking.sequential:
        _check_sequential(bundle)
    kind, source = split(suspect)
    spec, classes = bundle.fingerprint.spec, bundle.fingerprint.owner.classes
    asking = replace(asking, options=replace(asking.options, classes=classes))
    way = _in_turn if _sequential(bundle, kind, asking) else _at_once
    with contextlib.ExitStack() as stack:
        adapter = _opened(suspect, spec, asking)
        stack.callback(adapter.close)
        kept = asking.journal if adapter.digest is None else None
        journal = Journal(kept)
        stack.callback(journal.close)

        def reopen(other: InputSpec) -> Courier:
            return Courier(_opened(suspect, other, asking), other, asking.patience, journal)

        record = SuspectRecord(shown(source), adapter.digest, kind, dict(adapter.runtime))
        courier = Courier(adapter, spec, asking.patience, journal)
        interview = Interview(bundle, courier, record, asking.access)
        stack.callback(interview.close)
        try:
            evidence = way(bundle, interview, reopen, progress)
        except BudgetError as error:
            evidence = _cut_short(interview, record.name, error)
        except QueryError as error:
            where = "" if kept is None else f"; answers so far are kept in {str(kept)!r}"
            raise QueryError(f"{record.name!r}: {error}{where}") from error
        return evidence if kept is None else _sealed(evidence, journal, adapter.identity)


def _opened(suspect: str, spec: InputSpec, asking: Asking) -> Adapter:
    return patiently(
        lambda: open_suspect(suspect, spec, asking.options),
        min(OPENING_PATIENCE, asking.patience.longest),
        Pace(asking.patience.rate),
    )


def _sequential(bundle: Bundle, kind: str, asking: Asking) -> bool:
    if asking.sequential is not None:
        return asking.sequential
    return kind in REMOTE and not _missing_references(bundle)


def _at_once(_bundle: Bundle, interview: Interview, reopen: Open, progress: Progress) -> Evidence:
    interview.ask(interview.order, progress)
    interview.recognise(reopen, progress)
    interview.ask(interview.order, progress)
    interview.repeat()
    return interview.evidence()


def _in_turn(bundle: Bundle, interview: Interview, reopen: Open, progress: Progress) -> Evidence:
    interview.ask(interview.controls(OPENING), progress)
    interview.recognise(reopen, progress)
    return one_by_one(bundle, interview, progress)


def _cut_short(interview: Interview, source: str, error: BudgetError) -> Evidence:
    """What can be said with the answers so far, as of one who was asked one by one."""
    leading = interview.leading()
    if not leading:
        raise QueryError(f"{source!r}: {error} before enough was answered; raise --budget")
    evidence = interview.evidence(leading)
    return replace(evidence, notes=(*evidence.notes, f"{error}; the audit ended there"))


def _sealed(evidence: Evidence, journal: Journal, endpoint: str) -> Evidence:
    """Bound to the journal's last entry, and so to every one before."""
    runtime = {
        **evidence.suspect.runtime,
        "points sent": str(journal.spent(endpoint)),
        "journal": f"sha256:{journal.head}",
    }
    return replace(evidence, suspect=replace(evidence.suspect, runtime=runtime))


def one_by_one(bundle: Bundle, interview: Interview, progress: Progress = silent) -> Evidence:
    """Ask in the bundle's order until the reference models decide, or to the end.

    Raises:
        QueryError: The suspect fails to answer, or answers nonsense.
    """
    for count in look_schedule(len(interview.order)):
        interview.ask(interview.order[:count], progress)
        interview.settle_access()
        if judge(bundle, interview.evidence(int(count))).decision is not Decision.INCONCLUSIVE:
            break
    interview.repeat()
    return interview.evidence(int(count))


def _check_sequential(bundle: Bundle) -> None:
    missing = _missing_references(bundle)
    if missing:
        raise CalibrationError(
            f"--sequential decides by reference models: {missing}; add them with auditkit calibrate"
        )


def _missing_references(bundle: Bundle) -> str:
    """Which kind is too few for a verdict at the bundle's levels; empty where none is."""
    known = Counter(r.kind for r in comparable(bundle.fingerprint, bundle.references))
    for kind, level in (
        (ReferenceKind.HOMOLOGOUS, bundle.terms.accuse),
        (ReferenceKind.PIRATED, bundle.terms.acquit),
    ):
        if known[kind] < needed(level):
            return (
                f"{needed(level)} {kind} are needed for {level:.0%}, the bundle has {known[kind]}"
            )
    return ""


def ask(
    bundle: Bundle,
    adapter: Adapter,
    record: SuspectRecord,
    *,
    access: Access = Access.LOGITS,
    progress: Progress = silent,
) -> Evidence:
    """All points once, of a suspect that is already open, taken as it is.

    Raises:
        QueryError: It fails to answer, or answers nonsense.
    """
    interview = met(bundle, adapter, record, access)
    interview.ask(interview.order, progress)
    return interview.evidence()


def met(bundle: Bundle, adapter: Adapter, record: SuspectRecord, access: Access) -> Interview:
    """The interview of a suspect that is already open; nothing is asked yet."""
    courier = Courier(adapter, bundle.fingerprint.spec, Patience(), Journal())
    return Interview(bundle, courier, record, access)
