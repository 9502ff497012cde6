"""Judges recorded answers: runs the identifications, lines the owner up, decides.

The suspect itself is not needed, so that anybody who has bundle and evidence gets the same verdict.
"""

from dataclasses import replace

from auditkit.core.errors import EvidenceError, PluginError
from auditkit.core.evidence import Evidence
from auditkit.core.plugins import load
from auditkit.core.verdicts import Identification, LineUp, Verdict
from auditkit.files.bundle import Bundle
from auditkit.judging import identification
from auditkit.judging.decide import decide
from auditkit.judging.identification.base import Weigh
from auditkit.judging.lineup.standing import line_up


def judge(bundle: Bundle, evidence: Evidence) -> Verdict:
    """Return the verdict that a bundle gives on a suspect's recorded answers.

    Args:
        bundle: The fingerprint, with its twins where it has any.
        evidence: The suspect's answers to the points of this very bundle.

    Raises:
        EvidenceError: The evidence was made with another bundle, or its number of answers does not
            fit the bundle's points.
        PluginError: One of the bundle's identifications is missing, fails, or returns something
            other than an `Identification` or None.
    """
    # The digest covers points, twins and the level. Without this check someone could look for the
    # bundle that gives the verdict they want from the same answers.
    if evidence.bundle_digest != bundle.digest:
        raise EvidenceError(
            f"the evidence answers bundle {evidence.bundle_digest}, this one is {bundle.digest}; "
            "judge it with the bundle it was made with"
        )
    _check_answers(bundle, evidence)
    # Only identifications that the bundle names are run: a plug-in that happens to be installed on
    # the auditor's machine must not change a verdict.
    opinions = (_opinion(name, bundle, evidence) for name in bundle.fingerprint.speaking)
    weighed = tuple(opinion for opinion in opinions if opinion is not None)
    if all(opinion.name != bundle.fingerprint.lead for opinion in weighed):
        raise PluginError(
            f"the identification {bundle.fingerprint.lead!r} leads, and has nothing to say about "
            "this bundle's points; make the fingerprint anew"
        )
    found = line_up(bundle, evidence)
    priced = None if found is None else _priced(found, evidence.looks)
    return decide(bundle, evidence, weighed, priced)


def _priced(found: LineUp, looks: int) -> LineUp:
    """Correct the chances of innocence for the number of outputs that were read (Bonferroni)."""
    # The chance of being a copy needs no correction: of several outputs the closest counts, and a
    # copy among them is no further away than that.
    p, p_gap = (min(1.0, looks * one) for one in (found.p, found.p_gap))
    return replace(found, p=p, p_gap=p_gap, looks=looks)


def check_identifications(bundle: Bundle) -> None:
    """Check that every identification named in the bundle is installed.

    Call it before a suspect is asked: queries to somebody's API may cost money, and finding out
    afterwards that the answers can't be judged would waste them.

    Raises:
        PluginError: An identification is missing.
    """
    for name in bundle.fingerprint.speaking:
        load(identification, name)


def _opinion(name: str, bundle: Bundle, evidence: Evidence) -> Identification | None:
    """Run one identification; None means that it does not apply to this bundle or suspect."""
    weigh: Weigh = load(identification, name)
    try:
        found = weigh(bundle, evidence)
    except Exception as error:  # third-party code may raise anything
        raise PluginError(
            f"the identification {name!r} failed: {type(error).__name__}: {error}"
        ) from error
    if found is not None and not isinstance(found, Identification):
        raise PluginError(
            f"the identification {name!r} returned {type(found).__name__}, wanted an Identification"
        )
    return found


def _check_answers(bundle: Bundle, evidence: Evidence) -> None:
    # An evidence file is somebody else's input: its counts are checked, not trusted.
    total, got = len(bundle.fingerprint.sheet), len(evidence.answers.labels)
    if total != got:
        raise EvidenceError(
            f"the evidence answers {got} points, the bundle has {total}; ask the suspect again"
        )
    members = bundle.fingerprint.line_up.twins + 1
    if evidence.weights is not None and len(evidence.weights.likeness) not in (1, members):
        raise EvidenceError(
            f"the evidence compares weights with {len(evidence.weights.likeness)} models, the "
            f"bundle has an owner and {members - 1} twins; ask the suspect again"
        )
    # A file of weights alone is asked nothing.
    least = 0 if evidence.weights is not None and not evidence.answers.answered.any() else 1
    for count in (evidence.asked, evidence.spent):
        if count is not None and not least <= count <= total:
            raise EvidenceError(
                f"the evidence says that {count} of {total} points were asked; "
                "ask the suspect again"
            )
