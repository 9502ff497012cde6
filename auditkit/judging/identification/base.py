"""The interface of identifications, and the arithmetic that several of them share."""

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
    """The interface of an identification plug-in: one way to weigh a suspect's answers."""

    def __call__(self, bundle: Bundle, evidence: Evidence) -> Identification | None:
        """Return an opinion on the suspect, or None.

        The opinion says pirated, homologous or inconclusive, or it abstains with a reason. None
        means that the identification does not apply to this bundle's points or to this suspect, and
        is left out of the report. Identifications must be deterministic: the same bundle and
        evidence must give the same verdict on every machine.
        """


def agreement(labels: IntArray, answers: Answers) -> float:
    """Return the share of answered points that got the owner's label, 0..1.

    NaN if no point was answered.

    Args:
        labels: (n,) the owner's labels.
        answers: The suspect's answers to the same n points.
    """
    # Points without an answer are left out, not counted as different: a suspect could otherwise get
    # away from the owner by silence. `decide` refuses suspects that leave out many.
    answered = answers.answered
    if not answered.any():
        return float("nan")
    return float((answers.labels == labels)[answered].mean())


def centred(log_probabilities: FloatArray) -> FloatArray:
    """Remove the mean of each row; logits and log-probabilities of a model then coincide.

    Args:
        log_probabilities: (n, classes) logits or log-probabilities.
    """
    centre: FloatArray = log_probabilities - log_probabilities.mean(axis=1, keepdims=True)
    return centre


def clipped(scores: FloatArray) -> FloatArray:
    """Return log-probabilities, with probabilities below 1e-7 raised to 1e-7.

    Args:
        scores: (n, classes) logits or log-probabilities.
    """
    # Many APIs round small probabilities to 0. Without the cut, a file and the same model behind an
    # API would look different in exactly the classes that both hold to be impossible.
    shifted = scores - scores.max(axis=1, keepdims=True)
    normalised = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    result: FloatArray = np.maximum(normalised, np.float32(np.log(1e-7)))
    return result


def strangers(references: Iterable[Reference]) -> list[Reference]:
    """Return the models known to be innocent.

    These are the stand-ins, siblings and twins.
    """
    return [reference for reference in references if not reference.kind.is_derived]
