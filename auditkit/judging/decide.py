"""Evidence -> decision: pure, total, three-valued; each is reached only by its own test.

With enough reference models of both kinds they decide, by the levels that the bundle fixes.
Otherwise the fingerprint's leading identification does, by thresholds that carry no error rate.
"""

import math
from collections import Counter
from dataclasses import replace

from auditkit.core.evidence import Evidence
from auditkit.core.fingerprint import Discrimination, Fingerprint, Terms
from auditkit.core.models import ReferenceKind
from auditkit.core.points import CONTROL, LINEAGE, MISTAKE
from auditkit.core.verdicts import Comparison, Decision, Identification, Verdict
from auditkit.files.bundle import Bundle
from auditkit.judging.calibration.conformal import floor
from auditkit.judging.identification.base import agreement

ENOUGH_ANSWERED = 0.9
CONTROLS_KEPT = 0.5
SHARED = {
    MISTAKE: (0.8, "natural mistakes"),
    LINEAGE: (0.6, "lineage points, which its students share"),
}
"""In the benchmark almost no independent model shared more."""
Said = tuple[Decision, str]


def decide(
    bundle: Bundle,
    evidence: Evidence,
    identifications: tuple[Identification, ...],
    comparison: Comparison | None,
) -> Verdict:
    """Weigh what the suspect's answers show against what they and the bundle can carry.

    Args:
        bundle: Whose points were asked, its reference models and its terms.
        evidence: The suspect's answers.
        identifications: What each had to say; the fingerprint's lead must be among them. Without
            enough reference models it decides, and the others can only veto it.
        comparison: The suspect among the reference models; None where there are none to compare
            with.
    """
    calibrated = comparison is not None and supports(comparison, bundle.terms)
    doubt = _doubt(bundle.fingerprint, evidence)
    if doubt is None and not calibrated:
        doubt = _undiscriminating(bundle.fingerprint) or _partial(bundle.fingerprint, evidence)
    if doubt is None:
        decision, reason = _said(bundle, evidence, identifications, comparison)
        if decision is Decision.PIRATED and not calibrated:
            doubt = _untried(bundle.fingerprint, reason)
    if doubt is not None:
        decision, reason = Decision.INCONCLUSIVE, doubt
    if doubt is not None or calibrated:
        why = "not weighed, for the reason above" if doubt else "reference models decide instead"
        identifications = tuple(_silenced(opinion, why) for opinion in identifications)
    kinds = Counter(reference.kind for reference in bundle.references)
    return Verdict(
        suspect=evidence.suspect,
        decision=decision,
        reason=reason,
        access=evidence.access,
        queries=evidence.queries,
        answered=sum(int(answers.answered.sum()) for answers in evidence.answers.values()),
        identifications=identifications,
        references={kind: kinds[kind] for kind in ReferenceKind},
        notes=evidence.notes,
        comparison=comparison,
        calibrated=calibrated,
        disguises=evidence.disguises,
    )


def _said(
    bundle: Bundle,
    evidence: Evidence,
    identifications: tuple[Identification, ...],
    comparison: Comparison | None,
) -> Said:
    calibrated = comparison is not None and supports(comparison, bundle.terms)
    if comparison is not None and calibrated:
        decision, reason = _compared(comparison, bundle.terms)
    else:
        decision, reason = _weighed(bundle.fingerprint, identifications)
    if decision is not Decision.HOMOLOGOUS:
        return decision, reason
    doubt = _gate(bundle, evidence, comparison)
    if doubt is not None:
        return Decision.INCONCLUSIVE, doubt
    if calibrated:
        return decision, reason
    # Distilled and extracted copies answer core points like independent models, so without
    # reference models nobody can be cleared.
    return (
        Decision.INCONCLUSIVE,
        f"no sign of a modified copy: {reason}; a distilled or extracted copy can answer like "
        "this too, and only reference models can tell",
    )


def supports(comparison: Comparison, terms: Terms) -> bool:
    """Whether there are references enough for claims at the bundle's levels."""
    return (
        floor(comparison.homologous) <= terms.accuse + 1e-12
        and floor(comparison.pirated) <= terms.acquit + 1e-12
    )


def _compared(found: Comparison, terms: Terms) -> Said:
    """Two one-sided tests: extreme for one pool and compatible with the other."""
    like_none = found.p_homologous <= terms.accuse
    unlike_copies = found.p_pirated <= terms.acquit
    numbers = f"p {found.p_homologous:.2g} among {found.homologous} independent reference models"
    others = f"p {found.p_pirated:.2g} among {found.pirated} pirated ones"
    if like_none and unlike_copies:
        return (
            Decision.INCONCLUSIVE,
            f"like neither: closer to the owner than independent models ({numbers}) and further "
            f"than copies ({others}); evasion, a copy of an unknown kind, or another task",
        )
    wanted = found.clearance_needed(terms)
    if like_none and found.clearance < wanted:
        return (
            Decision.INCONCLUSIVE,
            f"closer to the owner than every independent model ({numbers}), but by only "
            f"{found.clearance:.0%} of the way from there to the owner ({wanted:.0%} are needed)",
        )
    if like_none:
        return (
            Decision.PIRATED,
            f"closer to the owner than every independent model, clear of them by "
            f"{found.clearance:.0%} of the way from there to the owner ({numbers}), and like "
            f"copies ({others})",
        )
    if unlike_copies:
        return (
            Decision.HOMOLOGOUS,
            f"further from the owner than copies are ({others}), and like independent models "
            f"({numbers})",
        )
    return Decision.INCONCLUSIVE, f"both kinds of models answer like this ({numbers}; {others})"


def _weighed(fingerprint: Fingerprint, identifications: tuple[Identification, ...]) -> Said:
    lead = next(i for i in identifications if i.name == fingerprint.lead)
    if lead.says not in (Decision.PIRATED, Decision.HOMOLOGOUS):
        return Decision.INCONCLUSIVE, lead.reason
    opposite = Decision.HOMOLOGOUS if lead.says is Decision.PIRATED else Decision.PIRATED
    for other in identifications:
        if other.says is opposite:
            return (
                Decision.INCONCLUSIVE,
                f"the identifications contradict each other: {lead.name} says {lead.says}, "
                f"{other.name} says {other.says}",
            )
    return lead.says, lead.reason


def _silenced(opinion: Identification, why: str) -> Identification:
    """The value stays for the record; an opinion that does not count accuses nobody."""
    return opinion if opinion.says is None else replace(opinion, says=None, reason=why)


def _doubt(fingerprint: Fingerprint, evidence: Evidence) -> str | None:
    """Why no claim at all can be made, or None."""
    classes = fingerprint.owner.classes
    if evidence.classes is not None and evidence.classes != classes:
        return (
            f"label spaces differ: the suspect knows {evidence.classes} classes, the owner "
            f"{classes}; labels can't be compared"
        )
    answered = sum(int(answers.answered.sum()) for answers in evidence.answers.values())
    if answered < ENOUGH_ANSWERED * evidence.queries:
        return (
            f"only {answered} of {evidence.queries} points were answered "
            f"(at least {ENOUGH_ANSWERED:.0%} are needed)"
        )
    largest = max(int(answers.labels.max()) for answers in evidence.answers.values())
    if largest >= classes:
        return (
            f"label spaces differ: the suspect answers class {largest}, the owner "
            f"knows 0 to {classes - 1}; labels can't be compared"
        )
    return None


def _undiscriminating(fingerprint: Fingerprint) -> str | None:
    if fingerprint.discrimination is Discrimination.DISCRIMINATING:
        return None
    unmeasured = fingerprint.discrimination is Discrimination.UNMEASURED
    state = "of unmeasured uniqueness" if unmeasured else "not discriminating"
    return f"the fingerprint is {state}: {fingerprint.reason}"


def _untried(fingerprint: Fingerprint, reason: str) -> str | None:
    """Why thresholds alone accuse nobody: innocents of the owner's recipe may share all points."""
    if fingerprint.siblings.tried:
        return None
    return (
        f"{reason}; but no nets of the owner's own architecture were trained to see whether "
        f"innocents of its recipe share these points ({fingerprint.siblings.reason}); add "
        "reference models (auditkit references, auditkit calibrate), or make the fingerprint anew "
        "from a factory with --samples"
    )


def _partial(fingerprint: Fingerprint, evidence: Evidence) -> str | None:
    total = sum(len(family) for family in fingerprint.families.values())
    if evidence.asked is None or evidence.asked == total:
        return None
    return (
        f"only {evidence.asked} of {total} points were asked; thresholds count for all of them, "
        "less carries a verdict only with reference models (auditkit calibrate)"
    )


def _gate(bundle: Bundle, evidence: Evidence, comparison: Comparison | None) -> str | None:
    """Why a suspect that is unlike the owner may be evading, or None."""
    gates = [_another_task(bundle.fingerprint, evidence), _changing(evidence)]
    if comparison is None:
        gates.append(_shared_opinions(bundle.fingerprint, evidence))
    else:
        gates.append(_erratic(comparison, bundle.terms))
    return next((gate for gate in gates if gate is not None), None)


def _another_task(fingerprint: Fingerprint, evidence: Evidence) -> str | None:
    """A broken model, another task, other preprocessing and evasion all disagree on core points;
    on natural controls an innocent model of the same task does not.
    """  # noqa: D205
    if CONTROL not in fingerprint.families:
        return None
    kept = agreement(fingerprint.families[CONTROL], evidence.answers[CONTROL])
    if not math.isnan(kept) and kept >= CONTROLS_KEPT:
        return None
    return (
        f"like neither: the suspect gives the owner's label on only {kept:.0%} of natural "
        "controls; another task, other preprocessing or class order, a broken model, or evasion"
    )


def _changing(evidence: Evidence) -> str | None:
    if not evidence.changed:
        return None
    return (
        f"evasion suspected: {evidence.changed} of {evidence.repeated} points that were asked "
        "twice got another label; who answers at random can't be cleared"
    )


def _erratic(comparison: Comparison, terms: Terms) -> str | None:
    if comparison.p_erratic > terms.acquit:
        return None
    return (
        "evasion suspected: it recognises natural controls, but gives answers to other points "
        f"that neither the owner nor any reference model gives (p {comparison.p_erratic:.2g})"
    )


def _shared_opinions(fingerprint: Fingerprint, evidence: Evidence) -> str | None:
    """Who makes the owner's natural mistakes may be a student, or evade on odd inputs alone."""
    for name, (most, called) in SHARED.items():
        if name in fingerprint.families:
            shared = agreement(fingerprint.families[name], evidence.answers[name])
            if shared > most:
                return (
                    f"unlike the owner on core points, but shares {shared:.0%} of its {called} "
                    f"(more than {most:.0%}): it may be a student of the owner"
                )
    return None
