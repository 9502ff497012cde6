"""What a suspect said is weighed: identifications, reference models, verdict; no suspect needed."""

from auditkit.core.errors import EvidenceError
from auditkit.core.evidence import Evidence
from auditkit.core.plugins import load, names
from auditkit.core.verdicts import Verdict
from auditkit.files.bundle import Bundle
from auditkit.judging import identification
from auditkit.judging.calibration.comparison import compare
from auditkit.judging.decide import decide


def judge(bundle: Bundle, evidence: Evidence) -> Verdict:
    """Weigh what a suspect said; no suspect needed.

    Raises:
        EvidenceError: The evidence answers another bundle's points, or not all of them.
    """
    if evidence.bundle_digest != bundle.digest:
        raise EvidenceError(
            f"the evidence answers bundle {evidence.bundle_digest}, this one is {bundle.digest}; "
            "judge it with the bundle it was made with"
        )
    _check_answers(bundle, evidence)
    opinions = (
        load(identification, name)(bundle.fingerprint, bundle.references, evidence)
        for name in names(identification)
    )
    weighed = tuple(opinion for opinion in opinions if opinion is not None)
    comparison = compare(bundle.fingerprint, bundle.references, evidence)
    return decide(bundle, evidence, weighed, comparison)


def _check_answers(bundle: Bundle, evidence: Evidence) -> None:
    wanted = {name: len(family) for name, family in bundle.fingerprint.families.items()}
    got = {name: len(answers.labels) for name, answers in evidence.answers.items()}
    if wanted != got:
        raise EvidenceError(
            f"the evidence answers {got} points, the bundle has {wanted}; ask the suspect again"
        )
    total = sum(wanted.values())
    for count in (evidence.asked, evidence.spent):
        if count is not None and not 0 < count <= total:
            raise EvidenceError(
                f"the evidence says that {count} of {total} points were asked; "
                "ask the suspect again"
            )
