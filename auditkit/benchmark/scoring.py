"""Answers -> one value a suspect, for every method, score, access and number of queries."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from auditkit import identification
from auditkit.benchmark.asking import Asked
from auditkit.benchmark.bundles import Fingerprinted
from auditkit.population import Model
from auditkit.registry import load
from auditkit.types import CORE, Access, Answers, Evidence, Family, Fingerprint

LABELS_AGREE, OUTPUTS_AGREE = "label_similarity", "output_similarity"


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
    """How one bundle is weighed: the method's own score, and where that is agreeing labels, also
    DeepCore's comparison of whole outputs.
    """  # noqa: D205
    if made.bundle is None:
        return
    lead = made.bundle.fingerprint.lead
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
    short = first(made.bundle.fingerprint, setup.queries)
    weigh = load(identification, setup.score)
    for suspect, asked in answers:
        opinion = weigh(short, (), revealed(asked.evidence, setup.access, setup.queries))
        if opinion is not None and opinion.value is not None:
            yield Scored(setup, made.owner, suspect, float(opinion.value))


def first(fingerprint: Fingerprint, count: int) -> Fingerprint:
    """The same fingerprint with its first core points alone."""
    core = fingerprint.families[CORE]
    return replace(fingerprint, families={CORE: Family(core.points[:count], core.outputs[:count])})


def revealed(evidence: Evidence, access: Access, count: int) -> Evidence:
    """What the suspect would have said to the first points with no more access than that."""
    core = evidence.answers[CORE]
    scores = None if access is Access.LABEL or core.scores is None else core.scores[:count]
    used = min(evidence.access, access, key=lambda level: level.rank)
    return replace(evidence, access=used, answers={CORE: Answers(core.labels[:count], scores)})
