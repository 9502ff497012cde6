"""Shared mistakes, the baseline AKH (Godinot et al., AAAI 2025).

The value is the share of the owner's natural mistakes that the suspect makes too. It is reported
because a fingerprint that does not beat this simple baseline is not worth making. It always
abstains: how many mistakes independent models share, nobody knows.
"""

from auditkit.core.evidence import Evidence
from auditkit.core.points import MISTAKE
from auditkit.core.verdicts import Identification, Reason, ReasonCode
from auditkit.files.bundle import Bundle
from auditkit.judging.identification.base import agreement

__all__ = ["weigh_mistakes"]

NAME = "mistakes"


def weigh_mistakes(bundle: Bundle, evidence: Evidence) -> Identification:
    """Return the share of the owner's natural mistakes that the suspect makes too, 0..1."""
    sheet = bundle.fingerprint.sheet
    rows = sheet.rows(MISTAKE)
    if not rows.any():
        return Identification(NAME, None, Reason(ReasonCode.NO_MISTAKES))
    answers = evidence.answers.at(rows)
    if not answers.answered.any():
        reason = Reason(ReasonCode.NO_ANSWERS, {"family": MISTAKE})
        return Identification(NAME, None, reason)
    value = agreement(sheet.labels[rows], answers)
    facts = {"share": value, "mistakes": int(rows.sum())}
    return Identification(NAME, None, Reason(ReasonCode.MISTAKES_SHARED, facts), value)
