"""What a suspect said is weighed: identifications, reference models, verdict; no suspect needed."""

from auditkit.core.errors import EvidenceError, PluginError
from auditkit.core.evidence import Evidence
from auditkit.core.plugins import load
from auditkit.core.verdicts import Identification, Verdict
from auditkit.files.bundle import Bundle
from auditkit.judging import identification
from auditkit.judging.calibration.comparison import compare
from auditkit.judging.decide import decide
from auditkit.judging.identification.base import Weigh


def judge(bundle: Bundle, evidence: Evidence) -> Verdict:
    """Weigh what a suspect said; no suspect needed.

    Raises:
        EvidenceError: The evidence answers another bundle's points, or not all of them.
        PluginError: One of the bundle's identifications is missing, or fails.
    """
    if evidence.bundle_digest != bundle.digest:
        raise EvidenceError(
            f"the evidence answers bundle {evidence.bundle_digest}, this one is {bundle.digest}; "
            "judge it with the bundle it was made with"
        )
    _check_answers(bundle, evidence)
    opinions = (_opinion(name, bundle, evidence) for name in bundle.fingerprint.speaking)
    weighed = tuple(opinion for opinion in opinions if opinion is not None)
    return decide(bundle, evidence, weighed, compare(bundle, evidence))


def check_identifications(bundle: Bundle) -> None:
    """Make sure that every identification that the bundle names is there, before anybody is asked.

    Raises:
        PluginError: One is missing.
    """
    for name in bundle.fingerprint.speaking:
        load(identification, name)


def _opinion(name: str, bundle: Bundle, evidence: Evidence) -> Identification | None:
    weigh: Weigh = load(identification, name)
    try:
        found = weigh(bundle, evidence)
    except Exception as error:  # a plug-in may raise anything
        raise PluginError(
            f"the identification {name!r} failed: {type(error).__name__}: {error}"
        ) from error
    if found is not None and not isinstance(found, Identification):
        raise PluginError(
            f"the identification {name!r} returned {type(found).__name__}, wanted an Identification"
        )
    return found


def _check_answers(bundle: Bundle, evidence: Evidence) -> None:
    total, got = len(bundle.fingerprint.sheet), len(evidence.answers.labels)
    if total != got:
        raise EvidenceError(
            f"the evidence answers {got} points, the bundle has {total}; ask the suspect again"
        )
    for count in (evidence.asked, evidence.spent):
        if count is not None and not 0 < count <= total:
            raise EvidenceError(
                f"the evidence says that {count} of {total} points were asked; "
                "ask the suspect again"
            )
