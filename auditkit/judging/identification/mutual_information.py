"""FBI (Maho, Furon, Le Merrer; IEEE TIFS 2023): how much one model's labels tell of the other's.

The value is I(u; v) / min(H(u), H(v)) of the two models' labels on core points, which is 1 less the
paper's distance. Departure: labels are used as they are, where the paper reduces them to the rank
of the true class, which an auditor does not know. What a class is called doesn't matter. The plain
estimate is used as in the paper's code; with few points for each class it is too high for everyone.
Where one of the models gives a single label its entropy is 0: it then tells nothing, so the value
is 0, even where both do. It abstains: a threshold needs models of known kind.
"""

import numpy as np

from auditkit.core.arrays import IntArray
from auditkit.core.evidence import Evidence
from auditkit.core.fingerprint import Fingerprint
from auditkit.core.models import Reference
from auditkit.core.points import CORE
from auditkit.core.verdicts import Identification

__all__ = ["weigh_information"]

NAME = "mutual_information"


def weigh_information(
    fingerprint: Fingerprint, _references: tuple[Reference, ...], evidence: Evidence
) -> Identification | None:
    """The share of the less varied labels' information that both have in common, 0..1."""
    if fingerprint.lead != NAME:
        return None
    family, answers = fingerprint.families[CORE], evidence.answers[CORE]
    rows = answers.answered
    if not rows.any():
        return Identification(NAME, None, "the suspect answered no core point")
    value = _shared(family.labels[rows], answers.labels[rows])
    return Identification(
        NAME,
        None,
        f"its labels share {value:.0%} of the information with the owner's; needs reference "
        "models to tell what that means",
        value,
    )


def _shared(first: IntArray, second: IntArray) -> float:
    least = min(_entropy(first), _entropy(second))
    if least == 0:
        return 0.0
    both = _entropy(np.stack([first, second], axis=1))
    information = _entropy(first) + _entropy(second) - both
    return min(max(information / least, 0.0), 1.0)


def _entropy(rows: IntArray) -> float:
    """In bits, of rows as often as they occur."""
    counts = np.unique(rows, axis=0, return_counts=True)[1]
    shares = counts / len(rows)
    return float(-(shares * np.log2(shares)).sum()) + 0.0
