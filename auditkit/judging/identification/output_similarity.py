"""DeepCore's second identification: how alike the whole rows of scores are on core points.

The measure is the mean cosine of centred log-probabilities. Centring removes softmax's constant, so
logits and probabilities of one model give the same value, and the cosine ignores temperature.
Probabilities are cut at 1e-7 on both sides, below which APIs round.
"""

import numpy as np

from auditkit.core.access import Access
from auditkit.core.arrays import FloatArray
from auditkit.core.evidence import Evidence
from auditkit.core.points import CORE
from auditkit.core.verdicts import Decision, Identification, Reason, ReasonCode
from auditkit.files.bundle import Bundle
from auditkit.judging.identification.base import centred, clipped

__all__ = ["weigh_outputs"]

NAME = "output_similarity"
PIRATED_FROM = 0.90
HOMOLOGOUS_BELOW = 0.60


def weigh_outputs(bundle: Bundle, evidence: Evidence) -> Identification:
    """Compare the mean cosine with the thresholds; abstain where scores are not revealed."""
    made, answers = bundle.fingerprint, evidence.answers
    if answers.scores is None or answers.access.rank < Access.PROBABILITIES.rank:
        reason = Reason(ReasonCode.NEEDS_PROBABILITIES, {"access": str(answers.access)})
        return Identification(NAME, None, reason)
    if evidence.classes != made.owner.classes:
        return Identification(NAME, None, Reason(ReasonCode.CLASSES_DIFFER))
    rows = made.sheet.rows(CORE) & answers.answered
    if not rows.any():
        return Identification(NAME, None, Reason(ReasonCode.NO_ANSWERS))
    value = float(_cosines(made.sheet.outputs[rows], answers.scores[rows]).mean())
    if value >= PIRATED_FROM:
        says, code = Decision.PIRATED, ReasonCode.SCORES_AS_COPIES
    elif value < HOMOLOGOUS_BELOW:
        says, code = Decision.HOMOLOGOUS, ReasonCode.SCORES_AS_INDEPENDENT
    else:
        says, code = Decision.INCONCLUSIVE, ReasonCode.SCORES_BETWEEN
    facts = {"cosine": value, "from": PIRATED_FROM, "below": HOMOLOGOUS_BELOW}
    return Identification(NAME, says, Reason(code, facts), value, PIRATED_FROM)


def _cosines(owner: FloatArray, suspect: FloatArray) -> FloatArray:
    first, second = centred(clipped(owner)), centred(clipped(suspect))
    norms = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    cosines: FloatArray = (first * second).sum(axis=1) / np.maximum(norms, 1e-12)
    return cosines
