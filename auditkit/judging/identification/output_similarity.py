"""DeepCore's second identification: how alike the whole rows of scores are on core points.

The measure is the mean cosine of centred log-probabilities. Centring removes softmax's constant, so
logits and probabilities of one model give the same value, and the cosine ignores temperature.
Probabilities are cut at 1e-7 on both sides, below which APIs round.
"""

import numpy as np

from auditkit.core.access import Access
from auditkit.core.arrays import FloatArray
from auditkit.core.evidence import Evidence
from auditkit.core.fingerprint import Fingerprint
from auditkit.core.models import Reference
from auditkit.core.points import CORE
from auditkit.core.verdicts import Decision, Identification
from auditkit.judging.identification.base import centred, clipped

__all__ = ["weigh_outputs"]

NAME = "output_similarity"
PIRATED_FROM = 0.90
HOMOLOGOUS_BELOW = 0.60


def weigh_outputs(
    fingerprint: Fingerprint, _references: tuple[Reference, ...], evidence: Evidence
) -> Identification:
    """Compare the mean cosine with the thresholds; abstain where scores are not revealed."""
    family, answers = fingerprint.families[CORE], evidence.answers[CORE]
    if answers.scores is None or evidence.access.rank < Access.PROBABILITIES.rank:
        return Identification(NAME, None, f"needs probabilities, the access is {evidence.access}")
    if evidence.classes != fingerprint.owner.classes:
        return Identification(NAME, None, "the suspect scores other classes than the owner")
    rows = answers.answered
    if not rows.any():
        return Identification(NAME, None, "the suspect answered no core point")
    value = float(_cosines(family.outputs[rows], answers.scores[rows]).mean())
    if value >= PIRATED_FROM:
        says, like = Decision.PIRATED, f"as modified copies' are ({PIRATED_FROM:.2f} or more)"
    elif value < HOMOLOGOUS_BELOW:
        says = Decision.HOMOLOGOUS
        like = f"as independent models' are (below {HOMOLOGOUS_BELOW:.2f})"
    else:
        says, like = Decision.INCONCLUSIVE, "which copies and independent models both reach"
    reason = f"scores on core points have a mean cosine of {value:.2f} to the owner's, {like}"
    return Identification(NAME, says, reason, value, PIRATED_FROM)


def _cosines(owner: FloatArray, suspect: FloatArray) -> FloatArray:
    first, second = centred(clipped(owner)), centred(clipped(suspect))
    norms = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    cosines: FloatArray = (first * second).sum(axis=1) / np.maximum(norms, 1e-12)
    return cosines
