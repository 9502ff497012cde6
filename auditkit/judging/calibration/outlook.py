"""Says what an audit with a bundle can show, before any suspect is asked (`auditkit plan`)."""

from collections.abc import Iterator
from statistics import median

import numpy as np

from auditkit.core.access import Access
from auditkit.core.arrays import BoolArray
from auditkit.files.bundle import Bundle
from auditkit.judging.calibration.comparison import FEWEST, TIE, comparable, learnt
from auditkit.judging.calibration.conformal import Support, needed, p_value, support
from auditkit.judging.calibration.intervals import exact
from auditkit.judging.calibration.score import Score


def outlook(bundle: Bundle, access: Access, suspects: int) -> Iterator[str]:
    """Yield lines on queries, reference models, possible claims and power.

    Args:
        bundle: The bundle, with or without reference models.
        access: How much the suspects are expected to reveal.
        suspects: How many suspects one report will cover.
    """
    made, terms = bundle.fingerprint, bundle.terms
    points = made.sheet.counts()
    told = ", ".join(f"{count} {name}" for name, count in points.items())
    known = comparable(bundle)
    derived = np.array([r.kind.is_derived for r in known], bool)
    yield f"queries     {sum(points.values())} for each suspect ({told}), 5 of them twice"
    yield f"references  {int((~derived).sum())} independent, {int(derived.sum())} pirated"
    for kind, level, count in (
        ("accusing", terms.accuse, int((~derived).sum())),
        ("clearing", terms.acquit, int(derived.sum())),
    ):
        yield f"{kind:11} {_supported(support(count), level)}"
    if suspects > 1:
        wanted = needed(terms.accuse / suspects)
        yield (
            f"batch       {suspects} suspects at once: an accusation that stands after Holm's "
            f"correction takes {wanted} independent reference models"
        )
    if min(derived.sum(), (~derived).sum()) < FEWEST:
        yield "power       unknown without reference models of both kinds: auditkit calibrate"
        return
    yield from _power(bundle, access, derived)


def _supported(known: Support, level: float) -> str:
    """Return whether claims at a level are possible, and if not, what they would need."""
    if known.floor > level + 1e-12:
        best = "no level" if known.level is None else f"{known.level:.1%} at best"
        return (
            f"not at {level:.0%}: {needed(level)} are needed, these support {best} "
            f"(smallest p {known.floor:.2g})"
        )
    return (
        f"at {level:.0%} (smallest p {known.floor:.2g}); whoever passes them all is one of at most "
        f"{known.bound_95:.1%} of such models (95 % sure), {known.bound_99:.1%} (99 % sure)"
    )


def _power(bundle: Bundle, access: Access, derived: BoolArray) -> Iterator[str]:
    """Yield how many references of each kind are recognised, and after how many queries.

    Each is scored by what was learnt without it.
    """
    once, looking = (learnt(bundle, access, sequential=sequential) for sequential in (False, True))
    for kind, members, level in (
        ("pirated", derived, bundle.terms.accuse),
        ("independent", ~derived, bundle.terms.acquit),
    ):
        found = _first_looks(once, members, level)
        rate = exact(sum(look is not None for look in found), len(found))
        stops = [look or looking.looks[-1] for look in _first_looks(looking, members, level)]
        yield (
            f"power       {rate.value:.0%} of the {kind} references are recognised at {level:.0%} "
            f"[{rate.low:.0%}, {rate.high:.0%}]; one by one after a median of {median(stops):g} "
            "queries"
        )


def _first_looks(score: Score, members: BoolArray, level: float) -> list[int | None]:
    """Return for each member the number of points after which it is recognised; None if never.

    This is an estimate of power, not a valid p-value: the members are ranked among references of
    the other kind whose own scores they helped to learn.

    Args:
        score: The score, with one look or many.
        members: (n,) which references are to be recognised; all of one kind.
        level: The p-value among the other kind at which a member counts as recognised, 0..1.
    """
    towards_owner = score.derived[members].all()
    distances = score.from_homologous(score.own, score.agreed) if towards_owner else 1 - score.own
    reached = np.maximum.accumulate(score.weighed(distances), axis=0)
    bars = reached[-1, ~members]
    found: list[int | None] = []
    for model in np.flatnonzero(members):
        lost = (reached[:, model, None] <= bars + TIE).sum(axis=1)
        passed = [p_value(int(n), len(bars)) <= level + TIE for n in lost]
        found.append(int(score.looks[passed.index(True)]) if True in passed else None)
    return found
