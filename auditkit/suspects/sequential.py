"""Sequential audits: asking stops as soon as the line-up decides.

The first member of the line-up that stands out settles it. To an innocent suspect each member is
equally likely to be that one, so stopping early costs no error rate (judging/lineup/panel.py).
"""

from auditkit.adapters.base import Kind
from auditkit.core.errors import BundleError
from auditkit.core.evidence import Evidence
from auditkit.core.progress import Progress, silent
from auditkit.core.requests import Asking
from auditkit.core.verdicts import Decision
from auditkit.files.bundle import Bundle
from auditkit.judging.judge import judge
from auditkit.judging.lineup.looks import look_schedule
from auditkit.suspects.interview import OPENING, Interview


def check_twins(bundle: Bundle, asking: Asking) -> None:
    """Make sure that a sequential audit has twins to decide by.

    Raises:
        BundleError: It was asked for, and the bundle has none, or the owner passes for none.
    """
    terms = bundle.fingerprint.line_up
    if asking.sequential and not terms.claimed:
        why = terms.doubt or f"the bundle has {terms.twins or 'no'} twins"
        raise BundleError(
            f"--sequential decides by a line-up among twins: {why}; make the bundle anew with "
            "auditkit fingerprint --twins"
        )


def is_sequential(bundle: Bundle, kind: Kind, asking: Asking) -> bool:
    """Return whether a suspect of this kind is asked one by one.

    Unless the user says, that is where it saves queries to somebody's server and the line-up can
    decide.
    """
    if asking.sequential is not None:
        return asking.sequential
    return kind.remote and bundle.fingerprint.line_up.claimed


def ask_in_turn(bundle: Bundle, interview: Interview, progress: Progress = silent) -> Evidence:
    """Ask some controls, settle the preprocessing, then go on until the answers decide.

    Raises:
        QueryError: The suspect fails to answer, or answers nonsense.
    """
    interview.ask(interview.controls[:OPENING], progress)
    interview.recognise(progress)
    return one_by_one(bundle, interview, progress)


def one_by_one(bundle: Bundle, interview: Interview, progress: Progress = silent) -> Evidence:
    """Ask in the sheet's order until the line-up accuses, or to the end.

    Raises:
        QueryError: The suspect fails to answer, or answers nonsense.
    """
    for count in look_schedule(bundle.fingerprint.sheet.questions).tolist():
        interview.ask(range(count), progress)
        # What a suspect reveals may grow with its answers, and looks must stay comparable.
        interview.settle_access()
        # An acquittal takes all answers: few of them look like an innocent's sooner than like a
        # copy's, and measured copies may have been milder than this suspect's changes.
        if judge(bundle, interview.evidence(count)).decision is Decision.PIRATED:
            break
    # Repeats come last: before, they would only delay the answers that decide.
    interview.repeat()
    return interview.evidence(count)
