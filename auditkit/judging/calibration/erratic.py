"""Answers that nobody gives: who answers at random on purpose is neither a copy nor a stranger.

Copies give the owner's label and strangers mostly give each other's; labels drawn at random are
often given by neither. (How rare labels are among known models tells less: measured.)
"""

import numpy as np
from numpy.typing import NDArray

from auditkit.core.arrays import BoolArray, IntArray
from auditkit.judging.calibration.conformal import p_value


def p_erratic(references: IntArray, suspect: IntArray, owner: IntArray) -> float:
    """Whether the suspect gives labels that no model gives: each reference without its own.

    Args:
        references: (n, points) labels of both kinds.
        suspect: (points,)
        owner: (points,)
    """
    alone = _unheard(np.broadcast_to(suspect, references.shape), references, owner)
    lost = alone <= _unheard(references, references, owner)
    return p_value(int(lost.sum()), len(references))


def _unheard(
    given: NDArray[np.int64], known: NDArray[np.int64], right: IntArray
) -> NDArray[np.int64]:
    """(n,) how many of each row's labels neither the owner nor any known row but its own gives.

    Args:
        given: (n, points) labels; row i is compared with all known rows but i.
        known: (n, points) labels of the references.
        right: (points,) the owner's.
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
