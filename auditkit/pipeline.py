"""The whole flow on one page: fingerprint, calibrate, query, audit, judge."""

import contextlib
import importlib.metadata
import os
import platform
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from auditkit import fingerprints, identification
from auditkit.adapters import REMOTE, open_suspect, split
from auditkit.adapters.base import Adapter, Options
from auditkit.asking import OPENING, Asking, Interview, Open, layout
from auditkit.bundle import Bundle, now, with_references
from auditkit.calibration.comparison import comparable, compare
from auditkit.calibration.conformal import needed
from auditkit.calibration.score import look_schedule
from auditkit.courier import Courier, Pace, Patience, patiently
from auditkit.errors import (
    BudgetError,
    CalibrationError,
    EvidenceError,
    MissingRuntimeError,
    PluginError,
    QueryError,
    SuspectError,
)
from auditkit.inputs import write_queries
from auditkit.journal import Journal
from auditkit.order import Order, ReferencePlan
from auditkit.outcomes import Outcome, Refusal, Verdict
from auditkit.registry import load, names
from auditkit.remote.addresses import shown
from auditkit.types import (
    Access,
    Decision,
    Evidence,
    InputSpec,
    Reference,
    ReferenceKind,
    SuspectRecord,
)
from auditkit.verdict import decide

Progress = Callable[[str, int, int], None]
OPENING_PATIENCE = 5.0
"""Seconds for which a suspect that is out of reach is tried when it is opened."""


def silent(_stage: str, _done: int, _total: int) -> None:
    """The progress report of a library that never prints."""


def fingerprint(order: Order, progress: Progress = silent) -> Bundle:
    """Make a bundle from an owner's model (needs torch).

    Raises:
        OwnerError, SamplesError, FingerprintError: See `make_fingerprint`.
        MissingRuntimeError: torch is not installed.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning triples the time on busy cores
    try:
        from auditkit.owner.fingerprinting import make_fingerprint
    except ModuleNotFoundError as error:
        raise MissingRuntimeError(
            f"fingerprinting needs {error.name!r}, which is not installed: "
            "pip install 'model-auditkit[owner]'"
        ) from error
    made, references = make_fingerprint(order, progress)
    return Bundle(made, tuple(references), versions("numpy", "torch"), now())


def methods() -> dict[str, Any]:
    """Every way to find points, by name (needs torch).

    Raises:
        MissingRuntimeError: torch is not installed.
    """
    return {name: load(fingerprints, name) for name in names(fingerprints)}


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


def judge(bundle: Bundle, evidence: Evidence) -> Verdict:
    """Weigh what a suspect said; no suspect needed.

    Raises:
        EvidenceError: The evidence answers another bundle's points, or not all of them.
    """
    if evidence.bundle_digest != bundle.digest:
        raise EvidenceError(
            f"the evidence answers bundle {evidence.bundle_digest}, this one is {bundle.digest}; "
            "judge it with the bundle it was made with"
        )
    _check_answers(bundle, evidence)
    opinions = (
        load(identification, name)(bundle.fingerprint, bundle.references, evidence)
        for name in names(identification)
    )
    weighed = tuple(opinion for opinion in opinions if opinion is not None)
    comparison = compare(bundle.fingerprint, bundle.references, evidence)
    return decide(bundle, evidence, weighed, comparison)


def _check_answers(bundle: Bundle, evidence: Evidence) -> None:
    wanted = {name: len(family) for name, family in bundle.fingerprint.families.items()}
    got = {name: len(answers.labels) for name, answers in evidence.answers.items()}
    if wanted != got:
        raise EvidenceError(
            f"the evidence answers {got} points, the bundle has {wanted}; ask the suspect again"
        )
    total = sum(wanted.values())
    for count in (evidence.asked, evidence.spent):
        if count is not None and not 0 < count <= total:
            raise EvidenceError(
                f"the evidence says that {count} of {total} points were asked; "
                "ask the suspect again"
            )


def audit(
    bundle: Bundle,
    suspects: Iterable[str],
    asking: Asking = Asking(),
    progress: Progress = silent,
    keep: Callable[[Evidence], None] = lambda _evidence: None,
) -> list[Outcome]:
    """Query and judge each suspect; one that can't be audited becomes a refusal, not an end."""
    outcomes: list[Outcome] = []
    for suspect in suspects:
        try:
            evidence = query(bundle, suspect, asking, progress)
            keep(evidence)
            outcomes.append(judge(bundle, evidence))
        except (SuspectError, PluginError) as error:
            outcomes.append(Refusal(shown(suspect), str(error)))
    return outcomes


def references(order: Order, folder: Path, plan: ReferencePlan, progress: Progress = silent) -> str:
    """Train reference models for an owner (needs torch); returns what there is now, in a line.

    Raises:
        OwnerError, SamplesError, FingerprintError: See `make_references`.
        CalibrationError: The folder holds another owner's.
        MissingRuntimeError: torch is not installed.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        from auditkit.owner.references import make_references
    except ModuleNotFoundError as error:
        raise MissingRuntimeError(
            f"training reference models needs {error.name!r}, which is not installed: "
            "pip install 'model-auditkit[owner]'"
        ) from error
    made = make_references(order, folder, plan, progress)
    return f"{folder}: {made.told()}"


def calibrate(
    bundle: Bundle,
    homologous: Iterable[str],
    pirated: Iterable[str],
    *,
    options: Options = Options(),
    progress: Progress = silent,
) -> Bundle:
    """Ask models of known kind and keep their answers in the bundle.

    Raises:
        CalibrationError: A model is named twice, with both kinds, or is the owner's file.
        SuspectError: One of them can't be asked; nothing is kept then.
    """
    named = [
        (model, kind)
        for kind, models in (
            (ReferenceKind.HOMOLOGOUS, homologous),
            (ReferenceKind.PIRATED, pirated),
        )
        for model in models
    ]
    found = []
    for number, (model, kind) in enumerate(named):
        progress("asking reference models", number, len(named))
        found.append(_reference(query(bundle, model, Asking(options=options)), kind))
    return with_references(bundle, found)


def _reference(evidence: Evidence, kind: ReferenceKind) -> Reference:
    name = Path(evidence.suspect.name).name
    digest = evidence.suspect.digest or "unknown"
    return Reference(name, kind, digest, evidence.access, evidence.answers)


def queries(bundle: Bundle, path: Path) -> int:
    """Write what to ask a suspect that can't be reached; returns the number of points."""
    points, order = layout(bundle)
    write_queries(path, points[order], bundle.fingerprint.spec)
    return len(points)


def versions(*packages: str) -> dict[str, str]:
    """auditkit's, Python's and these packages' versions."""
    found = {"auditkit": importlib.metadata.version("model-auditkit")}
    found["python"] = platform.python_version()
    return found | {package: importlib.metadata.version(package) for package in packages}
