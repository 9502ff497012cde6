"""How near the suspect is to what was made from the owner, as shadow models see it.

The score that the bundle's shadow models teach (`calibration.score`), on all points: about -1 for
independent models, 1 for copies, students included. It abstains: the shadow models chose the
points, so how often innocents like them come close can't be read off them. Reference models price
it (`auditkit calibrate`).
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
    """The learnt score of the suspect; nothing to do where no shadow models chose points."""
    made = bundle.fingerprint
    if LINEAGE not in made.sheet.names and made.lead != NAME:
        return None
    shadows = [r for r in comparable(bundle) if r.kind.is_shadow]
    if len({shadow.kind.is_derived for shadow in shadows}) < 2:
        return Identification(NAME, None, Reason(ReasonCode.NO_SHADOWS))
    if evidence.classes not in (None, made.owner.classes):
        return Identification(NAME, None, Reason(ReasonCode.CLASSES_DIFFER))
    revealed = all(shadow.answers.access.rank >= evidence.access.rank for shadow in shadows)
    access = evidence.access if revealed else Access.LABEL
    score = learnt_from_shadows(bundle, access)
    suspect = replies([evidence.answers], access)
    value = float(score.of(suspect, len(made.sheet))[0, 0, -1])
    derived = sum(shadow.kind.is_derived for shadow in shadows)
    facts = {"derived": derived, "independent": len(shadows) - derived, "score": value}
    return Identification(NAME, None, Reason(ReasonCode.KINSHIP, facts), value)
