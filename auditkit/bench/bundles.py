"""Makes one bundle for each method and owner; bundles are kept, so that a run can resume."""

import hashlib
import json
import multiprocessing
import re
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path

from auditkit import api
from auditkit.bench.shorter import shortened
from auditkit.core.arrays import JsonObject
from auditkit.core.errors import AuditkitError, BenchmarkError
from auditkit.core.points import CORE
from auditkit.core.progress import Progress
from auditkit.core.requests import Order
from auditkit.files import bundle as bundles
from auditkit.files.bundle import Bundle
from auditkit.files.container import write_whole
from auditkit.files.model_folder import OWNER, Model, ModelFolder

TRIGGERSET = "triggerset"
"""The method whose points are an owner's watermark."""


@dataclass(frozen=True, slots=True)
class Fingerprinted:
    """One method's bundle of one owner, or the reason why there is none."""

    method: str
    owner: str
    seconds: float
    """Time to make the bundle, training included."""
    bundle: Bundle | None
    """The bundle with its core points alone, so that every query that is counted goes
    to a point that the method chose; None if the method failed."""
    failure: str | None = None

    @property
    def key(self) -> str:
        """File name without suffix."""
        return file_key(self.owner, self.method)


def file_key(owner: str, method: str) -> str:
    """File name without suffix for an owner, and a method with its settings."""
    # Settings have signs that some file systems refuse, such as ":" and "=".
    return re.sub(r"[^\w-]", "_", f"{owner}--{method}")


def fingerprint_all(
    population: ModelFolder,
    methods: Iterable[str],
    folder: Path,
    points: int,
    workers: int,
    progress: Progress,
) -> list[Fingerprinted]:
    """Make the bundles that the folder does not hold yet.

    Args:
        population: The owners to fingerprint, and the samples for all of them.
        methods: Names of methods, with settings or without.
        folder: Where bundles are kept, each beside a JSON file of what it was made from.
        points: Number of points in each bundle.
        workers: Number of processes, each of which runs on one thread.
        progress: Called after each bundle.

    Returns:
        One entry for each method and owner.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [(owner, method) for method in methods for owner in population.of(OWNER)]
    samples = population.samples
    missing = [pair for pair in wanted if not _kept(folder, *pair, samples, points)]
    if missing:
        # A fork of a process in which torch has started threads can hang.
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
    # Workers that use all cores slow each other down, and costs are compared for one thread.
    import torch

    torch.set_num_threads(1)


def _kept(folder: Path, owner: Model, method: str, samples: Path, points: int) -> bool:
    """Whether the folder has the bundle, or its failure, made from the present files."""
    path = folder / f"{file_key(owner.name, method)}.json"
    if not path.exists():
        return False
    made_from: JsonObject = json.loads(path.read_text())["made from"]
    return made_from == _sources(owner, samples, points)


def _sources(owner: Model, samples: Path, points: int) -> JsonObject:
    """Everything that a bundle depends on: number of points and digests of files."""
    files = (owner.model, owner.triggers, samples)
    return {"points": points, "files": [file_digest(Path(file)) for file in files if file]}


def file_digest(path: Path) -> str:
    """`sha256:…` of a file's bytes."""
    return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()


def _make(owner: Model, method: str, samples: Path, points: int, folder: Path) -> None:
    key = file_key(owner.name, method)
    started = time.perf_counter()
    failure = None
    try:
        chosen = _with_triggers(method, owner)
        order = Order(
            str(owner.model),
            samples=samples,
            method=chosen,
            points=points,
            # Siblings can only turn a verdict, and methods are compared by scores. Training them
            # would be counted as the method's time.
            siblings=0,
        )
        bundles.write(api.fingerprint(order), folder / f"{key}.fp")
    except AuditkitError as error:
        failure = str(error)
    seconds = round(time.perf_counter() - started, 2)
    sources = _sources(owner, samples, points)
    facts = {"seconds": seconds, "failure": failure, "made from": sources}
    write_whole(folder / f"{key}.json", json.dumps(facts).encode())


def _with_triggers(method: str, owner: Model) -> str:
    """The method, with the owner's triggers as its setting if it is a watermark."""
    # The command line names one method for all owners, but each watermark has its own triggers.
    if method != TRIGGERSET:
        return method
    if owner.triggers is None:
        raise BenchmarkError("the manifest names no triggers of this owner")
    return f"{method}:file={owner.triggers}"


def _opened(folder: Path, owner: Model, method: str) -> Fingerprinted:
    key = file_key(owner.name, method)
    facts = json.loads((folder / f"{key}.json").read_text())
    made = _compared(bundles.read(folder / f"{key}.fp")) if facts["failure"] is None else None
    return Fingerprinted(method, owner.name, facts["seconds"], made, facts["failure"])


def _compared(bundle: Bundle) -> Bundle:
    """Cut a bundle to the points that methods are compared by; no score uses other models."""
    counts = {CORE: bundle.fingerprint.sheet.counts()[CORE]}
    return shortened(replace(bundle, references=()), bundle.fingerprint.sheet.cut(counts))
