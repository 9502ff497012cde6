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
from numpy.typing import NDArray

from auditkit.core.access import Access
from auditkit.core.answers import Answers
from auditkit.core.arrays import FloatArray
from auditkit.core.evidence import Evidence
from auditkit.core.fingerprint import Fingerprint
from auditkit.core.models import Reference, ReferenceKind
from auditkit.core.points import CORE, Family
from auditkit.core.verdicts import Identification
from auditkit.judging.identification.base import centred, clipped

__all__ = ["weigh_relations"]

NAME = "relations"
FEWEST = 3


def weigh_relations(
    fingerprint: Fingerprint, references: tuple[Reference, ...], evidence: Evidence
) -> Identification | None:
    """The correlation of the two models' likenesses, -1..1.

    None for a suspect of the owner's label space, where labels and scores tell more.
    """
    if evidence.classes in (None, fingerprint.owner.classes) and fingerprint.lead != NAME:
        return None
    family = fingerprint.families[CORE]
    labels_only = evidence.access.rank < Access.PROBABILITIES.rank
    value = correlation(family, evidence.answers[CORE], labels_only=labels_only)
    if value is None:
        return Identification(NAME, None, "too few answers, or all of one kind, to compare")
    told = f"likenesses between core points are correlated {value:.2f} with the owner's"
    return Identification(NAME, None, told + _ranked(fingerprint, references, value), value)


def correlation(family: Family, answers: Answers, *, labels_only: bool) -> float | None:
    """-1..1; None where either model finds all pairs of answered points equally alike."""
    rows = answers.answered
    if rows.sum() < FEWEST:
        return None
    if labels_only or answers.scores is None:
        sides = [_same(labels[rows]) for labels in (family.labels, answers.labels)]
    else:
        sides = [_cosines(scores[rows]) for scores in (family.outputs, answers.scores)]
    pairs = np.triu_indices(int(rows.sum()), 1)
    owner, suspect = (side[pairs] - side[pairs].mean() for side in sides)
    length = float(np.linalg.norm(owner) * np.linalg.norm(suspect))
    return float(owner @ suspect) / length if length > 1e-9 else None


def _same(labels: NDArray[np.int64]) -> NDArray[np.float64]:
    same: NDArray[np.float64] = (labels[:, None] == labels).astype(np.float64)
    return same


def _cosines(scores: FloatArray) -> NDArray[np.float64]:
    rows = centred(clipped(scores)).astype(np.float64)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    cosines: NDArray[np.float64] = rows @ rows.T
    return cosines


def _ranked(fingerprint: Fingerprint, references: tuple[Reference, ...], value: float) -> str:
    """Among the references that know other classes than the owner."""
    told = []
    for kind, word in (
        (ReferenceKind.HOMOLOGOUS, "independent"),
        (ReferenceKind.PIRATED, "pirated"),
    ):
        known = [
            correlation(fingerprint.families[CORE], r.answers[CORE], labels_only=False)
            for r in references
            if r.kind is kind and CORE in r.answers and _is_elsewhere(r, fingerprint)
        ]
        if known:
            above = sum(other is not None and other >= value for other in known)
            told.append(f"{above} of {len(known)} {word} ones")
    if not told:
        return "; needs reference models of other label spaces to tell what that means"
    return f"; of the reference models of other label spaces {' and '.join(told)} come as close"


def _is_elsewhere(reference: Reference, fingerprint: Fingerprint) -> bool:
    scores = reference.answers[CORE].scores
    return scores is not None and scores.shape[1] != fingerprint.owner.classes
