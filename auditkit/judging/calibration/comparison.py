"""One suspect among the reference models of its bundle."""

import functools

import numpy as np

from auditkit.core.access import Access
from auditkit.core.arrays import DoubleArray, IntArray
from auditkit.core.evidence import Evidence
from auditkit.core.models import Reference, ReferenceKind
from auditkit.core.points import CORE
from auditkit.core.verdicts import Comparison
from auditkit.files.bundle import Bundle
from auditkit.judging.calibration.conformal import p_value
from auditkit.judging.calibration.erratic import p_erratic
from auditkit.judging.calibration.likelihood import ratio
from auditkit.judging.calibration.score import Score, learn, look_schedule
from auditkit.judging.calibration.similarity import Replies, replies

TIE = 1e-12
SORTS = {
    ReferenceKind.INDEPENDENT_SHADOW: 0,
    ReferenceKind.STUDENT_SHADOW: 1,
    ReferenceKind.MODIFIED_SHADOW: 2,
}
FEWEST = 2
"""References of each kind below which nothing can be learnt."""


def compare(bundle: Bundle, evidence: Evidence) -> Comparison | None:
    """The suspect's place among the references; None where it can't be compared with them.

    References count in the owner's label space alone. Where one of them reveals less than the
    suspect, labels alone are compared, all models alike.
    """
    if evidence.classes not in (None, bundle.fingerprint.owner.classes):
        return None
    known = comparable(bundle)
    derived = np.array([r.kind.is_derived for r in known if not r.kind.is_shadow], bool)
    if min(derived.sum(), (~derived).sum()) < FEWEST:
        return None
    revealed = all(r.answers.access.rank >= evidence.access.rank for r in known)
    access = evidence.access if revealed else Access.LABEL
    score = learnt(bundle, access, sequential=evidence.asked is not None)
    suspect = replies([evidence.answers], access)
    return _compared(score, suspect, bundle.fingerprint.sheet.labels, evidence.asked, access)


def comparable(bundle: Bundle) -> tuple[Reference, ...]:
    """The models of known kind that a score can be learnt from: references, then shadows."""
    classes = bundle.fingerprint.owner.classes
    known = (
        reference
        for reference in bundle.references
        if not reference.kind.is_vetoing and reference.answers.classes in (None, classes)
    )
    return tuple(sorted(known, key=lambda reference: reference.kind.is_shadow))


@functools.lru_cache(maxsize=8)
def learnt(bundle: Bundle, access: Access, *, sequential: bool) -> Score:
    """The score for one access level: it follows from the bundle alone, so it is learnt once.

    Args:
        bundle: Whose references teach it; equal bundles share what was learnt.
        access: What is looked at of their answers.
        sequential: Whether there are looks before the last point.
    """
    sheet, known = bundle.fingerprint.sheet, comparable(bundle)
    if not sequential:
        return _learnt(known, access, np.array([len(sheet)]), np.full(len(sheet), -1))
    owner = np.where(sheet.rows(CORE), sheet.labels, -1)
    return _learnt(known, access, look_schedule(len(sheet)), owner)


@functools.lru_cache(maxsize=8)
def learnt_from_shadows(bundle: Bundle, access: Access) -> Score:
    """The score that the bundle's shadow models alone teach, for one look after all points."""
    count = len(bundle.fingerprint.sheet)
    shadows = tuple(r for r in comparable(bundle) if r.kind.is_shadow)
    return _learnt(shadows, access, np.array([count]), np.full(count, -1))


def _learnt(
    known: tuple[Reference, ...], access: Access, looks: IntArray, owner: IntArray
) -> Score:
    models = replies([reference.answers for reference in known], access)
    derived = np.array([r.kind.is_derived for r in known if not r.kind.is_shadow], bool)
    shadows = np.array([SORTS[r.kind] for r in known if r.kind.is_shadow], np.int64)
    return learn(models, derived, looks, owner, shadows)


def _compared(
    score: Score, suspect: Replies, owner: IntArray, asked: int | None, access: Access
) -> Comparison:
    looks = asked or len(owner)
    scores = score.of(suspect, looks)[:, 0]
    derived = score.derived
    agreement = score.agreement(suspect, looks)[:, 0]
    reached, own = score.furthest(scores[:, :-1], agreement), score.own_furthest()
    lost = reached <= own + TIE
    homologous, pirated = int((~derived).sum()), int(derived.sum())
    known = score.models.labels[: len(derived), :looks]
    return Comparison(
        access,
        homologous,
        pirated,
        p_value(int(lost[~derived].sum()), homologous),
        p_value(int(lost[derived].sum()), pirated),
        float(score.clearance(reached)),
        p_erratic(known, suspect.labels[0, :looks], owner[:looks]),
        _ratio(score, scores),
        asked is not None,
    )


def _ratio(score: Score, scores: DoubleArray) -> float:
    """At the last look; 1 before the first."""
    if not len(scores):
        return 1.0
    known, derived = score.own[len(scores) - 1], score.derived
    return ratio(known[~derived], known[derived], float(scores[-1, -1]))
