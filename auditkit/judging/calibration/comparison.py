"""Compares one suspect with the reference models of its bundle."""

import functools

import numpy as np

from auditkit.core.access import Access
from auditkit.core.arrays import DoubleArray, IntArray
from auditkit.core.evidence import Evidence
from auditkit.core.models import Reference
from auditkit.core.points import CORE
from auditkit.core.verdicts import Comparison
from auditkit.files.bundle import Bundle
from auditkit.judging.calibration.conformal import p_value
from auditkit.judging.calibration.erratic import p_erratic
from auditkit.judging.calibration.likelihood import ratio
from auditkit.judging.calibration.score import Score, learn, look_schedule
from auditkit.judging.calibration.similarity import Replies, replies

TIE = 1e-12
"""Scores closer than this are ties, which count against the claim: rounding must not decide."""
FEWEST = 2  # leaving one out must leave another of its kind
"""Least number of reference models of each kind that a score can be learnt from."""


def compare(bundle: Bundle, evidence: Evidence) -> Comparison | None:
    """Compare a suspect with the bundle's reference models.

    Only reference models with the owner's classes count. If any of them reveals less than the
    suspect, all models are compared by labels.

    Returns:
        The p-values, the clearance and the likelihood ratio; None if the suspect has other classes
        than the owner, or if the bundle has fewer than `FEWEST` references of either kind.
    """
    if evidence.classes not in (None, bundle.fingerprint.owner.classes):
        return None
    known = comparable(bundle)
    derived = np.array([r.kind.is_derived for r in known], bool)
    if min(derived.sum(), (~derived).sum()) < FEWEST:
        return None
    # A p-value is valid only if suspect and references are measured in exactly the same way.
    revealed = all(r.answers.access.rank >= evidence.access.rank for r in known)
    access = evidence.access if revealed else Access.LABEL
    score = learnt(bundle, access, sequential=evidence.asked is not None)
    suspect = replies([evidence.answers], access)
    return _compared(score, suspect, bundle.fingerprint.sheet.labels, evidence.asked, access)


def comparable(bundle: Bundle) -> tuple[Reference, ...]:
    """Return the reference models, from which a score can be learnt."""
    classes = bundle.fingerprint.owner.classes
    # Stand-ins and siblings are left out: the points were chosen to differ from the former, and the
    # latter learnt the owner's answers, so neither stands for innocents of the world outside. Twins
    # and measured copies belong to the line-up.
    return tuple(
        reference
        for reference in bundle.references
        if reference.kind.is_reference and reference.answers.classes in (None, classes)
    )


@functools.lru_cache(maxsize=8)
def learnt(bundle: Bundle, access: Access, *, sequential: bool) -> Score:
    """Return the score of a bundle at one access level.

    It depends on the bundle alone, not on any suspect, so it is learnt once and cached.

    Args:
        bundle: The bundle whose reference models teach the score.
        access: How much of their answers is used.
        sequential: Whether the suspect is also scored before the last point (`look_schedule`).
    """
    sheet, known = bundle.fingerprint.sheet, comparable(bundle)
    if not sequential:
        return _learnt(known, access, np.array([len(sheet)]), np.full(len(sheet), -1))
    # Early looks have taught the score little; agreement with the owner on core points needs no
    # teaching and counts beside it (docs/decisions/0005-calibration.md).
    owner = np.where(sheet.rows(CORE), sheet.labels, -1)
    return _learnt(known, access, look_schedule(len(sheet)), owner)


def _learnt(
    known: tuple[Reference, ...], access: Access, looks: IntArray, owner: IntArray
) -> Score:
    """Learn a score; `looks` and `owner` are those of `score.learn`."""
    models = replies([reference.answers for reference in known], access)
    derived = np.array([r.kind.is_derived for r in known], bool)
    return learn(models, derived, looks, owner)


def _compared(
    score: Score, suspect: Replies, owner: IntArray, asked: int | None, access: Access
) -> Comparison:
    """Compare one suspect by a learnt score.

    Args:
        score: Learnt from the bundle's models at this access level.
        suspect: The answers of the suspect alone.
        owner: (points,) the owner's labels.
        asked: How many points were looked at one by one; None: all at once.
        access: How much of the answers is used.
    """
    looks = asked or len(owner)
    scores = score.of(suspect, looks)[:, 0]
    derived = score.derived
    agreement = score.agreement(suspect, looks)[:, 0]
    # The last column belongs to the score learnt with all references. It counts for the likelihood
    # ratio, never for a p-value: a reference must not be compared by a score that it taught.
    reached, own = score.furthest(scores[:, :-1], agreement), score.own_furthest()
    lost = reached <= own + TIE
    homologous, pirated = int((~derived).sum()), int(derived.sum())
    known = score.models.labels[: len(derived), :looks]
    return Comparison(
        access=access,
        homologous=homologous,
        pirated=pirated,
        p_homologous=p_value(int(lost[~derived].sum()), homologous),
        p_pirated=p_value(int(lost[derived].sum()), pirated),
        clearance=float(score.clearance(reached)),
        p_erratic=p_erratic(known, suspect.labels[0, :looks], owner[:looks]),
        likelihood_ratio=_ratio(score, scores),
        sequential=asked is not None,
    )


def _ratio(score: Score, scores: DoubleArray) -> float:
    """Return the likelihood ratio of the last look's score; 1 if no look was reached."""
    if not len(scores):
        return 1.0
    known, derived = score.own[len(scores) - 1], score.derived
    return ratio(known[~derived], known[derived], float(scores[-1, -1]))
