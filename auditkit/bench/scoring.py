"""Weighs answers: one value for each suspect, method, score, access and number of queries."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from auditkit.bench.asking import Asked
from auditkit.bench.bundles import Fingerprinted
from auditkit.bench.shorter import shortened
from auditkit.core.access import Access
from auditkit.core.evidence import Evidence
from auditkit.core.plugins import load
from auditkit.core.points import Cut
from auditkit.files.model_folder import Model
from auditkit.judging import identification

LABELS_AGREE, OUTPUTS_AGREE = "label_similarity", "output_similarity"
"""Names of identifications."""


@dataclass(frozen=True, slots=True)
class Setup:
    """One line of the comparison."""

    method: str
    score: str
    """The identification that turns answers into a value."""
    access: Access
    queries: int
    """Number of points asked; a bundle that has fewer is asked all of them."""


@dataclass(frozen=True, slots=True)
class Scored:
    """One suspect's value in one setup; a higher value means more like the owner."""

    setup: Setup
    owner: str
    suspect: Model
    value: float


def setups(made: Fingerprinted, queries: Iterable[int]) -> Iterator[Setup]:
    """The setups in which one bundle is weighed.

    The score is the one of the method's paper.

    Args:
        made: The bundle.
        queries: Numbers of queries.
    """
    if made.bundle is None:
        return
    lead = made.bundle.fingerprint.lead
    for asked in queries:
        yield Setup(made.method, lead, Access.LABEL, asked)
        yield Setup(made.method, lead, Access.PROBABILITIES, asked)
        # DeepCore's second score needs no other points, so that it costs these methods nothing.
        if lead == LABELS_AGREE:
            yield Setup(made.method, OUTPUTS_AGREE, Access.PROBABILITIES, asked)


def scored(
    made: Fingerprinted, setup: Setup, answers: Iterable[tuple[Model, Asked]]
) -> Iterator[Scored]:
    """Weigh each suspect's answers to the first `setup.queries` points.

    Args:
        made: The bundle.
        setup: Score, access and number of queries.
        answers: Suspects with their answers to all of the bundle's points.

    Yields:
        One value for each suspect. Suspects whose answers the score can't weigh are left out.
    """
    if made.bundle is None:
        return
    # Asked once for all points: the answers to fewer points are a part of them.
    sheet = made.bundle.fingerprint.sheet
    short = sheet.cut(first(sheet.counts(), setup.queries))
    bundle = shortened(made.bundle, short)
    weigh = load(identification, setup.score)
    for suspect, asked in answers:
        opinion = weigh(bundle, revealed(asked.evidence, setup.access, short))
        if opinion is not None and opinion.value is not None:
            yield Scored(setup, made.owner, suspect, float(opinion.value))


def first(sizes: Mapping[str, int], count: int) -> dict[str, int]:
    """Share a number of queries among families in proportion to their sizes.

    Args:
        sizes: Number of points in each family.
        count: Number of queries.

    Returns:
        Number of points of each family, in all `count` or all there are; families without any are
        left out.
    """
    # Each point gets a time between 0 and 1, evenly within its family, and the earliest are taken.
    # So a larger count always adds points and never takes one away.
    times = [((row + 0.5) / size, name) for name, size in sizes.items() for row in range(size)]
    kept = Counter(name for _, name in sorted(times, key=lambda time: time[0])[:count])
    return {name: kept[name] for name in sizes if kept[name]}


def revealed(evidence: Evidence, access: Access, short: Cut) -> Evidence:
    """The evidence of a suspect that was asked fewer points and revealed no more than `access`."""
    return replace(evidence, answers=evidence.answers.at(short.rows).capped(access))
