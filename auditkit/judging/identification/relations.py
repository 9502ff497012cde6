"""Whether the suspect sees the same likenesses between points: for suspects of another label space.

What a model says of two points can be compared within the model, whatever its classes are called
and however many there are (SAC; Guan et al., NeurIPS 2022; ModelDiff; Li et al., ISSTA 2021). Here
each model's likenesses, the cosines of its centred log-probabilities for every pair of core points,
are correlated with the owner's (Pearson), as representational similarity analysis does
(Kriegeskorte et al. 2008): a transferred copy keeps the pattern, not the level, which is what SAC's
mean absolute difference compares. Where labels alone are revealed, a pair is alike if it has one
label.

It abstains, and tells how known models of other label spaces rank, where the bundle has any.
"""

import numpy as np

from auditkit.core.access import Access
from auditkit.core.answers import Answers
from auditkit.core.arrays import DoubleArray, FloatArray, IntArray, JsonObject
from auditkit.core.evidence import Evidence
from auditkit.core.models import ReferenceKind
from auditkit.core.points import CORE, Sheet
from auditkit.core.verdicts import Identification, Reason, ReasonCode
from auditkit.files.bundle import Bundle
from auditkit.judging.identification.base import centred, clipped

__all__ = ["weigh_relations"]

NAME = "relations"
FEWEST = 3


def weigh_relations(bundle: Bundle, evidence: Evidence) -> Identification | None:
    """The correlation of the two models' likenesses, -1..1.

    None for a suspect of the owner's label space, where labels and scores tell more.
    """
    made = bundle.fingerprint
    if evidence.classes in (None, made.owner.classes) and made.lead != NAME:
        return None
    value = correlation(made.sheet, evidence.answers)
    if value is None:
        few = Reason(ReasonCode.TOO_FEW_TO_COMPARE, {"needed": FEWEST})
        return Identification(NAME, None, few)
    facts: JsonObject = {"correlation": value, **_ranks(bundle, value)}
    return Identification(NAME, None, Reason(ReasonCode.RELATIONS_CORRELATED, facts), value)


def correlation(sheet: Sheet, answers: Answers) -> float | None:
    """How alike owner and another model find pairs of core points, -1..1.

    None where either model finds all pairs of answered points equally alike.
    """
    rows = sheet.rows(CORE) & answers.answered
    if rows.sum() < FEWEST:
        return None
    if answers.scores is None or answers.access.rank < Access.PROBABILITIES.rank:
        sides = [_same(labels[rows]) for labels in (sheet.labels, answers.labels)]
    else:
        sides = [_cosines(scores[rows]) for scores in (sheet.outputs, answers.scores)]
    pairs = np.triu_indices(int(rows.sum()), 1)
    owner, suspect = (side[pairs] - side[pairs].mean() for side in sides)
    length = float(np.linalg.norm(owner) * np.linalg.norm(suspect))
    return float(owner @ suspect) / length if length > 1e-9 else None


def _same(labels: IntArray) -> DoubleArray:
    same: DoubleArray = (labels[:, None] == labels).astype(np.float64)
    return same


def _cosines(scores: FloatArray) -> DoubleArray:
    rows = centred(clipped(scores)).astype(np.float64)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    cosines: DoubleArray = rows @ rows.T
    return cosines


def _ranks(bundle: Bundle, value: float) -> JsonObject:
    """How many references of other label spaces than the owner's come as close, and of how many."""
    made, ranks = bundle.fingerprint, {}
    for kind in (ReferenceKind.HOMOLOGOUS, ReferenceKind.PIRATED):
        known = [
            correlation(made.sheet, r.answers)
            for r in bundle.references
            if r.kind is kind and r.answers.classes not in (None, made.owner.classes)
        ]
        if known:
            above = sum(other is not None and other >= value for other in known)
            ranks[str(kind)] = {"as close": above, "of": len(known)}
    return ranks
