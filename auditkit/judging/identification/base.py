"""What an identification gets and gives, and the arithmetic they share."""

from collections.abc import Iterable
from typing import Protocol

import numpy as np

from auditkit.core.answers import Answers
from auditkit.core.arrays import FloatArray
from auditkit.core.evidence import Evidence
from auditkit.core.fingerprint import Fingerprint
from auditkit.core.models import Reference
from auditkit.core.points import Family
from auditkit.core.verdicts import Identification

PIRATED_FROM = 0.85
"""Least share of core points on which a modified copy was seen to agree, uncalibrated."""
ROBUST_FROM = 0.90
"""The same of points that survive compression or resizing: an innocent was seen at 0.88."""
HOMOLOGOUS_BELOW = 0.60
"""Most innocent models stay below, all of them below `PIRATED_FROM`; between is no man's land."""


class Weigh(Protocol):
    """One way to weigh a suspect's answers."""

    def __call__(
        self, fingerprint: Fingerprint, references: tuple[Reference, ...], evidence: Evidence
    ) -> Identification | None:
        """Say pirated, homologous or inconclusive, or abstain with a reason.

        None where it has nothing to do with this fingerprint's points.
        """


def agreement(family: Family, answers: Answers) -> float:
    """Share of answered points on which the owner's label was given, 0..1; NaN without answers."""
    answered = answers.answered
    if not answered.any():
        return float("nan")
    return float((answers.labels == family.labels)[answered].mean())


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
