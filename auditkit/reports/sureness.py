"""How sure a verdict is, in sentences for people who rely on it.

docs/statistics.md explains the numbers at length.
"""

from collections.abc import Iterator

from auditkit.core.models import ReferenceKind
from auditkit.core.verdicts import LineUp, Verdict
from auditkit.reports.base import BundleSummary, Report


def sureness(verdict: Verdict) -> Iterator[str]:
    """Yield sentences on how sure one verdict is, and under which assumption."""
    if verdict.line_up is not None:
        yield from _lined_up(verdict.line_up, decides=verdict.calibrated)
        return
    yield "Uncalibrated: the default thresholds were measured on models of other owners."
    yield (
        "No error rate is stated: that takes twins of the owner's model, its own recipe run again "
        "with other random numbers (auditkit twins)."
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


def measured(bundle: BundleSummary) -> Iterator[str]:
    """Yield what was measured about a bundle's points, as far as its verdicts rest on that."""
    # What thresholds rest on is of no concern where the line-up decides.
    if not bundle.line_up.claimed:
        stand_ins = bundle.references.get(ReferenceKind.STAND_IN, 0)
        yield (
            f"The fingerprint is {bundle.discrimination}: {bundle.reason}. Its stand-ins: "
            f"{stand_ins}."
        )
        # A sentence of its own, so that a long reason above can't cut it off.
        yield f"Its siblings: {bundle.siblings.told()}."
    if bundle.transports:
        yield bundle.travelled()


def batch(report: Report) -> Iterator[str]:
    """Yield how many gaps stay beyond chance if corrected for the number of suspects."""
    known = [corrected for corrected in report.corrected if corrected is not None]
    level = report.bundle.line_up.level
    if not known:
        return
    standing = sum(corrected.holm <= level for corrected in known)
    discovered = sum(corrected.benjamini_hochberg <= level for corrected in known)
    yield (
        f"{len(known)} suspects were compared at once: of {standing} so large a gap still comes by "
        f"chance in {level:.1g} or less after Holm's correction, of {discovered} after Benjamini "
        "and Hochberg's. The verdicts are those of each suspect alone."
    )
