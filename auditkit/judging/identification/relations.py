"""Relations between points, for suspects whose classes differ from the owner's.

Two answers of one model can be compared with each other, whatever its classes are (SAC; Guan et
al., NeurIPS 2022; ModelDiff; Li et al., ISSTA 2021). For each model, the similarity of every pair
of core points is the cosine of its two centred log-probability vectors; if only labels are
revealed, it is 1 if the labels are the same, else 0. The value is Pearson's correlation between the
suspect's and the owner's similarities, as in representational similarity analysis (Kriegeskorte et
al. 2008). SAC's mean absolute difference compares the level of the similarities as well, but a
transferred copy keeps only their pattern (AUC 0.94 against 0.85; docs/decisions/0011).

The identification always abstains: only twins tell what a correlation means, and in a line-up
relations are a measure of their own.
"""

import numpy as np

from auditkit.core.access import Access
from auditkit.core.answers import Answers
from auditkit.core.arrays import DoubleArray, FloatArray, IntArray
from auditkit.core.evidence import Evidence
from auditkit.core.points import CORE, Sheet
from auditkit.core.verdicts import Identification, Reason, ReasonCode
from auditkit.files.bundle import Bundle
from auditkit.judging.identification.base import centred, clipped

__all__ = ["weigh_relations"]

NAME = "relations"
FEWEST = 3
"""Answered core points below which nothing is correlated: three points make three pairs."""


def weigh_relations(bundle: Bundle, evidence: Evidence) -> Identification | None:
    """Return the correlation of the two models' similarities between points, -1..1.

    None for a suspect with the owner's classes, whose labels and scores tell more, unless this is
    the fingerprint's leading identification.
    """
    made = bundle.fingerprint
    if evidence.classes in (None, made.owner.classes) and made.lead != NAME:
        return None
    value = correlation(made.sheet, evidence.answers)
    if value is None:
        few = Reason(ReasonCode.TOO_FEW_TO_COMPARE, {"needed": FEWEST})
        return Identification(NAME, None, few)
    reason = Reason(ReasonCode.RELATIONS_CORRELATED, {"correlation": value})
    return Identification(NAME, None, reason, value)


def correlation(sheet: Sheet, answers: Answers) -> float | None:
    """Return how a model's similarities between core points correlate with the owner's, -1..1.

    None if fewer than `FEWEST` core points are answered, or if either model finds all pairs equally
    similar, which leaves nothing to correlate.

    Args:
        sheet: The bundle's points with the owner's outputs.
        answers: The other model's answers to these points.
    """
    rows = sheet.rows(CORE) & answers.answered
    if rows.sum() < FEWEST:
        return None
    if answers.scores is None or answers.access.rank < Access.PROBABILITIES.rank:
        sides = [_same(labels[rows]) for labels in (sheet.labels, answers.labels)]
    else:
        sides = [_cosines(scores[rows]) for scores in (sheet.outputs, answers.scores)]
    # Each pair once, and no point with itself: that is always 1 and would raise every correlation.
    pairs = np.triu_indices(int(rows.sum()), 1)
    owner, suspect = (side[pairs] - side[pairs].mean() for side in sides)
    length = float(np.linalg.norm(owner) * np.linalg.norm(suspect))
    return float(owner @ suspect) / length if length > 1e-9 else None


def _same(labels: IntArray) -> DoubleArray:
    """Return an (n, n) matrix that is 1 where two of the (n,) labels are equal, else 0."""
    same: DoubleArray = (labels[:, None] == labels).astype(np.float64)
    return same


def _cosines(scores: FloatArray) -> DoubleArray:
    """Return the (n, n) cosines between the rows of (n, classes) scores, centred."""
    rows = centred(clipped(scores)).astype(np.float64)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    cosines: DoubleArray = rows @ rows.T
    return cosines
