"""Likenesses of a suspect to the owner and to each of its twins.

A twin is the owner's recipe run again with other random numbers, so to a suspect that was made
without the owner's model all of them are interchangeable. Every likeness here treats all members of
the line-up alike: it compares a member with the suspect against the background of the other
members. That is what makes the owner's rank an exact p-value (`ranking`).
"""

from dataclasses import dataclass

import numpy as np

from auditkit.core.answers import LEAST_PROBABILITY
from auditkit.core.arrays import BoolArray, DoubleArray, FloatArray, IntArray

MOST_RELATED = 300
"""Points at most whose pairs are compared; there are 45,000 pairs of 300 points."""


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """Answers of several models, or of one, to the same points at one access level."""

    labels: IntArray
    """(models, points) int64; -1 where there is no answer."""
    scores: FloatArray | None
    """(models, points, classes) log-probabilities; None for labels only."""

    def at(self, rows: BoolArray) -> "Said":
        """Return the answers to some of the points."""
        scores = None if self.scores is None else self.scores[:, rows]
        return Said(self.labels[:, rows], scores)


def by_labels(members: IntArray, suspect: IntArray) -> DoubleArray:
    """Return how much more often the suspect gives each member's label than others' predict.

    A common answer weighs -log(share of the other members who give it): rare answers tell most. The
    weighted sum of agreements is centred by these shares and divided by its standard deviation
    under them, so that members with odd answers have no advantage.

    Args:
        members: (n, points) labels of the line-up.
        suspect: (points,) labels.

    Returns:
        (n,) without a unit.
    """
    classes = int(max(members.max(), suspect.max())) + 1
    # Half an answer is added, so that a label that nobody else gives has a finite weight.
    shares = (_counts(members, classes) - 0.5) / len(members)
    weights = -np.log(shares)
    excess = weights * ((members == suspect) - shares)
    spread = np.sqrt((weights**2 * shares * (1 - shares)).sum(axis=1))
    result: DoubleArray = excess.sum(axis=1) / np.maximum(spread, 1e-12)
    return result


def _counts(members: IntArray, classes: int) -> IntArray:
    """Return (n, points): how many members, itself included, give each member's label."""
    points = np.arange(members.shape[1])
    table = np.zeros((len(points), classes), np.int64)
    for row in members:
        np.add.at(table, (points, row), 1)
    counts: IntArray = table[points, members]
    return counts


def by_scores(members: FloatArray, suspect: FloatArray) -> DoubleArray:
    """Return the correlation of the suspect's with each member's scores, beyond what others say.

    From both the mean of the other members is subtracted: what is left of a member are its own
    peculiarities, and what is left of the suspect correlates with them if it learnt from it.

    Args:
        members: (n, points, classes) log-probabilities of the line-up.
        suspect: (points, classes) log-probabilities.

    Returns:
        (n,) within -1..1.
    """
    return _residual(_centred(members).reshape(len(members), -1), _centred(suspect).ravel())


def by_relations(members: Said, suspect: Said) -> DoubleArray:
    """Return by how much each member finds the same points alike as the suspect does.

    Used for a suspect of another label space: only answers of one model are compared with each
    other (SAC; Guan et al., NeurIPS 2022), and the patterns with those of the line-up, beyond what
    the other members find too.

    Args:
        members: The line-up's answers.
        suspect: The suspect's, one row.

    Returns:
        (n,) within -1..1.
    """
    scored = suspect.scores is not None and members.scores is not None
    patterns = [_pattern(members, row, scored=scored) for row in range(len(members.labels))]
    return _residual(np.stack(patterns), _pattern(suspect, 0, scored=scored))


def _pattern(said: Said, row: int, *, scored: bool) -> DoubleArray:
    """Return how alike a model finds each pair of the first points, (pairs,)."""
    labels = said.labels[row, :MOST_RELATED]
    first, second = np.triu_indices(len(labels), 1)
    if not scored or said.scores is None:
        same: DoubleArray = (labels[first] == labels[second]).astype(np.float64)
        return same
    rows = _centred(said.scores[row, :MOST_RELATED])
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    alike: DoubleArray = (rows @ rows.T)[first, second]
    return alike


def _centred(scores: FloatArray) -> DoubleArray:
    """Return log-probabilities, cut off where APIs round, minus their mean over the classes."""
    cut = np.maximum(scores.astype(np.float64), np.log(LEAST_PROBABILITY))
    centred: DoubleArray = cut - cut.mean(axis=-1, keepdims=True)
    return centred


def _residual(members: DoubleArray, suspect: DoubleArray) -> DoubleArray:
    """Return the correlation of each member with the suspect, both less the other members' mean.

    Args:
        members: (n, values).
        suspect: (values,).
    """
    total, others = members.sum(axis=0), len(members) - 1
    result = np.empty(len(members))
    for number, member in enumerate(members):
        background = (total - member) / others
        own, seen = member - background, suspect - background
        length = float(np.linalg.norm(own) * np.linalg.norm(seen))
        result[number] = own @ seen / length if length > 1e-12 else 0.0
    return result
