"""DeepCore's first identification: how often the suspect gives the owner's label on core points.

Works with labels alone. The default thresholds were measured on modified copies and innocent models
(docs/verdicts.md); they carry no error rate.
"""

from auditkit.core.evidence import Evidence
from auditkit.core.fingerprint import Fingerprint
from auditkit.core.models import Reference
from auditkit.core.points import CORE
from auditkit.core.verdicts import Decision, Identification
from auditkit.judging.identification.base import (
    HOMOLOGOUS_BELOW,
    PIRATED_FROM,
    ROBUST_FROM,
    agreement,
    strangers,
)

__all__ = ["weigh_labels"]

NAME = "label_similarity"


def weigh_labels(
    fingerprint: Fingerprint, references: tuple[Reference, ...], evidence: Evidence
) -> Identification:
    """Compare the share of matching labels with the thresholds and with known strangers."""
    family = fingerprint.families[CORE]
    if not evidence.answers[CORE].answered.any():
        return Identification(NAME, Decision.INCONCLUSIVE, "the suspect answered no core point")
    value = agreement(family, evidence.answers[CORE])
    known = [agreement(family, r.answers[CORE]) for r in strangers(references) if CORE in r.answers]
    least = ROBUST_FROM if fingerprint.parameters.get("robust") else PIRATED_FROM
    threshold = max([least, *((1 + share) / 2 for share in known)])
    if value >= threshold:
        return Identification(
            NAME,
            Decision.PIRATED,
            f"gives the owner's label on {value:.0%} of core points, as modified copies do "
            f"({threshold:.0%} or more)",
            value,
            threshold,
        )
    if value < HOMOLOGOUS_BELOW:
        return Identification(
            NAME,
            Decision.HOMOLOGOUS,
            f"gives the owner's label on {value:.0%} of core points, as independent models do "
            f"(below {HOMOLOGOUS_BELOW:.0%})",
            value,
            threshold,
        )
    return Identification(
        NAME,
        Decision.INCONCLUSIVE,
        f"gives the owner's label on {value:.0%} of core points: more than independent models, "
        f"less than modified copies ({HOMOLOGOUS_BELOW:.0%} to {threshold:.0%})",
        value,
        threshold,
    )
