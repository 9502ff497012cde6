"""DeepCore's first identification: how often the suspect gives the owner's label on core points.

Works with labels alone. The default thresholds were measured on modified copies and innocent models
(docs/verdicts.md); they carry no error rate.
"""

from auditkit.core.evidence import Evidence
from auditkit.core.points import CORE
from auditkit.core.verdicts import Decision, Identification, Reason, ReasonCode
from auditkit.files.bundle import Bundle
from auditkit.judging.identification.base import agreement, strangers

__all__ = ["weigh_labels"]

NAME = "label_similarity"
PIRATED_FROM = 0.85
"""Least share of core points on which a modified copy was seen to agree, uncalibrated."""
ROBUST_FROM = 0.90
"""The same of points that survive compression or resizing: an innocent was seen at 0.88."""
HOMOLOGOUS_BELOW = 0.60
"""Most innocent models stay below, all of them below `PIRATED_FROM`; between is no man's land."""


def weigh_labels(bundle: Bundle, evidence: Evidence) -> Identification:
    """Compare the share of matching labels with the thresholds and with known strangers."""
    made = bundle.fingerprint
    core = made.sheet.rows(CORE)
    labels, answers = made.sheet.labels[core], evidence.answers.at(core)
    if not answers.answered.any():
        return Identification(NAME, Decision.INCONCLUSIVE, Reason(ReasonCode.NO_ANSWERS))
    value = agreement(labels, answers)
    known = [agreement(labels, r.answers.at(core)) for r in strangers(bundle.references)]
    least = ROBUST_FROM if made.parameters.get("robust") else PIRATED_FROM
    # A suspect must be closer to the owner than to the closest model that is known to be innocent.
    threshold = max([least, *((1 + share) / 2 for share in known)])
    facts = {"share": value, "from": threshold, "below": HOMOLOGOUS_BELOW}
    if value >= threshold:
        says, code = Decision.PIRATED, ReasonCode.SHARES_AS_COPIES
    elif value < HOMOLOGOUS_BELOW:
        says, code = Decision.HOMOLOGOUS, ReasonCode.SHARES_AS_INDEPENDENT
    else:
        says, code = Decision.INCONCLUSIVE, ReasonCode.SHARES_BETWEEN
    return Identification(NAME, says, Reason(code, facts), value, threshold)
