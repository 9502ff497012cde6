"""Weights: what a file gives away whatever it answers.

Everything that is made from the owner's weights (tuned, pruned, quantised, given another label
space) keeps most of their directions, and independent models have others. The p-value is exact
(`auditkit.judging.chance`; Zhu et al., ICML 2025) unless both models were tuned from one public
ancestor, or trained by one code from one seed. So alike weights accuse by themselves only where the
owner states that the model was trained from scratch; with twins, which share the ancestor, the
line-up decides instead.
"""

from auditkit.core.evidence import Evidence
from auditkit.core.verdicts import Decision, Identification, Reason, ReasonCode
from auditkit.files.bundle import Bundle

__all__ = ["weigh_weights"]

NAME = "weights"
ALIKE = 1e-3
"""Chance at which weights count as alike. 9,999 random orders of each tensor can show 2e-4."""
UNLIKE = 0.05
"""Chance above which weights count as unlike, as far as they are comparable."""


def weigh_weights(bundle: Bundle, evidence: Evidence) -> Identification | None:
    """Return the likeness of the weights to the owner's, about 0 to 1.

    None where the suspect is no file, or nothing can be compared, unless this is the fingerprint's
    leading identification.
    """
    own, seen = bundle.fingerprint.weights, evidence.weights
    if own is None or seen is None:
        abstains = Identification(NAME, None, Reason(ReasonCode.NO_WEIGHTS))
        return abstains if bundle.fingerprint.lead == NAME else None
    value = seen.likeness[0]
    # What quick copies keep at least is halved: thieves change more than these do.
    least = own.least_kept / 2
    facts = {
        "likeness": value,
        "chance": seen.chance,
        "copies keep": own.least_kept,
        "shared": seen.shared,
        "compared": seen.compared,
    }
    says: Decision | None = Decision.INCONCLUSIVE
    code = ReasonCode.WEIGHTS_BETWEEN
    # One independent model in a thousand has so small a chance; none is alike by as much as copies.
    if seen.chance <= ALIKE and value >= least:
        says = Decision.PIRATED if own.from_scratch else None
        code = ReasonCode.WEIGHTS_ALIKE if own.from_scratch else ReasonCode.ANCESTOR_UNKNOWN
    elif seen.chance > UNLIKE and seen.is_comparable and value < least:
        says, code = Decision.HOMOLOGOUS, ReasonCode.WEIGHTS_UNLIKE
        if not seen.is_whole:
            says, code = Decision.INCONCLUSIVE, ReasonCode.WEIGHTS_BESIDE
    return Identification(NAME, says, Reason(code, facts), value=value, threshold=None)
