"""One suspect among the reference models of its bundle."""

import functools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from auditkit.core.access import Access
from auditkit.core.arrays import IntArray
from auditkit.core.evidence import Evidence
from auditkit.core.fingerprint import Fingerprint, order_of
from auditkit.core.models import Reference, ReferenceKind
from auditkit.core.points import CORE
from auditkit.core.verdicts import Comparison
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


def compare(
    fingerprint: Fingerprint, references: Sequence[Reference], evidence: Evidence
) -> Comparison | None:
    """The suspect's place among the references; None where it can't be compared with them.

    References count that answered every family, in the owner's label space. Where one of them
    reveals less than the suspect, labels alone are compared, all models alike.
    """
    if evidence.classes not in (None, fingerprint.owner.classes):
        return None
    known = comparable(fingerprint, references)
    derived = np.array([r.kind.is_derived for r in known if not r.kind.is_shadow], bool)
    if min(derived.sum(), (~derived).sum()) < FEWEST:
        return None
    revealed = all(r.access.rank >= evidence.access.rank for r in known)
    access = evidence.access if revealed else Access.LABEL
    order = order_of(fingerprint)
    score = learnt(fingerprint, known, access, sequential=evidence.asked is not None)
    suspect = replies([evidence.answers], tuple(fingerprint.families), order, access)
    owner = np.concatenate([family.labels for family in fingerprint.families.values()])[order]
    return _compared(score, suspect, owner, evidence.asked, access)


def comparable(fingerprint: Fingerprint, references: Sequence[Reference]) -> tuple[Reference, ...]:
    """The models of known kind that a score can be learnt from: references, then shadows."""
    families = set(fingerprint.families)
    known = (
        reference
        for reference in references
        if not reference.kind.is_vetoing
        and families <= set(reference.answers)
        and all(
            answers.scores is None or answers.scores.shape[1] == fingerprint.owner.classes
            for answers in reference.answers.values()
        )
    )
    return tuple(sorted(known, key=lambda reference: reference.kind.is_shadow))


@functools.lru_cache(maxsize=8)
def learnt(
    fingerprint: Fingerprint,
    references: tuple[Reference, ...],
    access: Access,
    *,
    sequential: bool,
) -> Score:
    """The score for one access level: it follows from the bundle alone, so it is learnt once.

    Args:
        fingerprint: Whose points were asked.
        references: The comparable ones, in that order.
        access: What is looked at of their answers.
        sequential: Whether there are looks before the last point.
    """
    order, families = order_of(fingerprint), tuple(fingerprint.families)
    models = replies([reference.answers for reference in references], families, order, access)
    derived = np.array([r.kind.is_derived for r in references if not r.kind.is_shadow], bool)
    shadows = np.array([SORTS[r.kind] for r in references if r.kind.is_shadow], np.int64)
    if not sequential:
        return learn(models, derived, np.array([len(order)]), np.full(len(order), -1), shadows)
    owner = _core_labels(fingerprint)[order]
    return learn(models, derived, look_schedule(len(order)), owner, shadows)


def _core_labels(fingerprint: Fingerprint) -> IntArray:
    """(points,) the owner's labels of core points, -1 for those of other families."""
    labels: IntArray = np.concatenate(
        [
            family.labels if name == CORE else np.full(len(family), -1)
            for name, family in fingerprint.families.items()
        ]
    )
    return labels


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


def _ratio(score: Score, scores: NDArray[np.float64]) -> float:
    """At the last look; 1 before the first."""
    if not len(scores):
        return 1.0
    known, derived = score.own[len(scores) - 1], score.derived
    return ratio(known[~derived], known[derived], float(scores[-1, -1]))
