"""How sure a verdict is, in sentences for people who rely on it.

docs/statistics.md explains the numbers at length.
"""

from collections.abc import Iterator

from auditkit.core.fingerprint import Terms
from auditkit.core.models import ReferenceKind
from auditkit.core.verdicts import Comparison, LineUp, Verdict, clearance_needed
from auditkit.judging.calibration.conformal import needed, support
from auditkit.judging.calibration.likelihood import CITATION, scale_digest, strength


def sureness(verdict: Verdict, terms: Terms) -> Iterator[str]:
    """Yield sentences on how sure one verdict is, and under which assumption.

    Args:
        verdict: The verdict, with its comparison if there is one.
        terms: The levels and the clearance that the bundle fixes.
    """
    found = verdict.comparison
    if verdict.line_up is not None:
        yield from _lined_up(verdict.line_up, decides=verdict.calibrated)
        return
    if not verdict.calibrated:
        yield from _uncalibrated(verdict, terms)
    # With too few reference models for a verdict their p-values are still shown, for information.
    if found is None:
        return
    yield (
        f"The suspect was compared with {found.homologous} independent and {found.pirated} pirated "
        f"reference models at access level {found.access}, by a score that was fixed before the "
        "suspect was seen."
    )
    if found.sequential:
        yield "It was compared again after every few answers; stopping early costs no error."
    yield from _meaning(found)
    yield from _support(found, terms)
    # Last, because it limits everything above (docs/statistics.md, "The assumption").
    yield (
        "All of this holds for models like the reference models. It does not hold for a kind of "
        "innocent model that is missing among them, for example another model made from the same "
        "public ancestor, or a model of the owner's own architecture."
    )


def _lined_up(found: LineUp, *, decides: bool) -> Iterator[str]:
    """Yield what a place in the line-up says, and under which assumption."""
    if not decides:
        yield "Uncalibrated: the owner does not pass for a twin, so its place says little."
    yield (
        f"The suspect was compared with the owner and {found.twins} twins of it, runs of the same "
        f"recipe with other random numbers, at access level {found.access}. Whoever made the "
        f"suspect without the owner's model, from whatever data, architecture or ancestor: to the "
        f"suspect all {found.twins + 1} are interchangeable, and the owner takes such a place with "
        f"probability p {found.p:.2g}. With {found.twins} twins p can't be less than "
        f"{1 / (found.twins + 1):.2g}."
    )
    yield (
        f"How far the owner stands out from the twins says more: by {found.gap:.1f} deviations, "
        f"which happens to {found.p_gap:.1g} of innocent suspects if likenesses are normally "
        "distributed (Student's t, corrected for the number of measures)."
    )
    yield (
        "All of this rests on the twins: that they were made as the owner was, that the owner was "
        "not picked among them, and that nothing of the owner's random numbers, such as its seed, "
        "was used to make the suspect."
    )


def figures(found: Comparison) -> str:
    """Return the p-values and the likelihood ratio of a comparison in one line."""
    return (
        f"p homologous {found.p_homologous:.2g}, p pirated {found.p_pirated:.2g}, likelihood ratio "
        f"{_ratio(found)} ({strength(found.likelihood_ratio)})"
    )


def _uncalibrated(verdict: Verdict, terms: Terms) -> Iterator[str]:
    """Yield why a verdict has no error rate, and what would give it one."""
    yield "Uncalibrated: the default thresholds were measured on models of other owners."
    found, known = verdict.comparison, verdict.references
    homologous = known.get(ReferenceKind.HOMOLOGOUS, 0) if found is None else found.homologous
    pirated = known.get(ReferenceKind.PIRATED, 0) if found is None else found.pirated
    # "It takes 99, and the bundle has 99" would be absurd: there, something else is missing.
    if homologous >= needed(terms.accuse) and pirated >= needed(terms.acquit):
        yield (
            f"No error rate is stated: the bundle has {homologous} independent and {pirated} "
            "pirated reference models, but the suspect can't be compared with them, because their "
            "classes differ."
        )
        return
    yield (
        f"No error rate is stated: that takes {needed(terms.accuse)} independent reference models "
        f"(for {terms.accuse:.0%} wrongly accused) and {needed(terms.acquit)} pirated ones (for "
        f"{terms.acquit:.0%} wrongly cleared); the bundle has {homologous} and {pirated}."
    )


def _meaning(found: Comparison) -> Iterator[str]:
    """Yield what the p-values and the likelihood ratio say."""
    yield (
        f"Of models like the independent references, at most {_percent(found.p_homologous)} come "
        f"as close to the owner as this suspect (p {found.p_homologous:.2g}). Of models like the "
        f"pirated references, at most {_percent(found.p_pirated)} stay as far from the owner "
        f"(p {found.p_pirated:.2g})."
    )
    yield (
        f"The likelihood ratio is {_ratio(found)}: {strength(found.likelihood_ratio)} (words of "
        f"the {CITATION}; table {scale_digest()[7:19]}). With this number of reference models it "
        f"can't be more than {found.homologous + 1} or less than 1 / {found.pirated + 1}. It is "
        "not the probability that the suspect was copied."
    )


def _ratio(found: Comparison) -> str:
    """Return the likelihood ratio; below 1 as a fraction, since 0.048 is hard to read as odds."""
    ratio = found.likelihood_ratio
    return f"{ratio:.3g}" if ratio >= 1 else f"1 / {1 / ratio:.3g}"


def _percent(share: float) -> str:
    return f"{100 * share:.3g}%"


def _support(found: Comparison, terms: Terms) -> Iterator[str]:
    """Yield what the number of independent reference models can show, whatever the suspect says."""
    known = support(found.homologous)
    claim = (
        "too large for any common level"
        if known.level is None
        else f"enough for claims at {_percent(known.level)} and above"
    )
    # The p-value is a mean over all sets of so many reference models. The set at hand may be a
    # lucky one, so bounds that hold for it are given beside the p-value.
    yield (
        f"With {known.models} independent reference models the smallest possible p is "
        f"{known.floor:.2g}: {claim}. If a suspect is closer to the owner than all of them, so are "
        f"at most {known.bound_95:.1%} of such innocent models (95% confidence), or "
        f"{known.bound_99:.1%} (99% confidence). For an accusation the suspect must also be closer "
        f"than the closest of them by {clearance_needed(found, terms):.0%} of the way from there "
        "to the owner."
    )
