"""The decision rule: from identifications and a line-up to pirated, homologous or inconclusive.

The rule is a pure function, and inconclusive is the result wherever neither claim passes a test of
its own; "not proven pirated" never means "homologous". If the bundle has twins that the owner
passes for one of, the line-up decides, at the level that the bundle fixes. Otherwise the
fingerprint's leading identification decides, by thresholds that carry no error rate.
"""

from collections import Counter
from dataclasses import replace

from auditkit.core.evidence import Evidence
from auditkit.core.fingerprint import Discrimination, Fingerprint
from auditkit.core.models import ReferenceKind
from auditkit.core.verdicts import (
    Decision,
    Identification,
    LineUp,
    Reason,
    ReasonCode,
    Verdict,
)
from auditkit.files.bundle import Bundle
from auditkit.judging.evasion import signs_of_evasion
from auditkit.judging.finding import Finding
from auditkit.judging.lineup.rule import by_line_up, by_more_than_labels

# A suspect could leave out the answers that would give it away, so few may be missing.
ENOUGH_ANSWERED = 0.9
"""Least share of the asked points that must be answered for any claim, 0..1."""


def decide(
    bundle: Bundle,
    evidence: Evidence,
    identifications: tuple[Identification, ...],
    line_up: LineUp | None = None,
) -> Verdict:
    """Return the verdict on one suspect.

    Args:
        bundle: The bundle whose points were asked.
        evidence: The suspect's answers.
        identifications: The opinion of each identification; the fingerprint's leading one must be
            among them. Without a line-up it decides, and the others can only veto it.
        line_up: How it compares with the owner's twins; None if the bundle has none.
    """
    made = bundle.fingerprint
    lined_up = line_up is not None and made.line_up.claimed
    if line_up is not None and lined_up:
        doubt = _few_answers(evidence)
        # Signs of evasion tell more than that labels alone clear nobody.
        seen = _cleared(bundle, evidence, by_line_up(line_up, made.line_up.level))
        found = doubt or by_more_than_labels(seen, line_up)
    else:
        found = _uncalibrated(bundle, evidence, identifications)
    silent = None
    # "Like a copy" must not stand beside a verdict that this opinion can't carry: with points that
    # innocents share it would mean no more than that everybody agrees (docs/decisions/0002).
    if found.doubted or found.reason.code == ReasonCode.SIBLINGS_NOT_TRIED:
        silent = ReasonCode.NOT_WEIGHED
    elif lined_up:
        silent = ReasonCode.LINE_UP_DECIDES
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
        line_up=line_up,
        calibrated=lined_up,
        disguises=evidence.disguises,
        sent=evidence.sent,
    )


def _uncalibrated(
    bundle: Bundle, evidence: Evidence, identifications: tuple[Identification, ...]
) -> Finding:
    """Decide without a line-up: by weights where there are any, or thresholds."""
    made = bundle.fingerprint
    weights = _by_weights(made, identifications)
    # Another label space does not matter to weights, nor do points that innocents share.
    if weights is not None and weights.decision is Decision.PIRATED:
        return _few_answers(evidence) or weights
    doubt = _few_answers(evidence) or _other_classes(made, evidence)
    if not evidence.queries:
        opinion = next(one for one in identifications if one.name == "weights")
        weights = weights or Finding(Decision.INCONCLUSIVE, opinion.reason)
    if weights is not None:
        return doubt or _cleared(bundle, evidence, weights)
    doubt = doubt or _undiscriminating(made) or _partial(made, evidence)
    return doubt or _by_thresholds(bundle, evidence, identifications)


def _by_weights(made: Fingerprint, identifications: tuple[Identification, ...]) -> Finding | None:
    """Decide by weights, where the suspect is a file and they are clearly alike or unlike.

    Unlike weights acquit only of what they exclude, and nobody whom core points accuse.
    """
    opinions = {opinion.name: opinion for opinion in identifications}
    weights = opinions.get("weights")
    if weights is None or weights.says not in (Decision.PIRATED, Decision.HOMOLOGOUS):
        return None
    accused = opinions[made.lead].says is Decision.PIRATED and _undiscriminating(made) is None
    if weights.says is Decision.HOMOLOGOUS and accused:
        return None
    return Finding(weights.says, weights.reason)


def _by_thresholds(
    bundle: Bundle,
    evidence: Evidence,
    identifications: tuple[Identification, ...],
) -> Finding:
    """Decide by the leading identification, as far as thresholds without an error rate allow.

    They may call a suspect pirated, but never homologous.
    """
    made = bundle.fingerprint
    found = _cleared(bundle, evidence, _weighed(made, identifications))
    because = {"because": {"code": str(found.reason.code), "facts": dict(found.reason.facts)}}
    if found.decision is Decision.PIRATED and not made.siblings.tried:
        # On some owners, innocents of the same architecture and data were seen to share every core
        # point. Only siblings show whether this owner is one of them (docs/decisions/0008).
        facts = {**because, "why": made.siblings.reason}
        return Finding(Decision.INCONCLUSIVE, Reason(ReasonCode.SIBLINGS_NOT_TRIED, facts))
    if found.decision is Decision.HOMOLOGOUS:
        # Distilled and extracted copies answer core points like independent models.
        return Finding(Decision.INCONCLUSIVE, Reason(ReasonCode.NO_SIGN_OF_A_COPY, because))
    return found


def _weighed(made: Fingerprint, identifications: tuple[Identification, ...]) -> Finding:
    """Take the leading identification's opinion, unless another one says the opposite."""
    lead = next(opinion for opinion in identifications if opinion.name == made.lead)
    if lead.says not in (Decision.PIRATED, Decision.HOMOLOGOUS):
        return Finding(Decision.INCONCLUSIVE, lead.reason)
    # The others only veto. Their thresholds separate less: the cosine of scores reaches 0.86 for an
    # innocent of the owner's architecture and 0.89 for a pruned copy (docs/decisions/0002).
    opposite = Decision.HOMOLOGOUS if lead.says is Decision.PIRATED else Decision.PIRATED
    for other in identifications:
        if other.says is opposite:
            facts = {"lead": lead.name, "lead says": str(lead.says)}
            facts |= {"other": other.name, "other says": str(other.says)}
            return Finding(Decision.INCONCLUSIVE, Reason(ReasonCode.OPINIONS_CONTRADICT, facts))
    return Finding(lead.says, lead.reason)


def _silenced(opinion: Identification, code: ReasonCode) -> Identification:
    """Return the opinion without what it says; its value stays for the record."""
    return opinion if opinion.says is None else replace(opinion, says=None, reason=Reason(code))


def _doubt(reason: Reason) -> Finding:
    """Return the finding of a suspect whose answers can't be weighed."""
    return Finding(Decision.INCONCLUSIVE, reason, doubted=True)


def _few_answers(evidence: Evidence) -> Finding | None:
    """Return a doubt if the suspect left out too many answers for any claim."""
    answered = int(evidence.answers.answered.sum())
    if answered >= ENOUGH_ANSWERED * evidence.queries:
        return None
    facts = {"answered": answered, "asked": evidence.queries, "least share": ENOUGH_ANSWERED}
    return _doubt(Reason(ReasonCode.FEW_ANSWERS, facts))


def _other_classes(made: Fingerprint, evidence: Evidence) -> Finding | None:
    """Return a doubt if the suspect's classes are not the owner's: labels then mean nothing."""
    classes = made.owner.classes
    if evidence.classes is not None and evidence.classes != classes:
        facts = {"suspect": evidence.classes, "owner": classes}
        return _doubt(Reason(ReasonCode.OTHER_CLASSES, facts))
    # A suspect that reveals labels only does not tell how many classes it has; a label that the
    # owner lacks gives it away. One with fewer classes than the owner can't be noticed like this.
    largest = int(evidence.answers.labels.max())
    if largest >= classes:
        return _doubt(Reason(ReasonCode.OTHER_LABELS, {"label": largest, "owner": classes}))
    return None


def _undiscriminating(made: Fingerprint) -> Finding | None:
    """Return a doubt if thresholds say nothing with these points."""
    if made.discrimination is Discrimination.DISCRIMINATING:
        return None
    unmeasured = made.discrimination is Discrimination.UNMEASURED
    code = ReasonCode.UNMEASURED if unmeasured else ReasonCode.NOT_DISCRIMINATING
    return _doubt(Reason(code, {"measured": made.reason}))


def _partial(made: Fingerprint, evidence: Evidence) -> Finding | None:
    """Return a doubt if only some points were looked at: thresholds were measured on all."""
    total = len(made.sheet)
    if evidence.asked is None or evidence.asked == total:
        return None
    return _doubt(Reason(ReasonCode.PARTLY_ASKED, {"asked": evidence.asked, "points": total}))


def _cleared(bundle: Bundle, evidence: Evidence, found: Finding) -> Finding:
    """Turn homologous into inconclusive if anything suggests evasion; pass on all other findings.

    Nor do weights alone clear anybody: whoever hands them over may run others.

    Signs of evasion do not block an accusation: nobody agrees by accident with the owner on points
    that it alone knows.
    """
    if found.decision is not Decision.HOMOLOGOUS:
        return found
    unasked = None if evidence.queries else Reason(ReasonCode.WEIGHTS_ALONE)
    doubt = unasked or next(signs_of_evasion(bundle, evidence), None)
    return found if doubt is None else Finding(Decision.INCONCLUSIVE, doubt)
