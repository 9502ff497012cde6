"""Suspects that know more or fewer classes than the owner: the shared ones are compared.

A background class, a class that was added, labels that begin with 1 and a subset of the classes
are all told by the natural controls, which every model of the task gets right.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from auditkit.core.answers import Answers
from auditkit.core.arrays import BoolArray, IntArray
from auditkit.suspects.preprocessing import RECOGNISED

FEWEST_SHARED = 2
"""Classes in common below which nothing is compared."""
MOSTLY = 0.5
"""Least share of a class's controls that the matched class must get."""
MOST_TIMES = 2
"""A suspect with more than so many times the owner's classes is not matched one by one: among many
outputs some fit a few controls by chance."""


@dataclass(frozen=True, slots=True, eq=False)
class Matching:
    """Which of a suspect's classes is which of the owner's."""

    owners: IntArray  # (suspect's classes,): the owner's class; -1 for one that the owner lacks
    classes: int
    """How many classes the owner knows."""
    told: str
    """What was found, in words."""

    @property
    def shared(self) -> IntArray:
        """The owner's classes that the suspect knows, ascending."""
        return np.unique(self.owners[self.owners >= 0])

    def of_shared(self, labels: IntArray) -> BoolArray:
        """Return (n,) bool: which points have a class that both know, by the owner's labels."""
        shared: BoolArray = np.isin(labels, self.shared)
        return shared

    def __call__(self, answers: Answers, labels: IntArray) -> Answers:
        """Return the answers in the owner's classes; points of classes not shared are unanswered.

        Only labels are left where the suspect lacks some of the owner's classes.

        Args:
            answers: The suspect's.
            labels: (n,) the owner's, of the same points.
        """
        kept = answers.answered & self.of_shared(labels)
        if answers.scores is None:
            inside = kept & (answers.labels < len(self.owners))
            found = self.owners[np.where(inside, answers.labels, 0)]
            return Answers(np.where(inside, found, -1))
        known = np.flatnonzero(self.owners >= 0)
        # What the suspect gives to classes that the owner lacks is shared out among the others.
        own = np.where(kept[:, None], answers.scores[:, known].astype(np.float64), 0)
        best = np.where(kept, self.owners[known][own.argmax(axis=1)], -1)
        # Of fewer classes than the owner's no scores are those of other models.
        if len(known) < self.classes:
            return Answers(best)
        scores = np.empty((len(own), self.classes), np.float32)
        scores[:, self.owners[known]] = own - np.logaddexp.reduce(own, axis=1, keepdims=True)
        scores[~kept] = np.nan
        return Answers(best, scores, answers.access)


def matching(labels: IntArray, answers: Answers, classes: int) -> Matching | None:
    """Match a suspect's classes with the owner's where it knows more or fewer.

    Args:
        labels: (n,) the owner's labels of the natural controls.
        answers: The suspect's answers to them.
        classes: How many classes the owner knows.

    Returns:
        None if both know as many and labels mean the same, or if no matching makes the suspect
        recognise the controls.
    """
    count = answers.classes
    own = float((answers.labels == labels).mean()) if len(labels) else 1.0
    if count == classes or (count is None and own >= RECOGNISED) or not answers.answered.any():
        return None
    size = count if count is not None else max(classes, int(answers.labels.max())) + 1
    for one in _candidates(labels, answers, size, classes):
        both = one.of_shared(labels)
        if len(one.shared) < FEWEST_SHARED or not both.any():
            continue
        found = one(answers, labels)
        if float((found.labels == labels)[both].mean()) >= RECOGNISED:
            return one
    return None


def _candidates(labels: IntArray, answers: Answers, size: int, classes: int) -> Iterator[Matching]:
    """Yield what is likely, likeliest first; the last is found from the controls."""
    numbers = np.arange(size)
    told = f"the suspect knows {size} classes, the owner {classes}" if answers.classes else ""
    ways = (
        (numbers, "the first ones are the owner's"),
        (numbers - 1, "its first one is none of the owner's, the others follow in order"),
    )
    for owners, how in ways:
        inside = np.where((owners >= 0) & (owners < classes), owners, -1)
        text = f"{told}; {how}" if told else "labels begin with 1"
        # Labels alone don't tell how many classes there are, and in order they are as they are.
        if told or owners[0] < 0:
            yield Matching(inside, classes, _said(text, inside))
    if told and size <= MOST_TIMES * classes:
        owners = _assigned(labels, answers, size, classes)
        yield Matching(owners, classes, _said(f"{told}; they are in another order", owners))


def _said(text: str, owners: IntArray) -> str:
    return f"{text}; {len(np.unique(owners[owners >= 0]))} are shared and compared"


def _assigned(labels: IntArray, answers: Answers, size: int, classes: int) -> IntArray:
    """Match classes by how surely the suspect gives one of its own where the owner gives one."""
    from scipy.optimize import linear_sum_assignment  # scipy takes long to load

    sure = np.zeros((classes, size))
    scores = answers.scores if answers.scores is not None else np.zeros((len(labels), size))
    np.add.at(sure, labels, np.nan_to_num(np.exp(scores.astype(np.float64))))
    rows, columns = linear_sum_assignment(sure, maximize=True)
    owners = np.full(size, -1, np.int64)
    for row, column in zip(rows, columns, strict=True):
        controls = answers.labels[labels == row]
        # A class without a control, or one that only the owner knows, would be matched with
        # whatever is left.
        if len(controls) and float((controls == column).mean()) >= MOSTLY:
            owners[column] = row
    return owners
