"""What an identification gets and gives, and the arithmetic they share."""

from collections.abc import Iterable
from typing import Protocol

import numpy as np

from auditkit.core.answers import Answers
from auditkit.core.arrays import FloatArray, IntArray
from auditkit.core.evidence import Evidence
from auditkit.core.models import Reference
from auditkit.core.verdicts import Identification
from auditkit.files.bundle import Bundle


class Weigh(Protocol):
    """A plug-in: one way to weigh a suspect's answers."""

    def __call__(self, bundle: Bundle, evidence: Evidence) -> Identification | None:
        """Say pirated, homologous or inconclusive, or abstain with a reason.

        None where it has nothing to do with this bundle's points.
        """


def agreement(labels: IntArray, answers: Answers) -> float:
    """Share of answered points that got the owner's label, 0..1; NaN where none is answered.

    Args:
        labels: (n,) the owner's.
        answers: To the same points.
    """
    answered = answers.answered
    if not answered.any():
        return float("nan")
    return float((answers.labels == labels)[answered].mean())


def centred(log_probabilities: FloatArray) -> FloatArray:
    """(n, classes) with each row's mean removed: the same for logits and log-probabilities."""
    centre: FloatArray = log_probabilities - log_probabilities.mean(axis=1, keepdims=True)
    return centre


def clipped(scores: FloatArray) -> FloatArray:
    """(n, classes) logits or log-probabilities -> log-probabilities of at least 1e-7."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    normalised = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    result: FloatArray = np.maximum(normalised, np.float32(np.log(1e-7)))
    return result


def strangers(references: Iterable[Reference]) -> list[Reference]:
    """Stand-ins, siblings, homologous references, independent shadows: known to be innocent."""
    return [reference for reference in references if not reference.kind.is_derived]
