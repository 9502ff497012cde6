"""Signs that a suspect which answers unlike the owner may be hiding that it is a copy.

A suspect can escape by answering otherwise on points that it recognises as odd. None of these signs
proves that; each of them only keeps the suspect from being called homologous.
"""

import math
from collections.abc import Iterator

from auditkit.core.arrays import JsonObject
from auditkit.core.evidence import Evidence
from auditkit.core.points import CONTROL
from auditkit.core.verdicts import Reason, ReasonCode
from auditkit.files.bundle import Bundle
from auditkit.judging.identification.base import agreement

# Half is a low bar on purpose: it is there to notice another task, other preprocessing and broken
# models, not innocent models that are merely poor (docs/decisions/0002-verdict.md).
CONTROLS_KEPT = 0.5
"""Least share of the natural controls that a homologous suspect labels like the owner, 0..1."""


def signs_of_evasion(bundle: Bundle, evidence: Evidence) -> Iterator[Reason]:
    """Yield the signs that a suspect which answers unlike the owner may be evading."""
    made = bundle.fingerprint
    controls = made.sheet.rows(CONTROL)
    if controls.any():
        # A broken model, another task, other preprocessing and evasion all disagree with the owner
        # on core points, as an innocent model does; but an innocent model of the same task agrees
        # with it on natural controls.
        kept = agreement(made.sheet.labels[controls], evidence.answers.at(controls))
        if math.isnan(kept) or kept < CONTROLS_KEPT:
            yield Reason(ReasonCode.CONTROLS_FAILED, {"share": 0.0 if math.isnan(kept) else kept})
    # Rows in another order answer like a stranger's.
    if not evidence.is_bound:
        yield Reason(ReasonCode.ROWS_UNBOUND)
    if evidence.changed:
        facts: JsonObject = {"changed": evidence.changed, "repeated": evidence.repeated}
        yield Reason(ReasonCode.ANSWERS_CHANGE, facts)
