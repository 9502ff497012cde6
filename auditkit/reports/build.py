"""Gathers outcomes and the facts about their bundle into a report."""

from collections import Counter
from collections.abc import Iterable, Sequence

from auditkit.core.commitment import Commitment
from auditkit.core.provenance import now, versions
from auditkit.core.verdicts import Outcome, Verdict
from auditkit.files.bundle import Bundle
from auditkit.judging.multiplicity import benjamini_hochberg, holm
from auditkit.reports.base import BundleSummary, Compared, Corrected, Lineage, Report


def report(
    bundle: Bundle,
    outcomes: Iterable[Outcome],
    commitment: Commitment = Commitment(),
    compared: Sequence[Compared | None] = (),
    command: str = "",
    *,
    lineage: Lineage | None = None,
    explained: bool = False,
) -> Report:
    """Return the report on the outcomes of one bundle.

    Args:
        bundle: What the suspects were compared with.
        outcomes: A verdict or a refusal for each suspect.
        commitment: Who stands behind the bundle.
        compared: For each outcome what `reports.comparing.compared` found, or empty.
        command: The command line that asked for it, without secrets.
        lineage: Which suspects answer alike, if that is known.
        explained: Whether words are explained below the report for people.
    """
    found = tuple(outcomes)
    return Report(
        bundle=summary(bundle),
        outcomes=found,
        versions=versions("numpy"),
        generated=now(),
        corrected=corrected(found),
        explained=explained,
        commitment=commitment,
        compared=tuple(compared),
        command=command,
        lineage=lineage,
    )


def corrected(outcomes: Sequence[Outcome]) -> tuple[Corrected | None, ...]:
    """Return the chance of each outcome's gap, corrected for how many suspects have one.

    None for an outcome without a line-up, and for all if fewer than two have one.
    """
    # Verdicts are not corrected: a suspect's verdict must not depend on who else was in the batch.
    # Suspects without a line-up can't be accused by one, so they don't count as looked at. The gap
    # and not the rank is corrected: of 19 twins the least rank is 5 %, which no two suspects would
    # keep.
    p_values = {
        place: outcome.line_up.p_gap
        for place, outcome in enumerate(outcomes)
        if isinstance(outcome, Verdict) and outcome.line_up is not None
    }
    if len(p_values) < 2:
        return (None,) * len(outcomes)
    known = list(p_values.values())
    pairs = zip(p_values, holm(known), benjamini_hochberg(known), strict=True)
    by_place = {place: Corrected(*adjusted) for place, *adjusted in pairs}
    return tuple(by_place.get(place) for place in range(len(outcomes)))


def summary(bundle: Bundle) -> BundleSummary:
    """Return the facts about a bundle that a reader of its verdicts needs."""
    made = bundle.fingerprint
    return BundleSummary(
        digest=bundle.digest,
        method=made.method,
        owner=made.owner.name,
        owner_digest=made.owner.digest,
        classes=made.owner.classes,
        points=made.sheet.counts(),
        discrimination=made.discrimination,
        reason=made.reason,
        references=Counter(reference.kind for reference in bundle.references),
        created=bundle.created,
        transports=made.transports,
        siblings=made.siblings,
        line_up=made.line_up,
        identifications=made.speaking,
        seed=made.seed,
    )
