"""How near the suspect is to what was made from the owner, as shadow models see it.

The score that the bundle's shadow models teach (`calibration.score`), on all points: about -1 for
independent models, 1 for copies, students included. It abstains: the shadow models chose the
points, so how often innocents like them come close can't be read off them. Reference models price
it (`auditkit calibrate`).
"""

from auditkit.core.access import Access
from auditkit.core.evidence import Evidence
from auditkit.core.fingerprint import Fingerprint, order_of
from auditkit.core.models import Reference
from auditkit.core.points import LINEAGE
from auditkit.core.verdicts import Identification
from auditkit.judging.calibration.comparison import comparable, learnt
from auditkit.judging.calibration.similarity import replies

__all__ = ["weigh_kinship"]

NAME = "kinship"


def weigh_kinship(
    fingerprint: Fingerprint, references: tuple[Reference, ...], evidence: Evidence
) -> Identification | None:
    """The learnt score of the suspect; nothing to do where no shadow models chose points."""
    if LINEAGE not in fingerprint.families and fingerprint.lead != NAME:
        return None
    shadows = tuple(r for r in comparable(fingerprint, references) if r.kind.is_shadow)
    if len({shadow.kind.is_derived for shadow in shadows}) < 2:
        return Identification(NAME, None, "the bundle has no shadow models of both kinds")
    if evidence.classes not in (None, fingerprint.owner.classes):
        return Identification(NAME, None, "the suspect's label space is another")
    order = order_of(fingerprint)
    revealed = all(shadow.access.rank >= evidence.access.rank for shadow in shadows)
    access = evidence.access if revealed else Access.LABEL
    score = learnt(fingerprint, shadows, access, sequential=False)
    suspect = replies([evidence.answers], tuple(fingerprint.families), order, access)
    value = float(score.of(suspect, len(order))[0, 0, -1])
    count = sum(shadow.kind.is_derived for shadow in shadows)
    return Identification(
        NAME,
        None,
        f"answers like {count} derived and {len(shadows) - count} independent shadow models at "
        f"{value:+.2f}, from -1 (independent) to 1 (derived)",
        value,
    )
