"""Evidence -> decision: pure, total, three-valued; each is reached only by its own test.

With enough reference models of both kinds they decide, by the levels that the bundle fixes.
Otherwise the fingerprint's leading identification does, by thresholds that carry no error rate.
"""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from auditkit.core.arrays import JsonObject
from auditkit.core.evidence import Evidence
from auditkit.core.fingerprint import Discrimination, Fingerprint, Terms
from auditkit.core.models import ReferenceKind
from auditkit.core.points import CONTROL, LINEAGE, MISTAKE
from auditkit.core.verdicts import (
    Comparison,
    Decision,
    Identification,
    Reason,
    ReasonCode,
    Verdict,
    clearance_needed,
)
from auditkit.files.bundle import Bundle
from auditkit.judging.calibration.conformal import floor
from auditkit.judging.identification.base import agreement

ENOUGH_ANSWERED = 0.9
CONTROLS_KEPT = 0.5
SHARED = {
    MISTAKE: (0.8, ReasonCode.SHARED_MISTAKES),
    LINEAGE: (0.6, ReasonCode.SHARED_LINEAGE),
}
"""In our benchmark almost no independent model shared more of these families."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A decision and why it was reached."""

    decision: Decision
    reason: Reason


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
    made = bundle.fingerprint
    calibrated = comparison is not None and supports(comparison, bundle.terms)
    doubt = _doubt(made, evidence)
    if doubt is None and not calibrated:
        doubt = _undiscriminating(made) or _partial(made, evidence)
    if doubt is not None:
        found = Finding(Decision.INCONCLUSIVE, doubt)
    elif comparison is not None and calibrated:
        found = _cleared(bundle, evidence, _compared(comparison, bundle.terms), comparison)
    else:
        found = _by_thresholds(bundle, evidence, identifications, comparison)
    silent = ReasonCode.REFERENCES_DECIDE if calibrated and doubt is None else None
    if doubt is not None or found.reason.code == ReasonCode.SIBLINGS_NOT_TRIED:
        silent = ReasonCode.NOT_WEIGHED
    if silent is not None:
        identifications = tuple(_silenced(opinion, silent) for opinion in identifications)
    kinds = Counter(reference.kind for reference in bundle.references)
    return Verdict(
        suspect=evidence.suspect,
        decision=found.decision,
        reason=found.reason,
        access=evidence.access,
        queries=evidence.queries,
        answered=int(evidence.answers.answered.sum()),
        identifications=identifications,
        references={kind: kinds[kind] for kind in ReferenceKind},
        notes=evidence.notes,
        comparison=comparison,
        calibrated=calibrated,
        disguises=evidence.disguises,
        sent=evidence.sent,
    )


def supports(comparison: Comparison, terms: Terms) -> bool:
    """Whether there are references enough for claims at the bundle's levels."""
    return (
        floor(comparison.homologous) <= terms.accuse + 1e-12
        and floor(comparison.pirated) <= terms.acquit + 1e-12
    )


def _compared(found: Comparison, terms: Terms) -> Finding:
    """Two one-sided tests: extreme for one pool and compatible with the other."""
    like_none = found.p_homologous <= terms.accuse
    unlike_copies = found.p_pirated <= terms.acquit
    wanted = clearance_needed(found, terms)
    facts = {
        "p homologous": found.p_homologous,
        "homologous": found.homologous,
        "p pirated": found.p_pirated,
        "pirated": found.pirated,
        "clearance": found.clearance,
        "clearance needed": wanted,
    }
    decision, code = Decision.INCONCLUSIVE, ReasonCode.LIKE_BOTH_KINDS
    if like_none and unlike_copies:
        code = ReasonCode.LIKE_NEITHER_KIND
    elif like_none and found.clearance < wanted:
        code = ReasonCode.NOT_CLEAR_OF_INNOCENTS
    elif like_none:
        decision, code = Decision.PIRATED, ReasonCode.LIKE_COPIES
    elif unlike_copies:
        decision, code = Decision.HOMOLOGOUS, ReasonCode.LIKE_INDEPENDENT_MODELS
    return Finding(decision, Reason(code, facts))


def _by_thresholds(
    bundle: Bundle,
    evidence: Evidence,
    identifications: tuple[Identification, ...],
    comparison: Comparison | None,
) -> Finding:
    """What the leading identification says, as far as thresholds without an error rate carry it."""
    made = bundle.fingerprint
    found = _cleared(bundle, evidence, _weighed(made, identifications), comparison)
    because = {"because": {"code": str(found.reason.code), "facts": dict(found.reason.facts)}}
    if found.decision is Decision.PIRATED and not made.siblings.tried:
        # Innocents of the owner's own recipe were seen to share every core point.
        facts = {**because, "why": made.siblings.reason}
        return Finding(Decision.INCONCLUSIVE, Reason(ReasonCode.SIBLINGS_NOT_TRIED, facts))
    if found.decision is Decision.HOMOLOGOUS:
        # Distilled and extracted copies answer core points like independent models.
        return Finding(Decision.INCONCLUSIVE, Reason(ReasonCode.NO_SIGN_OF_A_COPY, because))
    return found


def _weighed(made: Fingerprint, identifications: tuple[Identification, ...]) -> Finding:
    lead = next(opinion for opinion in identifications if opinion.name == made.lead)
    if lead.says not in (Decision.PIRATED, Decision.HOMOLOGOUS):
        return Finding(Decision.INCONCLUSIVE, lead.reason)
    opposite = Decision.HOMOLOGOUS if lead.says is Decision.PIRATED else Decision.PIRATED
    for other in identifications:
        if other.says is opposite:
            facts = {"lead": lead.name, "lead says": str(lead.says)}
            facts |= {"other": other.name, "other says": str(other.says)}
            return Finding(Decision.INCONCLUSIVE, Reason(ReasonCode.OPINIONS_CONTRADICT, facts))
    return Finding(lead.says, lead.reason)


def _silenced(opinion: Identification, code: ReasonCode) -> Identification:
    """The value stays for the record; an opinion that does not count accuses nobody."""
    return opinion if opinion.says is None else replace(opinion, says=None, reason=Reason(code))


def _doubt(made: Fingerprint, evidence: Evidence) -> Reason | None:
    """Why no claim at all can be made, or None."""
    classes = made.owner.classes
    if evidence.classes is not None and evidence.classes != classes:
        facts = {"suspect": evidence.classes, "owner": classes}
        return Reason(ReasonCode.OTHER_CLASSES, facts)
    answered = int(evidence.answers.answered.sum())
    if answered < ENOUGH_ANSWERED * evidence.queries:
        few = {"answered": answered, "asked": evidence.queries, "least share": ENOUGH_ANSWERED}
        return Reason(ReasonCode.FEW_ANSWERS, few)
    largest = int(evidence.answers.labels.max())
    if largest >= classes:
        return Reason(ReasonCode.OTHER_LABELS, {"label": largest, "owner": classes})
    return None


def _undiscriminating(made: Fingerprint) -> Reason | None:
    if made.discrimination is Discrimination.DISCRIMINATING:
        return None
    unmeasured = made.discrimination is Discrimination.UNMEASURED
    code = ReasonCode.UNMEASURED if unmeasured else ReasonCode.NOT_DISCRIMINATING
    return Reason(code, {"measured": made.reason})


def _partial(made: Fingerprint, evidence: Evidence) -> Reason | None:
    total = len(made.sheet)
    if evidence.asked is None or evidence.asked == total:
        return None
    return Reason(ReasonCode.PARTLY_ASKED, {"asked": evidence.asked, "points": total})


def _cleared(
    bundle: Bundle, evidence: Evidence, found: Finding, comparison: Comparison | None
) -> Finding:
    """A suspect that may be evading is not cleared: unlike the owner is not yet innocent."""
    if found.decision is not Decision.HOMOLOGOUS:
        return found
    doubt = next(_evasions(bundle, evidence, comparison), None)
    return found if doubt is None else Finding(Decision.INCONCLUSIVE, doubt)


def _evasions(
    bundle: Bundle, evidence: Evidence, comparison: Comparison | None
) -> Iterator[Reason]:
    """Signs that a suspect which is unlike the owner may be evading."""
    made = bundle.fingerprint
    controls = made.sheet.rows(CONTROL)
    if controls.any():
        # A broken model, another task or preprocessing, and evasion all disagree on core points; on
        # natural controls an innocent model of the same task does not.
        kept = agreement(made.sheet.labels[controls], evidence.answers.at(controls))
        if math.isnan(kept) or kept < CONTROLS_KEPT:
            yield Reason(ReasonCode.CONTROLS_FAILED, {"share": 0.0 if math.isnan(kept) else kept})
    if evidence.changed:
        facts: JsonObject = {"changed": evidence.changed, "repeated": evidence.repeated}
        yield Reason(ReasonCode.ANSWERS_CHANGE, facts)
    if comparison is None:
        yield from _shared_opinions(made, evidence)
    elif comparison.p_erratic <= bundle.terms.acquit:
        yield Reason(ReasonCode.ERRATIC_ANSWERS, {"p": comparison.p_erratic})


def _shared_opinions(made: Fingerprint, evidence: Evidence) -> Iterator[Reason]:
    """A suspect that makes the owner's natural mistakes may be a student of it."""
    for family, (most, code) in SHARED.items():
        rows = made.sheet.rows(family)
        if rows.any():
            shared = agreement(made.sheet.labels[rows], evidence.answers.at(rows))
            if shared > most:
                yield Reason(code, {"share": shared, "most": most})
