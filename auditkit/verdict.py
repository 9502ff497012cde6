"""Evidence -> decision: pure, total, three-valued; each is reached only by its own test."""

import math
from collections import Counter
from dataclasses import replace

from auditkit.identification.base import agreement
from auditkit.types import (
    CONTROL,
    CORE,
    Decision,
    Discrimination,
    Evidence,
    Fingerprint,
    Identification,
    Reference,
    ReferenceKind,
    Verdict,
)

ENOUGH_ANSWERED = 0.9
CONTROLS_KEPT = 0.5


def decide(
    fingerprint: Fingerprint,
    references: tuple[Reference, ...],
    evidence: Evidence,
    identifications: tuple[Identification, ...],
) -> Verdict:
    """Weigh what the identifications say against what the evidence can carry.

    Args:
        fingerprint: Whose points were asked.
        references: Models of known kind in the bundle.
        evidence: The suspect's answers.
        identifications: What each had to say; the fingerprint's lead must be among them, the
            others can only veto it.
    """
    doubt = _doubt(fingerprint, evidence)
    if doubt is None:
        decision, reason = _decision(fingerprint, evidence, identifications)
    else:
        decision, reason = Decision.INCONCLUSIVE, doubt
        identifications = tuple(_unweighed(opinion) for opinion in identifications)
    kinds = Counter(reference.kind for reference in references)
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
    )


def _decision(
    fingerprint: Fingerprint, evidence: Evidence, identifications: tuple[Identification, ...]
) -> tuple[Decision, str]:
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
    if lead.says is Decision.PIRATED:
        return Decision.PIRATED, lead.reason
    stranger = _another_task(fingerprint, evidence)
    if stranger is not None:
        return Decision.INCONCLUSIVE, stranger
    return Decision.HOMOLOGOUS, lead.reason


def _unweighed(opinion: Identification) -> Identification:
    """The value stays for the record; an opinion that can't be trusted accuses nobody."""
    if opinion.says is None:
        return opinion
    return replace(opinion, says=None, reason="not weighed, for the reason above")


def _doubt(fingerprint: Fingerprint, evidence: Evidence) -> str | None:
    """Why no claim at all can be made, or None."""
    if fingerprint.discrimination is not Discrimination.DISCRIMINATING:
        return f"the fingerprint is {_state(fingerprint)}: {fingerprint.reason}"
    classes = fingerprint.owner.classes
    if evidence.classes is not None and evidence.classes != classes:
        return (
            f"label spaces differ: the suspect knows {evidence.classes} classes, the owner "
            f"{classes}; labels can't be compared"
        )
    core = evidence.answers[CORE]
    if core.answered.mean() < ENOUGH_ANSWERED:
        return (
            f"only {int(core.answered.sum())} of {len(core.labels)} core points were answered "
            f"(at least {ENOUGH_ANSWERED:.0%} are needed)"
        )
    if int(core.labels.max()) >= classes:
        return (
            f"label spaces differ: the suspect answers class {int(core.labels.max())}, the owner "
            f"knows 0 to {classes - 1}; labels can't be compared"
        )
    return None


def _state(fingerprint: Fingerprint) -> str:
    unmeasured = fingerprint.discrimination is Discrimination.UNMEASURED
    return "of unmeasured uniqueness" if unmeasured else "not discriminating"


def _another_task(fingerprint: Fingerprint, evidence: Evidence) -> str | None:
    """Why a suspect that is unlike the owner can't be called innocent, or None.

    A broken model, another task, other preprocessing and deliberate evasion all disagree on core
    points; on natural controls an innocent model of the same task does not.
    """
    if CONTROL not in fingerprint.families:
        return None
    kept = agreement(fingerprint.families[CONTROL], evidence.answers[CONTROL])
    if not math.isnan(kept) and kept >= CONTROLS_KEPT:
        return None
    return (
        f"like neither: the suspect gives the owner's label on only {kept:.0%} of natural "
        "controls; another task, other preprocessing or class order, a broken model, or evasion"
    )
