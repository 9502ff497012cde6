"""What the numbers of a verdict mean, in sentences for people who have to rely on them."""

from collections.abc import Iterator, Mapping

from auditkit.core.fingerprint import Terms
from auditkit.core.models import ReferenceKind
from auditkit.core.verdicts import Comparison, Verdict
from auditkit.judging.calibration.conformal import needed, support
from auditkit.judging.calibration.likelihood import CITATION, scale_digest, strength


def sureness(verdict: Verdict, terms: Terms) -> Iterator[str]:
    """How sure one verdict is, and under which assumption."""
    found = verdict.comparison
    if found is None or not verdict.calibrated:
        yield from uncalibrated(verdict.references, terms)
    if found is None:
        return
    once = "at every look (stopping early costs no error)" if found.sequential else "once"
    yield (
        f"Compared {once} with {found.homologous} independent and {found.pirated} pirated "
        f"reference models, on {found.access} answers, by the score that the bundle fixes."
    )
    yield from _meaning(found)
    yield from _support(found, terms)
    yield (
        "All this is about models like the reference models. It does not hold for a kind of "
        "innocent that none of them stands for: another copy of a common ancestor, or the owner's "
        "own architecture, if it is missing among them."
    )


def uncalibrated(references: Mapping[ReferenceKind, int], terms: Terms) -> Iterator[str]:
    """Why a verdict has no error rate, and what would give it one."""
    yield "Uncalibrated: the thresholds were measured on other owners' models."
    homologous, pirated = (
        references.get(kind, 0) for kind in (ReferenceKind.HOMOLOGOUS, ReferenceKind.PIRATED)
    )
    yield (
        f"No error rate is stated: that takes {needed(terms.accuse)} independent reference models "
        f"(for {terms.accuse:.0%} wrongly accused) and {needed(terms.acquit)} pirated ones (for "
        f"{terms.acquit:.0%} wrongly cleared); the bundle has {homologous} and {pirated}."
    )


def _meaning(found: Comparison) -> Iterator[str]:
    yield (
        f"Of models like the independent references at most {_percent(found.p_homologous)} come "
        f"as close to the owner as this one (p {found.p_homologous:.2g}); of models like the "
        f"pirated ones at most {_percent(found.p_pirated)} stay as far from it "
        f"(p {found.p_pirated:.2g})."
    )
    ratio = found.likelihood_ratio
    said = f"{ratio:.3g}" if ratio >= 1 else f"1 / {1 / ratio:.3g}"
    yield (
        f"Likelihood ratio {said}: {strength(ratio)} ({CITATION}; table {scale_digest()[7:19]}). "
        f"So many references can't carry more than {found.homologous + 1} or less than "
        f"1 / {found.pirated + 1}. It is not the probability that the suspect was copied."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _support(found: Comparison, terms: Terms) -> Iterator[str]:
    known = support(found.homologous)
    best = "none" if known.level is None else f"{known.level:.1%}"
    yield (
        f"{known.models} independent references: no p below {known.floor:.2g}, best level {best}. "
        f"Where a suspect beats them all, at most {known.bound_95:.1%} of such innocents do (95 % "
        f"sure), at most {known.bound_99:.1%} (99 % sure). For an accusation it must also stand "
        f"clear of them by {found.clearance_needed(terms):.0%} of the way from there to the owner."
    )
