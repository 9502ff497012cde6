"""Detects suspects that answer at random on purpose, by labels that no known model gives.

Copies give the owner's label and independent models mostly give the same labels as each other;
random labels are often given by neither. Counting such labels worked better than weighing how rare
labels are among known models (docs/decisions/0005-calibration.md, "Erratic answers").
"""

import numpy as np

from auditkit.core.arrays import BoolArray, IntArray
from auditkit.judging.calibration.conformal import p_value


def p_erratic(references: IntArray, suspect: IntArray, owner: IntArray) -> float:
    """Return the p-value of the number of labels that only the suspect gives, in (0, 1].

    The count is ranked among the references' own counts. For the comparison with reference i,
    "only" means: neither the owner nor any reference except i gives the label to that point.

    Args:
        references: (n, points) labels of all reference models, both kinds; -1 is no answer.
        suspect: (points,) the suspect's labels; -1 is no answer.
        owner: (points,) the owner's labels.
    """
    # Leaving out reference i for the suspect as well treats the two alike, which a rank needs.
    alone = _unheard(np.broadcast_to(suspect, references.shape), references, owner)
    lost = alone <= _unheard(references, references, owner)
    return p_value(int(lost.sum()), len(references))


def _unheard(given: IntArray, known: IntArray, right: IntArray) -> IntArray:
    """Count the labels in each row that neither the owner nor any other known row gives, (n,).

    Args:
        given: (n, points) labels; row i is compared with all known rows except i.
        known: (n, points) labels of the references.
        right: (points,) the owner's labels.
    """
    classes = int(max(given.max(), known.max(), right.max())) + 1
    counts = np.zeros((known.shape[1], classes), np.int64)
    places = np.arange(known.shape[1])
    for row in known:
        np.add.at(counts, (places[row >= 0], row[row >= 0]), 1)
    heard = counts[places, given] - (given == known)
    unheard: BoolArray = (heard <= 0) & (given != right) & (given >= 0)
    alone: IntArray = unheard.sum(axis=1)
    return alone
