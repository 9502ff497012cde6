"""Sequential audits: asking stops as soon as the reference models decide.

Every look at the answers is paid for in the p-values (judging/calibration/score.py), so that
stopping early costs no error rate.
"""

from collections import Counter

from auditkit.adapters.base import Kind
from auditkit.core.errors import CalibrationError
from auditkit.core.evidence import Evidence
from auditkit.core.models import ReferenceKind
from auditkit.core.progress import Progress, silent
from auditkit.core.requests import Asking
from auditkit.core.verdicts import Decision
from auditkit.files.bundle import Bundle
from auditkit.judging.calibration.comparison import comparable
from auditkit.judging.calibration.conformal import needed
from auditkit.judging.calibration.score import look_schedule
from auditkit.judging.judge import judge
from auditkit.suspects.interview import OPENING, Interview


def check_references(bundle: Bundle, asking: Asking) -> None:
    """Make sure that a sequential audit has reference models to decide by.

    Raises:
        CalibrationError: It was asked for, and has too few.
    """
    missing = _missing_references(bundle) if asking.sequential else ""
    if missing:
        raise CalibrationError(
            f"--sequential decides by reference models: {missing}; add them with auditkit calibrate"
        )


def is_sequential(bundle: Bundle, kind: Kind, asking: Asking) -> bool:
    """Return whether a suspect of this kind is asked one by one.

    Unless the user says, that is where it saves queries to somebody's server and the reference
    models carry it.
    """
    if asking.sequential is not None:
        return asking.sequential
    return kind.remote and not _missing_references(bundle)


def ask_in_turn(bundle: Bundle, interview: Interview, progress: Progress = silent) -> Evidence:
    """Ask some controls, settle the preprocessing, then go on until the answers decide.

    Raises:
        QueryError: The suspect fails to answer, or answers nonsense.
    """
    interview.ask(interview.controls[:OPENING], progress)
    interview.recognise(progress)
    return one_by_one(bundle, interview, progress)


def one_by_one(bundle: Bundle, interview: Interview, progress: Progress = silent) -> Evidence:
    """Ask in the sheet's order until the reference models decide, or to the end.

    Raises:
        QueryError: The suspect fails to answer, or answers nonsense.
    """
    for count in look_schedule(bundle.fingerprint.sheet.questions).tolist():
        interview.ask(range(count), progress)
        # What a suspect reveals may grow with its answers, and looks must stay comparable.
        interview.settle_access()
        if judge(bundle, interview.evidence(count)).decision is not Decision.INCONCLUSIVE:
            break
    # Repeats come last: before, they would only delay the answers that decide.
    interview.repeat()
    return interview.evidence(count)


def _missing_references(bundle: Bundle) -> str:
    """Say which kind of reference models is too few for a verdict; empty if neither is."""
    if bundle.fingerprint.line_up.claimed:
        return ""
    known = Counter(reference.kind for reference in comparable(bundle))
    for kind, level in (
        (ReferenceKind.HOMOLOGOUS, bundle.terms.accuse),
        (ReferenceKind.PIRATED, bundle.terms.acquit),
    ):
        if known[kind] < needed(level):
            return (
                f"{needed(level)} {kind} are needed for {level:.0%}, the bundle has {known[kind]}"
            )
    return ""
