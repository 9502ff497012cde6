"""Decision distance, ModelDiff (Li et al., ISSTA 2021): which changes of an input move a model.

Core points come in pairs: point 2i is an input and point 2i + 1 a changed version of it; an odd
last point is left out. A model's decision distance vector holds, for each pair, the cosine distance
between its two outputs. The value is the cosine between the suspect's and the owner's vectors.
Outputs are compared only within one model, so the label space doesn't matter. We depart from the
paper's code, which takes whatever a model returns, by always using probabilities: they don't depend
on the access level, and they told more copies from innocents than logits did. If only labels are
revealed, a distance is 1 if the two labels differ, else 0. The identification always abstains: the
paper has no threshold without models of known kind.
"""

import numpy as np

from auditkit.core.access import Access
from auditkit.core.arrays import BoolArray, DoubleArray, FloatArray, IntArray
from auditkit.core.evidence import Evidence
from auditkit.core.points import CORE
from auditkit.core.verdicts import Identification, Reason, ReasonCode
from auditkit.files.bundle import Bundle
from auditkit.judging.identification.base import clipped

__all__ = ["weigh_decision_distances"]

NAME = "decision_distance"


def weigh_decision_distances(bundle: Bundle, evidence: Evidence) -> Identification | None:
    """Return the cosine of the two decision distance vectors, 0..1.

    None unless it is the fingerprint's leading identification.
    """
    made = bundle.fingerprint
    if made.lead != NAME:
        return None
    # The order of asking tears pairs apart; in the order of the bundle's file they are neighbours.
    rows = made.sheet.filed(CORE)
    outputs, labels = made.sheet.outputs[rows], made.sheet.labels[rows]
    answers = evidence.answers.at(rows)
    pairs = _whole_pairs(answers.answered)
    if not pairs.any():
        facts = {"needed": 2, "answered": int(answers.answered.sum())}
        return Identification(NAME, None, Reason(ReasonCode.TOO_FEW_TO_COMPARE, facts))
    if answers.scores is None or answers.access.rank < Access.PROBABILITIES.rank:
        owner, suspect = _label_distances(labels), _label_distances(answers.labels)
    else:
        owner = _score_distances(outputs, pairs)
        suspect = _score_distances(answers.scores, pairs)
    value = _cosine(owner[pairs], suspect[pairs])
    if value is None:
        return Identification(NAME, None, Reason(ReasonCode.OWNER_CONSTANT))
    return Identification(NAME, None, Reason(ReasonCode.DISTANCES_ALIKE, {"cosine": value}), value)


def _whole_pairs(answered: BoolArray) -> BoolArray:
    """Return for each pair whether both of its points were answered, (points // 2,)."""
    count = len(answered) // 2
    whole: BoolArray = answered[: 2 * count : 2] & answered[1 : 2 * count : 2]
    return whole


def _label_distances(labels: IntArray) -> DoubleArray:
    """Return 1 for each pair whose labels differ, else 0, (points // 2,)."""
    count = len(labels) // 2
    differ: BoolArray = labels[: 2 * count : 2] != labels[1 : 2 * count : 2]
    return differ.astype(np.float64)


def _score_distances(scores: FloatArray, pairs: BoolArray) -> DoubleArray:
    """Return the cosine distance of each pair's probabilities, (pairs,), 0..1.

    Args:
        scores: (points, classes) logits or log-probabilities.
        pairs: (points // 2,) which pairs were answered; the others get 0.
    """
    distances = np.zeros(len(pairs))
    first, second = (
        np.exp(clipped(scores[start : 2 * len(pairs) : 2][pairs])).astype(np.float64)
        for start in (0, 1)
    )
    norms = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    cosines = (first * second).sum(axis=1) / np.maximum(norms, 1e-12)
    distances[pairs] = np.maximum(1 - cosines, 0)
    return distances


def _cosine(owner: DoubleArray, suspect: DoubleArray) -> float | None:
    """Return the cosine of two vectors: None if the owner's is 0, 0 if only the suspect's is."""
    length = float(np.linalg.norm(owner))
    if length < 1e-9:
        return None
    return float(owner @ suspect / max(length * float(np.linalg.norm(suspect)), 1e-12))
