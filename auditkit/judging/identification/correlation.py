"""SAC (Guan, Liang, He; NeurIPS 2022): whether the same points look alike to both models.

C_ij = (1 - cos(o_i, o_j)) / 2 of a model's outputs on points i and j; the value is 1 less the mean
absolute difference of suspect's and owner's C. It compares points with points within one model, so
class names and their number don't matter. Outputs are centred log-probabilities, which are the
logits of the paper's code but for their mean, so that access does not matter. Where only labels are
revealed, both models' outputs are the paper's softened labels: softmax of 1 at the label and 0.01
elsewhere. It abstains: the paper has no threshold without models of known kind.
"""

import math

import numpy as np

from auditkit.core.access import Access
from auditkit.core.arrays import DoubleArray, FloatArray, IntArray
from auditkit.core.evidence import Evidence
from auditkit.core.points import CORE
from auditkit.core.verdicts import Identification, Reason, ReasonCode
from auditkit.files.bundle import Bundle
from auditkit.judging.identification.base import centred, clipped

__all__ = ["weigh_correlations"]

NAME = "correlation"
OTHER = 0.01
"""Score of every class but the label's (SAC's code)."""


def weigh_correlations(bundle: Bundle, evidence: Evidence) -> Identification | None:
    """1 less the mean absolute difference of the two correlation matrices, 0..1."""
    made, answers = bundle.fingerprint, evidence.answers
    if made.lead != NAME:
        return None
    rows = made.sheet.rows(CORE) & answers.answered
    if rows.sum() < 2:
        facts = {"needed": 2, "answered": int(rows.sum())}
        return Identification(NAME, None, Reason(ReasonCode.TOO_FEW_TO_COMPARE, facts))
    if answers.scores is None or answers.access.rank < Access.PROBABILITIES.rank:
        apart = _label_distance(made.owner.classes)
        owner = apart * _differing(made.sheet.labels[rows])
        suspect = apart * _differing(answers.labels[rows])
    else:
        owner = _distances(made.sheet.outputs[rows])
        suspect = _distances(answers.scores[rows])
    value = 1 - float(np.abs(suspect - owner).mean())
    return Identification(NAME, None, Reason(ReasonCode.CORRELATED, {"likeness": value}), value)


def _distances(scores: FloatArray) -> DoubleArray:
    """(n, classes) -> (n, n): half the cosine distance of each pair of points, 0..1."""
    outputs = centred(clipped(scores)).astype(np.float64)
    outputs /= np.maximum(np.linalg.norm(outputs, axis=1, keepdims=True), 1e-12)
    distances: DoubleArray = (1 - outputs @ outputs.T) / 2
    return distances


def _differing(labels: IntArray) -> DoubleArray:
    """(n,) -> (n, n): 1 where two points have different labels."""
    differing: DoubleArray = (labels[:, None] != labels).astype(np.float64)
    return differing


def _label_distance(classes: int) -> float:
    """Half the cosine distance of two different softened labels.

    One number for both models: a suspect that reveals labels only doesn't tell how many it knows.
    """
    label, other = math.e, math.exp(OTHER)
    product = 2 * label * other + (classes - 2) * other**2
    return (1 - product / (label**2 + (classes - 1) * other**2)) / 2
