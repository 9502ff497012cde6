"""Mutual information of labels, from FBI (Maho, Furon, Le Merrer; IEEE TIFS 2023).

The value is I(u; v) / min(H(u), H(v)), where u and v are the two models' labels on core points; it
is one minus the paper's distance. The names of the classes don't matter. We depart from the paper
in using the labels themselves, where the paper uses the rank of the true class, which an auditor
does not know. Entropies are plug-in estimates, as in the paper's code; with few points per class
they make the value too high, for copies and innocents alike. If a model gives the same label to all
points, its entropy is 0 and the value is set to 0. The identification always abstains: a threshold
would need models of known kind.
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
    """Return the normalised mutual information of suspect and owner, 0..1.

    None unless it is the fingerprint's leading identification.
    """
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
    """Return the mutual information of two (n,) labellings over the smaller entropy, 0..1."""
    least = min(_entropy(first), _entropy(second))
    if least == 0:
        return 0.0
    both = _entropy(np.stack([first, second], axis=1))
    information = _entropy(first) + _entropy(second) - both
    # Rounding errors can leave the range by a few units in the last place.
    return min(max(information / least, 0.0), 1.0)


def _entropy(rows: IntArray) -> float:
    """Return the entropy in bits of the frequencies of equal rows."""
    counts = np.unique(rows, axis=0, return_counts=True)[1]
    shares = counts / len(rows)
    return float(-(shares * np.log2(shares)).sum()) + 0.0  # turns -0.0 into 0.0
