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
from auditkit.core.points import CORE
from auditkit.core.verdicts import Identification, Reason, ReasonCode
from auditkit.files.bundle import Bundle

__all__ = ["weigh_information"]

NAME = "mutual_information"


def weigh_information(bundle: Bundle, evidence: Evidence) -> Identification | None:
    """The share of the less varied labels' information that both have in common, 0..1."""
    made = bundle.fingerprint
    if made.lead != NAME:
        return None
    rows = made.sheet.rows(CORE) & evidence.answers.answered
    if not rows.any():
        return Identification(NAME, None, Reason(ReasonCode.NO_ANSWERS))
    value = _shared(made.sheet.labels[rows], evidence.answers.labels[rows])
    reason = Reason(ReasonCode.INFORMATION_SHARED, {"share": value})
    return Identification(NAME, None, reason, value)


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
