"""Examines one suspect: opens, asks and judges it.

`examine` is total, so that one suspect never ends the audit of the others.
"""

import contextlib
import time
from dataclasses import dataclass, replace

from auditkit.adapters import Suspect
from auditkit.adapters.base import Adapter, Object
from auditkit.adapters.live import name_of, suspected
from auditkit.adapters.wire.addresses import shown
from auditkit.core.access import Access
from auditkit.core.errors import BudgetError, QueryError
from auditkit.core.evidence import Evidence
from auditkit.core.models import SuspectRecord
from auditkit.core.progress import Progress, silent
from auditkit.core.requests import Asking, Patience
from auditkit.core.verdicts import Examination, Refusal
from auditkit.files.bundle import Bundle
from auditkit.files.journal import Journal
from auditkit.files.signing import keys
from auditkit.judging.judge import check_identifications, judge
from auditkit.suspects.client import Client
from auditkit.suspects.closest import Read, closest
from auditkit.suspects.interview import Interview
from auditkit.suspects.isolation.isolated import opened
from auditkit.suspects.log import Log, Memory
from auditkit.suspects.patience import NOBODY_PATIENCE, Pace, patiently
from auditkit.suspects.readings import MOST_READ, Reading
from auditkit.suspects.seen_weights import seen_weights, weighed
from auditkit.suspects.sequential import ask_in_turn, check_twins, is_sequential
from auditkit.suspects.transcript import Transcript

LONGEST_FREE = 60.0
"""Seconds that a file may take to answer the natural points, unless the user wants them anyway."""
OPENING_PATIENCE = 5.0
"""Seconds for which a suspect that is out of reach is tried when it is opened."""


def examine(
    bundle: Bundle, suspect: Object, asking: Asking = Asking(), progress: Progress = silent
) -> Examination:
    """Open, ask and judge one suspect.

    It never raises but KeyboardInterrupt: whatever a suspect, an adapter, an identification or a
    file throws becomes a refusal with a code. What goes in and comes out can be pickled, where the
    suspect is named, so that the same function runs in a worker.

    Args:
        bundle: Whose points are asked.
        suspect: As users name it: a file, an address, `python:module:function`. Or an object of
            this process: a function, a torch module, an onnxruntime session.
        asking: How much is asked, and how.
        progress: Told how far it is.
    """
    name = name_of(suspect)
    evidence = None
    try:
        evidence = query(bundle, suspect, asking, progress)
        return Examination(name, judge(bundle, evidence), evidence)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a stranger's code may raise anything, SystemExit included
        return Examination(name, Refusal.of(name, error), evidence)


def query(
    bundle: Bundle, suspect: Object, asking: Asking = Asking(), progress: Progress = silent
) -> Evidence:
    """Ask a suspect about the bundle's points: all of them, or one by one until they decide.

    Raises:
        SuspectError: It can't be opened, does not fit, or fails to answer.
        BundleError: A sequential audit has no twins to decide by.
        PluginError: The suspect's adapter or one of the bundle's identifications is missing.
        JournalError: The journal can't be used.
    """
    check(bundle, asking)
    found = suspected(suspect)
    made = bundle.fingerprint
    options = replace(asking.options, classes=made.owner.classes, points=made.sheet.points)
    adapter = reached(found, replace(asking, options=options))
    try:
        return ask(bundle, found, adapter, asking, progress)
    finally:
        closed(adapter)


def check(bundle: Bundle, asking: Asking) -> None:
    """Check that what a bundle needs is there, before anything is opened.

    Queries to somebody's API must not be spent in vain.

    Raises:
        BundleError: A sequential audit has no twins to decide by.
        PluginError: One of the bundle's identifications is missing.
    """
    check_twins(bundle, asking)
    check_identifications(bundle)


def reached(found: Suspect, asking: Asking) -> Adapter:
    """Open a suspect, and wait a little for one that is out of reach.

    Raises:
        SuspectError: It can't be opened.
        MissingRuntimeError: A package that its adapter needs is not installed.
    """
    return patiently(
        lambda: opened(found, asking.options),
        min(OPENING_PATIENCE, asking.patience.longest),
        Pace(asking.patience.rate),
        NOBODY_PATIENCE,
    )


def ask(
    bundle: Bundle, found: Suspect, adapter: Adapter, asking: Asking, progress: Progress = silent
) -> Evidence:
    """Ask a suspect that is open about the bundle's points; it stays open.

    Raises:
        SuspectError: It does not fit, or fails to answer.
        JournalError: The journal can't be used.
        SigningKeyError: The auditor's key can't be read.
    """
    options = replace(asking.options, classes=bundle.fingerprint.owner.classes)
    asking = replace(asking, options=options)
    if not adapter.port.answers:
        return weighed(bundle, _record(found, adapter), adapter)
    with contextlib.ExitStack() as stack:
        # Files are asked anew at no cost; only answers from elsewhere are worth a journal.
        kept = asking.journal if adapter.port.digest is None else None
        signer = None if asking.key is None else keys.private(asking.key)
        journal = None if kept is None else Journal(kept, signer)
        if journal is not None:
            stack.enter_context(contextlib.closing(journal))
        script = None if signer is None else Transcript(journal or Memory())
        log = script or journal or Memory()
        evidence = _Hearing(bundle, found, adapter, asking, progress).of_every_output(log)
        heard = () if script is None else script.heard
        evidence = replace(evidence, weights=seen_weights(bundle, adapter), heard=heard)
        if journal is not None:
            evidence = _sealed(evidence, journal, adapter.port.identity)
    return evidence


def _record(found: Suspect, adapter: Adapter) -> SuspectRecord:
    runtime = dict(adapter.runtime)
    if not found.kind.remote:
        runtime.setdefault("isolation", "none")
    return SuspectRecord(shown(found.source), adapter.port.digest, found.adapter, runtime)


@dataclass(frozen=True, slots=True, eq=False)
class _Hearing:
    """An opened suspect, and how it is asked."""

    bundle: Bundle
    suspect: Suspect
    adapter: Adapter
    asking: Asking
    progress: Progress

    def of_every_output(self, log: Log) -> Evidence:
        """Ask for each output that could be the owner's; the closest to the owner counts.

        Raises:
            QueryError: It fails to answer by the first of them.
        """
        client = self._client(log)
        read = [self._said(client)]
        more = [self._client(log, reading) for reading in client.readings[1:MOST_READ]]
        with contextlib.suppress(QueryError):
            read.extend(map(self._said, more))
        if not client.readings:  # it has one output, or all of its answers were in the journal
            return read[0]
        pairs = zip(client.readings, read, strict=False)
        found = closest(self.bundle, [Read(*pair) for pair in pairs], client.outputs)
        return replace(found, sent=sum(one.sent for one in (client, *more)))

    def _client(self, log: Log, reading: Reading | None = None) -> Client:
        options = self.asking.options
        return Client(
            self.adapter,
            self.bundle.fingerprint.spec,
            self.asking.patience,
            log,
            resize=options.resize,
            classes=options.classes,
            output=options.output,
            reading=reading,
        )

    def _said(self, client: Client) -> Evidence:
        asking, record = self.asking, _record(self.suspect, self.adapter)
        name = record.name
        interview = Interview(self.bundle, client, record, asking.access)
        try:
            if is_sequential(self.bundle, self.suspect.kind, asking):
                return ask_in_turn(self.bundle, interview, self.progress)
            return _ask_at_once(self.bundle, interview, asking, self.progress)
        except BudgetError as error:
            return _cut_short(interview, name, error)
        except QueryError as error:
            kept = asking.journal if record.digest is None else None
            where = "" if kept is None else f"; answers so far are kept in {str(kept)!r}"
            raise QueryError(f"{name!r}: {error}{where}") from error


def closed(adapter: Adapter) -> None:
    """Close a suspect, whatever it does."""
    # A suspect that has answered everything is not refused because it fails to end.
    with contextlib.suppress(Exception):
        adapter.close()


def _ask_at_once(
    bundle: Bundle, interview: Interview, asking: Asking, progress: Progress
) -> Evidence:
    """Ask what every suspect is asked, and a file the natural points too, which cost nothing."""
    sheet = bundle.fingerprint.sheet
    rows = range(sheet.questions)
    started = time.monotonic()
    interview.ask(rows, progress)
    interview.recognise(progress)
    interview.ask(rows, progress)
    took = time.monotonic() - started
    free = range(sheet.questions, len(sheet))
    quick = took * len(free) <= LONGEST_FREE * sheet.questions
    if asking.thorough or (asking.thorough is None and interview.is_file and quick):
        interview.ask(free, progress)
    # At the end, when a suspect that is exchanged meanwhile has been exchanged.
    interview.repeat()
    return interview.evidence()


def _cut_short(interview: Interview, source: str, error: BudgetError) -> Evidence:
    """Return the evidence of the answers so far, as of a suspect that was asked one by one."""
    # Answers after a gap belong to another order of asking, which no error rate covers.
    leading = interview.leading()
    if not leading:
        raise QueryError(f"{source!r}: {error} before enough was answered; raise --budget")
    evidence = interview.evidence(leading)
    return replace(evidence, notes=(*evidence.notes, f"{error}; the audit ended there"))


def _sealed(evidence: Evidence, journal: Journal, endpoint: str) -> Evidence:
    """Bind the evidence to the journal's last entry, and so to every entry before it."""
    runtime = {
        **evidence.suspect.runtime,
        "points sent": str(journal.spent(endpoint)),
        "journal": f"sha256:{journal.head}",
    }
    return replace(evidence, suspect=replace(evidence.suspect, runtime=runtime))


def ask_opened(
    bundle: Bundle, adapter: Adapter, record: SuspectRecord, access: Access = Access.LOGITS
) -> Evidence:
    """Ask all points once, of a suspect that is already open, taken as it is.

    Raises:
        QueryError: It fails to answer, or answers nonsense.
        SuspectMismatchError: It takes other inputs than the points.
    """
    interview = meet(bundle, adapter, record, access)
    interview.ask(range(len(interview)))
    return interview.evidence()


def meet(
    bundle: Bundle, adapter: Adapter, record: SuspectRecord, access: Access = Access.LOGITS
) -> Interview:
    """Begin the interview of a suspect that is already open; nothing is asked yet."""
    made = bundle.fingerprint
    client = Client(adapter, made.spec, Patience(), Memory(), classes=made.owner.classes)
    return Interview(bundle, client, record, access)
