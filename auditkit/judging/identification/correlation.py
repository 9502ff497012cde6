"""Sample correlation, SAC (Guan, Liang, He; NeurIPS 2022): which points look alike to a model.

For each model, C_ij = (1 - cos(o_i, o_j)) / 2 compares its outputs on points i and j. The value is
one minus the mean absolute difference between the suspect's and the owner's C. Points are compared
within one model, so the names and the number of classes don't matter. We depart from the paper's
code, which takes logits, by using centred log-probabilities: they equal the logits except for their
mean, and can be had from probabilities too. If only labels are revealed, both models' outputs are
the paper's softened labels: the softmax of 1 at the label and 0.01 elsewhere. The identification
always abstains: the paper has no threshold without models of known kind.
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
"""Score of every class except the label's, before the softmax; from the code of SAC's authors."""


def weigh_correlations(bundle: Bundle, evidence: Evidence) -> Identification | None:
    """Return one minus the mean absolute difference of the two matrices C, 0..1.

    None unless it is the fingerprint's leading identification.
    """
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
    """Return half the cosine distance of each pair of points, (n, n), 0..1.

    Args:
        scores: (n, classes) logits or log-probabilities.
    """
    outputs = centred(clipped(scores)).astype(np.float64)
    outputs /= np.maximum(np.linalg.norm(outputs, axis=1, keepdims=True), 1e-12)
    distances: DoubleArray = (1 - outputs @ outputs.T) / 2
    return distances


def _differing(labels: IntArray) -> DoubleArray:
    """Return an (n, n) matrix that is 1 where two of the (n,) labels differ, else 0."""
    differing: DoubleArray = (labels[:, None] != labels).astype(np.float64)
    return differing


def _label_distance(classes: int) -> float:
    """Return half the cosine distance between two different softened labels.

    Args:
        classes: The owner's number of classes, used for both models, because a suspect that reveals
            labels only does not tell how many it has.
    """
    label, other = math.e, math.exp(OTHER)
    product = 2 * label * other + (classes - 2) * other**2
    return (1 - product / (label**2 + (classes - 1) * other**2)) / 2
