"""Kinship: a score, learnt from the bundle's shadow models, of being derived from the owner.

The score (`calibration.score`) is about -1 for independent models and about 1 for copies, students
included. It always abstains: the shadow models helped to choose the points, so they can't show how
often an innocent comes close to the owner. Reference models can (`auditkit calibrate`).
"""

from auditkit.core.access import Access
from auditkit.core.evidence import Evidence
from auditkit.core.points import LINEAGE
from auditkit.core.verdicts import Identification, Reason, ReasonCode
from auditkit.files.bundle import Bundle
from auditkit.judging.calibration.comparison import comparable, learnt_from_shadows
from auditkit.judging.calibration.similarity import replies

__all__ = ["weigh_kinship"]

NAME = "kinship"


def weigh_kinship(bundle: Bundle, evidence: Evidence) -> Identification | None:
    """Return the suspect's learnt score; None if no shadow models chose this bundle's points."""
    made = bundle.fingerprint
    if LINEAGE not in made.sheet.names and made.lead != NAME:
        return None
    shadows = [r for r in comparable(bundle) if r.kind.is_shadow]
    if len({shadow.kind.is_derived for shadow in shadows}) < 2:
        return Identification(NAME, None, Reason(ReasonCode.NO_SHADOWS))
    if evidence.classes not in (None, made.owner.classes):
        return Identification(NAME, None, Reason(ReasonCode.CLASSES_DIFFER))
    # Scores can be compared only if every shadow model reveals as much; labels they all have.
    revealed = all(shadow.answers.access.rank >= evidence.access.rank for shadow in shadows)
    access = evidence.access if revealed else Access.LABEL
    score = learnt_from_shadows(bundle, access)
    suspect = replies([evidence.answers], access)
    value = float(score.of(suspect, len(made.sheet))[0, 0, -1])
    derived = sum(shadow.kind.is_derived for shadow in shadows)
    facts = {"derived": derived, "independent": len(shadows) - derived, "score": value}
    return Identification(NAME, None, Reason(ReasonCode.KINSHIP, facts), value)
