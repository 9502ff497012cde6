"""Answers -> one value a suspect, for every method, score, access and number of queries."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from auditkit.bench.asking import Asked
from auditkit.bench.bundles import Fingerprinted
from auditkit.core.access import Access
from auditkit.core.answers import Answers
from auditkit.core.evidence import Evidence
from auditkit.core.fingerprint import Fingerprint
from auditkit.core.plugins import load
from auditkit.core.points import LINEAGE, Family
from auditkit.files.bundle import Bundle
from auditkit.files.model_folder import Model
from auditkit.judging import identification

Rows = Mapping[str, int]
"""Of each family the first so many points."""

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
    shadowed = LINEAGE in made.bundle.fingerprint.families
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
    rows = first(made.bundle.fingerprint, setup.queries)
    short = shortened(made.bundle, rows)
    weigh = load(identification, setup.score)
    for suspect, asked in answers:
        shown = revealed(asked.evidence, setup.access, rows)
        opinion = weigh(short.fingerprint, short.references, shown)
        if opinion is not None and opinion.value is not None:
            yield Scored(setup, made.owner, suspect, float(opinion.value))


def first(fingerprint: Fingerprint, count: int) -> Rows:
    """How many points of each family are the first so many of all: as large a share of each."""
    sizes = {name: len(family) for name, family in fingerprint.families.items()}
    times = [((row + 0.5) / size, name) for name, size in sizes.items() for row in range(size)]
    kept = Counter(name for _, name in sorted(times, key=lambda time: time[0])[:count])
    return {name: kept[name] for name in sizes if kept[name]}


def shortened(bundle: Bundle, rows: Rows) -> Bundle:
    """The same bundle with its first points alone."""
    families = {
        name: Family(family.points[: rows[name]], family.outputs[: rows[name]])
        for name, family in bundle.fingerprint.families.items()
        if name in rows
    }
    references = tuple(
        replace(reference, answers=_first(reference.answers, rows))
        for reference in bundle.references
    )
    made = replace(bundle.fingerprint, families=families)
    return replace(bundle, fingerprint=made, references=references)


def revealed(evidence: Evidence, access: Access, rows: Rows) -> Evidence:
    """What the suspect would have said to the first points with no more access than that."""
    answers = _first(evidence.answers, rows)
    if access is Access.LABEL:
        answers = {name: Answers(part.labels) for name, part in answers.items()}
    used = min(evidence.access, access, key=lambda level: level.rank)
    return replace(evidence, access=used, answers=answers)


def _first(answers: Mapping[str, Answers], rows: Rows) -> dict[str, Answers]:
    return {
        name: Answers(
            answers[name].labels[:count],
            None if (scores := answers[name].scores) is None else scores[:count],
        )
        for name, count in rows.items()
    }
