"""Label similarity, DeepCore's first identification (Sun, Zhang, Li; arXiv 2411.00380).

The value is the share of core points on which the suspect gives the owner's label. It needs labels
only. The default thresholds were measured on modified copies and innocent models of other owners
(docs/measured/verdicts.md); they carry no error rate.
"""

from auditkit.core.evidence import Evidence
from auditkit.core.points import CORE
from auditkit.core.verdicts import Decision, Identification, Reason, ReasonCode
from auditkit.files.bundle import Bundle
from auditkit.judging.identification.base import agreement, strangers

__all__ = ["weigh_labels"]

NAME = "label_similarity"
PIRATED_FROM = 0.85
"""Least share, 0..1, for "pirated"; nearly all working modified copies measured reach it."""
ROBUST_FROM = 0.90  # innocents share more of such points: one was measured at 0.88
"""The same for points made to survive compression or resizing (`fingerprint --robust`)."""
# 0.60 and not 0.70: between the two lie innocents of the owner's architecture as well as distilled
# and adversarially fine-tuned copies, and labels can't tell those apart (docs/decisions/0002).
HOMOLOGOUS_BELOW = 0.60
"""Below this share, 0..1, it says "homologous"; up to the other threshold it says nothing."""


def weigh_labels(bundle: Bundle, evidence: Evidence) -> Identification:
    """Compare the share of matching labels with the thresholds and with known innocents."""
    made = bundle.fingerprint
    core = made.sheet.rows(CORE)
    labels, answers = made.sheet.labels[core], evidence.answers.at(core)
    if not answers.answered.any():
        return Identification(NAME, Decision.INCONCLUSIVE, Reason(ReasonCode.NO_ANSWERS))
    value = agreement(labels, answers)
    known = [agreement(labels, r.answers.at(core)) for r in strangers(bundle.references)]
    least = ROBUST_FROM if made.robust else PIRATED_FROM
    # The threshold rises with the closest known innocent, to half of the way from it to the owner:
    # a suspect that is nearer to an innocent than to the owner must not be accused.
    threshold = max([least, *((1 + share) / 2 for share in known)])
    facts = {"share": value, "from": threshold, "below": HOMOLOGOUS_BELOW}
    if value >= threshold:
        says, code = Decision.PIRATED, ReasonCode.SHARES_AS_COPIES
    elif value < HOMOLOGOUS_BELOW:
        says, code = Decision.HOMOLOGOUS, ReasonCode.SHARES_AS_INDEPENDENT
    else:
        says, code = Decision.INCONCLUSIVE, ReasonCode.SHARES_BETWEEN
    return Identification(NAME, says, Reason(code, facts), value=value, threshold=threshold)
