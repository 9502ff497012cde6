"""What to do next, in fixed sentences, by the outcome and what it rests on."""

from collections.abc import Iterator

from auditkit.core.verdicts import Decision, Outcome, ReasonCode, Refusal, Verdict
from auditkit.reports.base import Report

BY_CODE: dict[str, str] = {
    ReasonCode.LIKE_A_TWIN: "Find out who had that twin, and train new twins that nobody else has.",
    ReasonCode.NOT_OUTSTANDING: (
        "Ask for more: probabilities instead of labels, all points (--whole), or more twins."
    ),
    ReasonCode.COPIES_UNSEEN: (
        "Ask for more: probabilities instead of labels, or make a fingerprint with more twins."
    ),
    ReasonCode.OPINIONS_CONTRADICT: "Make a fingerprint with twins, and let the line-up decide.",
    ReasonCode.NOT_DISCRIMINATING: "Make a fingerprint with twins, and check again.",
    ReasonCode.UNMEASURED: "Make the fingerprint again with --samples and twins.",
    ReasonCode.PARTLY_ASKED: "Ask all points, or make a fingerprint with twins.",
    ReasonCode.OTHER_CLASSES: "Ask about the suspect's task: it does not answer the owner's.",
    ReasonCode.OTHER_LABELS: "Ask about the suspect's task: it does not answer the owner's.",
    ReasonCode.FEW_ANSWERS: "Find out why points got no answer, and ask again.",
    ReasonCode.ROWS_UNBOUND: "Have the answers recorded again, each with its query.",
    ReasonCode.CONTROLS_FAILED: (
        "Find out which inputs the suspect expects: its task, preprocessing and class order."
    ),
    ReasonCode.ANSWERS_CHANGE: "Ask for a file or for logs of the suspect; it answers differently "
    "each time.",
}


def next_steps(report: Report, outcome: Outcome) -> Iterator[str]:
    """Yield one to four sentences on what to do with an outcome."""
    if isinstance(outcome, Refusal):
        yield "Mend what the reason names, and check again."
        return
    yield from _by_decision(report, outcome)
    if outcome.line_up is None:
        yield (
            "Train twins of the owner (auditkit twins) and check again: without them no error "
            "rate is known."
        )
    elif not outcome.calibrated:
        yield "Make twins for which the owner passes (auditkit twins), and check again."


def _by_decision(report: Report, verdict: Verdict) -> Iterator[str]:
    if verdict.decision is Decision.PIRATED:
        yield "Keep the suspect's bytes and its answers (check --evidence, signed with --key)."
        if not report.commitment.key:
            yield "Ask the accuser for a signed and time-stamped bundle (auditkit sign)."
        yield (
            "Have somebody else check the bundle: auditkit regenerate with the owner's model, "
            "auditkit screen with models of their own."
        )
        yield "Ask whoever has the suspect where it came from, and whether there was a licence."
    elif verdict.decision is Decision.HOMOLOGOUS:
        yield (
            "Nothing, unless a kind of copy that is not excluded is alleged: then ask for the "
            "suspect's file, or for probabilities instead of labels."
        )
    else:
        # A plug-in may have brought a code of its own.
        yield BY_CODE.get(verdict.reason.code, "Ask for the suspect's file, or for more answers.")
