"""Answers -> one value a suspect, for every method, score, access and number of queries."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from auditkit.bench.asking import Asked
from auditkit.bench.bundles import Fingerprinted
from auditkit.bench.shorter import shortened
from auditkit.core.access import Access
from auditkit.core.evidence import Evidence
from auditkit.core.plugins import load
from auditkit.core.points import LINEAGE, Cut
from auditkit.files.model_folder import Model
from auditkit.judging import identification

LABELS_AGREE, OUTPUTS_AGREE, KINSHIP = "label_similarity", "output_similarity", "kinship"


@dataclass(frozen=True, slots=True)
class Setup:
    """One line of the comparison."""

    method: str
    score: str
    access: Access
    queries: int


@dataclass(frozen=True, slots=True)
class Scored:
    """One suspect's value in one setup; higher is more like the owner."""

    setup: Setup
    owner: str
    suspect: Model
    value: float


def setups(made: Fingerprinted, queries: Iterable[int]) -> Iterator[Setup]:
    """How one bundle is weighed: by what its shadow models teach where it has some; else by the
    method's own score, and where that is agreeing labels, by DeepCore's comparison of outputs too.
    """  # noqa: D205
    if made.bundle is None:
        return
    shadowed = LINEAGE in made.bundle.fingerprint.sheet.names
    lead = KINSHIP if shadowed else made.bundle.fingerprint.lead
    for asked in queries:
        yield Setup(made.method, lead, Access.LABEL, asked)
        yield Setup(made.method, lead, Access.PROBABILITIES, asked)
        if lead == LABELS_AGREE:
            yield Setup(made.method, OUTPUTS_AGREE, Access.PROBABILITIES, asked)


def scored(
    made: Fingerprinted, setup: Setup, answers: Iterable[tuple[Model, Asked]]
) -> Iterator[Scored]:
    """Weigh each suspect's first so many answers, all of them where there are fewer.

    Suspects whose answers can't be weighed are left out.
    """
    if made.bundle is None:
        return
    sheet = made.bundle.fingerprint.sheet
    short = sheet.cut(first(sheet.counts(), setup.queries))
    bundle = shortened(made.bundle, short)
    weigh = load(identification, setup.score)
    for suspect, asked in answers:
        opinion = weigh(bundle, revealed(asked.evidence, setup.access, short))
        if opinion is not None and opinion.value is not None:
            yield Scored(setup, made.owner, suspect, float(opinion.value))


def first(sizes: Mapping[str, int], count: int) -> dict[str, int]:
    """How many points of each family are the first so many of all: as large a share of each."""
    times = [((row + 0.5) / size, name) for name, size in sizes.items() for row in range(size)]
    kept = Counter(name for _, name in sorted(times, key=lambda time: time[0])[:count])
    return {name: kept[name] for name in sizes if kept[name]}


def revealed(evidence: Evidence, access: Access, short: Cut) -> Evidence:
    """What the suspect would have said to some of the points with no more access than that."""
    return replace(evidence, answers=evidence.answers.at(short.rows).capped(access))
