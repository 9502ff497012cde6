"""The baseline AKH (Godinot et al., AAAI 2025): shared mistakes on natural inputs.

Reported beside the others because a fingerprint that does not beat it is not worth its making. It
abstains: without reference models nobody knows how many mistakes strangers share.
"""

from auditkit.core.evidence import Evidence
from auditkit.core.fingerprint import Fingerprint
from auditkit.core.models import Reference
from auditkit.core.points import MISTAKE
from auditkit.core.verdicts import Identification
from auditkit.judging.identification.base import agreement

__all__ = ["weigh_mistakes"]

NAME = "mistakes"


def weigh_mistakes(
    fingerprint: Fingerprint, _references: tuple[Reference, ...], evidence: Evidence
) -> Identification:
    """The share of the owner's natural mistakes that the suspect makes too."""
    if MISTAKE not in fingerprint.families:
        return Identification(NAME, None, "the bundle has no natural mistakes of the owner")
    family = fingerprint.families[MISTAKE]
    if not evidence.answers[MISTAKE].answered.any():
        return Identification(NAME, None, "the suspect answered none of the natural mistakes")
    value = agreement(family, evidence.answers[MISTAKE])
    return Identification(
        NAME, None, f"makes {value:.0%} of the owner's {len(family)} natural mistakes too", value
    )
