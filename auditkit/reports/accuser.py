"""What a reader must know of whoever accuses: what nobody has checked, and what nobody can."""

from collections.abc import Iterator

from auditkit.reports.base import Report

POINTS = (
    "Its points and the answers in it are its maker's word: auditkit regenerate checks them with "
    "the owner's model, auditkit screen with models of your own."
)
SHOPPING = (
    "How many bundles, seeds and sets of twins the accuser tried before this bundle, and how many "
    "suspects and audits are not in this report, no file shows."
)


def standing(report: Report) -> Iterator[str]:
    """Yield sentences for the first lines: who stands behind the bundle, and what is unchecked."""
    yield from report.commitment.told()
    yield POINTS
    seed = report.bundle.seed
    if seed:
        yield f"Its seed is {seed} and not 0: its maker may have chosen it among others."
