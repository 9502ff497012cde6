"""Bundles of every method and the answers of every suspect, kept so that a run goes on later."""

import hashlib
import json
import multiprocessing
import re
import time
import zipfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from auditkit import bundle as bundles
from auditkit import pipeline
from auditkit.adapters import open_suspect, split
from auditkit.adapters.base import Options
from auditkit.benchmark.population import OWNER, Model, Population
from auditkit.bundle import Bundle
from auditkit.container import write_whole
from auditkit.errors import AuditkitError, BenchmarkError
from auditkit.order import Order
from auditkit.pipeline import Progress
from auditkit.types import CORE, Access, Answers, Evidence, InputSpec, SuspectRecord

TRIGGERSET = "triggerset"


@dataclass(frozen=True, slots=True)
class Fingerprinted:
    """One method's bundle of one owner, or why there is none."""

    method: str
    owner: str
    seconds: float
    bundle: Bundle | None
    """With its core points alone: methods are compared by those, query for query."""
    failure: str | None = None

    @property
    def key(self) -> str:
        """Names its files."""
        return file_key(self.owner, self.method)


@dataclass(frozen=True, slots=True)
class Asked:
    """What one suspect said to one bundle's points, and how long that took."""

    evidence: Evidence
    seconds: float


def file_key(owner: str, method: str) -> str:
    """A file name's stem for a method and its settings."""
    return re.sub(r"[^\w-]", "_", f"{owner}--{method}")


def fingerprint_all(
    population: Population,
    methods: Iterable[str],
    folder: Path,
    points: int,
    workers: int,
    progress: Progress,
) -> list[Fingerprinted]:
    """Make what is missing, several at a time; each worker uses one thread.

    Args:
        population: Whose owners are fingerprinted, all with the same samples.
        methods: Names, with settings or without.
        folder: Keeps the bundles.
        points: How many each has.
        workers: Processes.
        progress: Told after each.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [(owner, method) for method in methods for owner in population.of(OWNER)]
    samples = population.samples
    missing = [pair for pair in wanted if not _kept(folder, *pair, samples, points)]
    if missing:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, context, initializer=_one_thread) as pool:
            jobs = [
                pool.submit(_make, owner, method, samples, points, folder)
                for owner, method in missing
            ]
            progress("fingerprinting", 0, len(jobs))
            for done, job in enumerate(as_completed(jobs), 1):
                job.result()
                progress("fingerprinting", done, len(jobs))
    return [_opened(folder, owner, method) for owner, method in wanted]


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def _kept(folder: Path, owner: Model, method: str, samples: Path, points: int) -> bool:
    """Whether it was made already, from these files as they are now."""
    path = folder / f"{file_key(owner.name, method)}.json"
    if not path.exists():
        return False
    made_from: dict[str, Any] = json.loads(path.read_text())["made from"]
    return made_from == _sources(owner, samples, points)


def _sources(owner: Model, samples: Path, points: int) -> dict[str, Any]:
    files = (owner.model, owner.triggers, samples)
    return {"points": points, "files": [_digest(Path(file)) for file in files if file]}


def _digest(path: Path) -> str:
    return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()


def _make(owner: Model, method: str, samples: Path, points: int, folder: Path) -> None:
    key = file_key(owner.name, method)
    started = time.perf_counter()
    failure = None
    try:
        chosen = _with_triggers(method, owner)
        order = Order(str(owner.model), samples=samples, method=chosen, points=points)
        bundles.write(pipeline.fingerprint(order), folder / f"{key}.fp")
    except AuditkitError as error:
        failure = str(error)
    seconds = round(time.perf_counter() - started, 2)
    sources = _sources(owner, samples, points)
    facts = {"seconds": seconds, "failure": failure, "made from": sources}
    write_whole(folder / f"{key}.json", json.dumps(facts).encode())


def _with_triggers(method: str, owner: Model) -> str:
    """A watermark is its owner's own: the manifest says where its triggers are."""
    if method != TRIGGERSET:
        return method
    if owner.triggers is None:
        raise BenchmarkError("the manifest names no triggers of this owner")
    return f"{method}:file={owner.triggers}"


def _opened(folder: Path, owner: Model, method: str) -> Fingerprinted:
    key = file_key(owner.name, method)
    facts = json.loads((folder / f"{key}.json").read_text())
    made = _core_alone(bundles.read(folder / f"{key}.fp")) if facts["failure"] is None else None
    return Fingerprinted(method, owner.name, facts["seconds"], made, facts["failure"])


def _core_alone(bundle: Bundle) -> Bundle:
    core = {CORE: bundle.fingerprint.families[CORE]}
    return replace(bundle, fingerprint=replace(bundle.fingerprint, families=core), references=())


def ask_all(
    population: Population,
    made: list[Fingerprinted],
    folder: Path,
    options: Options,
    progress: Progress,
) -> Iterator[tuple[Model, dict[str, Asked], str | None]]:
    """Each suspect with its answers by bundle, and why it could not be asked, if so."""
    folder.mkdir(parents=True, exist_ok=True)
    suspects = {model.name: _bundles_for(model, population, made) for model in population.models}
    for number, model in enumerate(population.models):
        progress("asking", number, len(population.models))
        path = folder / f"{file_key(model.name, '')}.npz"
        digest = _digest(Path(model.file))
        known = _read(path, digest, suspects[model.name])
        missing = [one for one in suspects[model.name] if one.key not in known]
        failure = None
        if missing:
            try:
                known |= _ask(model, missing, options)
                _write(path, digest, known)
            except AuditkitError as error:
                failure = str(error)
        yield model, known, failure


def _bundles_for(
    model: Model, population: Population, made: list[Fingerprinted]
) -> list[Fingerprinted]:
    owners = {owner.name for owner in population.of(OWNER) if model in population.suspects(owner)}
    return [one for one in made if one.bundle is not None and one.owner in owners]


def _ask(model: Model, made: list[Fingerprinted], options: Options) -> dict[str, Asked]:
    """Opened once for all bundles of one input domain."""
    by_spec: dict[InputSpec, list[tuple[str, Bundle]]] = {}
    for one in made:
        if one.bundle is not None:
            by_spec.setdefault(one.bundle.fingerprint.spec, []).append((one.key, one.bundle))
    asked = {}
    kind, source = split(model.file)
    for spec, pairs in by_spec.items():
        adapter = open_suspect(model.file, spec, options)
        record = SuspectRecord(source, adapter.digest, kind, dict(adapter.runtime))
        try:
            for key, bundle in pairs:
                started = time.perf_counter()
                evidence = pipeline.ask(bundle, adapter, record)
                asked[key] = Asked(evidence, time.perf_counter() - started)
        finally:
            adapter.close()
    return asked


def _write(path: Path, digest: str, known: dict[str, Asked]) -> None:
    arrays: dict[str, Any] = {"suspect": np.array(digest)}
    for key, asked in known.items():
        core = asked.evidence.answers[CORE]
        arrays[f"{key}|labels"] = core.labels
        if core.scores is not None:
            arrays[f"{key}|scores"] = core.scores
        facts = {
            "bundle": asked.evidence.bundle_digest,
            "access": asked.evidence.access,
            "classes": asked.evidence.classes,
            "seconds": round(asked.seconds, 4),
        }
        arrays[f"{key}|facts"] = np.array(json.dumps(facts))
    draft = path.with_suffix(".part.npz")
    np.savez(draft, **arrays)
    draft.replace(path)


def _read(path: Path, digest: str, made: list[Fingerprinted]) -> dict[str, Asked]:
    """The kept answers of this suspect's file to just these bundles, none of an earlier one's."""
    if not path.exists():
        return {}
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            if str(archive["suspect"]) != digest:
                return {}
            return {
                one.key: _asked(archive, one.key)
                for one in made
                if one.bundle is not None
                and f"{one.key}|facts" in archive
                and json.loads(str(archive[f"{one.key}|facts"]))["bundle"] == one.bundle.digest
            }
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        return {}


def _asked(archive: Any, key: str) -> Asked:
    facts = json.loads(str(archive[f"{key}|facts"]))
    scores = archive.get(f"{key}|scores")
    evidence = Evidence(
        SuspectRecord(key, None, "kept", {}),
        facts["bundle"],
        Access(facts["access"]),
        facts["classes"],
        {CORE: Answers(archive[f"{key}|labels"], scores)},
    )
    return Asked(evidence, facts["seconds"])
