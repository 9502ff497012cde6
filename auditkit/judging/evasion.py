"""Signs that a suspect which answers unlike the owner may be hiding that it is a copy.

A suspect can escape by answering otherwise on points that it recognises as odd. None of these signs
proves that; each of them only keeps the suspect from being called homologous.
"""

import math
from collections.abc import Iterator

from auditkit.core.arrays import JsonObject
from auditkit.core.evidence import Evidence
from auditkit.core.fingerprint import Fingerprint
from auditkit.core.points import CONTROL, LINEAGE, MISTAKE
from auditkit.core.verdicts import Comparison, Reason, ReasonCode
from auditkit.files.bundle import Bundle
from auditkit.judging.identification.base import agreement

# Half is a low bar on purpose: it is there to notice another task, other preprocessing and broken
# models, not innocent models that are merely poor (docs/decisions/0002-verdict.md).
CONTROLS_KEPT = 0.5
"""Least share of the natural controls that a homologous suspect labels like the owner, 0..1."""
# In our benchmark almost no independent model exceeded these shares.
SHARED = {
    MISTAKE: (0.8, ReasonCode.SHARED_MISTAKES),
    LINEAGE: (0.6, ReasonCode.SHARED_LINEAGE),
}
"""For each family of points the largest share, 0..1, of the owner's labels that a suspect without
reference models may give and still count as unlike the owner, and the reason given above it."""


def signs_of_evasion(
    bundle: Bundle, evidence: Evidence, comparison: Comparison | None
) -> Iterator[Reason]:
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
    if evidence.changed:
        facts: JsonObject = {"changed": evidence.changed, "repeated": evidence.repeated}
        yield Reason(ReasonCode.ANSWERS_CHANGE, facts)
    # References show which labels models give anyway; without them fixed shares stand in.
    if comparison is None:
        yield from _shared_opinions(made, evidence)
    elif comparison.p_erratic <= bundle.terms.acquit:
        yield Reason(ReasonCode.ERRATIC_ANSWERS, {"p": comparison.p_erratic})


def _shared_opinions(made: Fingerprint, evidence: Evidence) -> Iterator[Reason]:
    """Yield a reason for each family on which the suspect agrees more than innocents do.

    Students of the owner learn its natural mistakes and lineage points, but not its core points.
    """
    for family, (most, code) in SHARED.items():
        rows = made.sheet.rows(family)
        if rows.any():
            shared = agreement(made.sheet.labels[rows], evidence.answers.at(rows))
            if shared > most:
                yield Reason(code, {"share": shared, "most": most})
