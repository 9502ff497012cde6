"""Runs a comparison: makes bundles, queries suspects, weighs answers, computes figures."""

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

Answered = dict[str, list[tuple[Model, Asked]]]
"""By `Fingerprinted.key`: every suspect with its answers to that bundle."""


@dataclass(frozen=True, slots=True)
class Design:
    """What is compared, and how."""

    methods: tuple[str, ...]
    """Names of methods, with settings or without."""
    queries: tuple[int, ...] = (10, 20, 50, 100, 200)
    workers: int = 2
    """Processes that make bundles."""
    device: str = "auto"
    command: str = ""
    """The command line as typed, for the report."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a method costs: means in seconds over owners and over suspects."""

    generation: float
    """Time to make a bundle on one thread, with all models that the method trains for it."""
    check: float
    """Time to query an open suspect about all core points."""
    points: int
    """Number of points in the largest bundle."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that the reports show."""

    title: str
    counts: dict[str, int]
    """Number of models by kind."""
    cells: tuple[Cell, ...]
    costs: dict[str, Cost]
    """By method."""
    failures: tuple[str, ...]
    """What could not be compared, with the reason, one line each."""
    command: str
    versions: dict[str, str]
    machine: str
    created: str = field(default_factory=now)


def compare(
    population: ModelFolder, design: Design, folder: Path, progress: Progress = silent
) -> Comparison:
    """Compare methods on models of known kind.

    Bundles and answers that an earlier run left in the folder are used again; everything is weighed
    anew.

    Args:
        population: The models.
        design: Methods, queries, workers.
        folder: Where bundles and answers are kept.
        progress: Called as each stage goes on.

    Raises:
        BundleError: A kept bundle can't be read.
    """
    # Methods give their points best first or in random order, so that the first few of the largest
    # bundle are a fair smaller one.
    most = max(design.queries)
    made = fingerprint_all(
        population, design.methods, folder / "bundles", most, design.workers, progress
    )
    answers: Answered = defaultdict(list)
    failures = [f"{one.owner}, {one.method}: {one.failure}" for one in made if one.failure]
    for found in ask_all(population, made, folder / "answers", _options(design), progress):
        if found.failure:
            failures.append(f"{found.suspect.name}: {found.failure}")
        for key, asked in found.asked.items():
            answers[key].append((found.suspect, asked))
    return Comparison(
        title=population.title,
        counts=_counts(population),
        cells=tuple(cells(_weighed(made, answers, design.queries, progress))),
        costs=_costs(made, answers),
        failures=tuple(failures),
        command=design.command,
        versions=versions("numpy", "scipy", "torch"),
        machine=f"{os.cpu_count()} CPU cores, {platform.machine()}, {platform.system()}",
    )


def _options(design: Design) -> Options:
    return Options(design.device)


def _weighed(
    made: list[Fingerprinted],
    answers: Answered,
    queries: tuple[int, ...],
    progress: Progress,
) -> Iterator[Scored]:
    for number, one in enumerate(made):
        progress("weighing", number, len(made))
        for setup in setups(one, queries):
            yield from scored(one, setup, answers[one.key])


def _counts(population: ModelFolder) -> dict[str, int]:
    """Number of models by kind, for the head of the report."""
    counts: dict[str, int] = defaultdict(int)
    for model in population.models:
        kind = f"{model.kind}, broken" if model.broken else model.kind
        other = model.task and model.kind != PIRATED
        counts[f"{kind}, another label space" if other else kind] += 1
    return dict(counts)


def _costs(made: list[Fingerprinted], answers: Answered) -> dict[str, Cost]:
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
