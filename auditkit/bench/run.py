"""A comparison from end to end: bundles, answers, values, figures."""

import os
import platform
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from auditkit.bench.asking import Asked, ask_all
from auditkit.bench.bundles import Fingerprinted, fingerprint_all
from auditkit.bench.results import Cell, cells
from auditkit.bench.scoring import Scored, scored, setups
from auditkit.core.progress import Progress, silent
from auditkit.core.provenance import now, versions
from auditkit.core.requests import Options
from auditkit.files.model_folder import PIRATED, Model, ModelFolder


@dataclass(frozen=True, slots=True)
class Design:
    """What is compared."""

    methods: tuple[str, ...]
    queries: tuple[int, ...] = (10, 20, 50, 100, 200)
    workers: int = 2
    device: str = "auto"
    command: str = ""
    """As typed, for the report."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a method takes, as means over owners and over suspects, in seconds."""

    generation: float
    """From opening the owner to the bundle, on one thread, with all that has to be trained."""
    check: float
    """Asking an open suspect all core points."""
    points: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything a report shows."""

    title: str
    counts: dict[str, int]
    cells: tuple[Cell, ...]
    costs: dict[str, Cost]
    failures: tuple[str, ...]
    command: str
    versions: dict[str, str]
    machine: str
    created: str = field(default_factory=now)


def compare(
    population: ModelFolder, design: Design, folder: Path, progress: Progress = silent
) -> Comparison:
    """Make and ask what is missing, then weigh everything.

    Args:
        population: Models of known kind.
        design: Methods, queries, workers.
        folder: Keeps bundles and answers; a second run goes on from there.
        progress: Told how far each stage is.

    Raises:
        BundleError: A kept bundle can't be read.
    """
    most = max(design.queries)
    made = fingerprint_all(
        population, design.methods, folder / "bundles", most, design.workers, progress
    )
    answers: dict[str, list[tuple[Model, Asked]]] = defaultdict(list)
    failures = [f"{one.owner}, {one.method}: {one.failure}" for one in made if one.failure]
    for model, known, failure in ask_all(
        # The folder's owners are opened with torch anyway, so its author is trusted already.
        population,
        made,
        folder / "answers",
        Options(design.device, trust_torch=True),
        progress,
    ):
        if failure:
            failures.append(f"{model.name}: {failure}")
        for key, asked in known.items():
            answers[key].append((model, asked))
    values = _weighed(made, answers, design.queries, progress)
    return Comparison(
        population.title,
        _counts(population),
        tuple(cells(values)),
        _costs(made, answers),
        tuple(failures),
        design.command,
        versions("numpy", "scipy", "torch"),
        f"{os.cpu_count()} CPU cores, {platform.machine()}, {platform.system()}",
    )


def _weighed(
    made: list[Fingerprinted],
    answers: dict[str, list[tuple[Model, Asked]]],
    queries: tuple[int, ...],
    progress: Progress,
) -> Iterator[Scored]:
    for number, one in enumerate(made):
        progress("weighing", number, len(made))
        for setup in setups(one, queries):
            yield from scored(one, setup, answers[one.key])


def _counts(population: ModelFolder) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for model in population.models:
        kind = f"{model.kind}, broken" if model.broken else model.kind
        other = model.task and model.kind != PIRATED
        counts[f"{kind}, another label space" if other else kind] += 1
    return dict(counts)


def _costs(
    made: list[Fingerprinted], answers: dict[str, list[tuple[Model, Asked]]]
) -> dict[str, Cost]:
    by_method: dict[str, list[Fingerprinted]] = defaultdict(list)
    for one in made:
        if one.bundle is not None:
            by_method[one.method].append(one)
    costs = {}
    for method, several in by_method.items():
        asked = [answer.seconds for one in several for _, answer in answers[one.key]]
        costs[method] = Cost(
            round(sum(one.seconds for one in several) / len(several), 1),
            round(sum(asked) / max(len(asked), 1), 3),
            max(_points(one) for one in several),
        )
    return costs


def _points(one: Fingerprinted) -> int:
    return 0 if one.bundle is None else len(one.bundle.fingerprint.sheet)
