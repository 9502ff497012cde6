"""One bundle for each method and owner, kept so that a run goes on later."""

import hashlib
import json
import multiprocessing
import re
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from auditkit import api
from auditkit.bench.shorter import shortened
from auditkit.core.errors import AuditkitError, BenchmarkError
from auditkit.core.points import CORE, LINEAGE
from auditkit.core.progress import Progress
from auditkit.core.requests import Order
from auditkit.files import bundle as bundles
from auditkit.files.bundle import Bundle
from auditkit.files.container import write_whole
from auditkit.files.model_folder import OWNER, Model, ModelFolder

TRIGGERSET = "triggerset"
SHADOWED = "+shadows"
"""After a method's name: the owner's shadow models choose half of the points."""


@dataclass(frozen=True, slots=True)
class Fingerprinted:
    """One method's bundle of one owner, or why there is none."""

    method: str
    owner: str
    seconds: float
    bundle: Bundle | None
    """With its core and lineage points alone: methods are compared by those, query for query."""
    failure: str | None = None

    @property
    def key(self) -> str:
        """Names its files."""
        return file_key(self.owner, self.method)


def file_key(owner: str, method: str) -> str:
    """A file name's stem for a method and its settings."""
    return re.sub(r"[^\w-]", "_", f"{owner}--{method}")


def fingerprint_all(
    population: ModelFolder,
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
    return made_from == _sources(owner, method, samples, points)


def _sources(owner: Model, method: str, samples: Path, points: int) -> dict[str, Any]:
    shadowed = method.endswith(SHADOWED) and owner.shadows
    shadows = Path(owner.shadows or "") / "manifest.json" if shadowed else None
    files = (owner.model, owner.triggers, samples, shadows)
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
            method=chosen.removesuffix(SHADOWED),
            points=points,
            shadows=_shadows(method, owner),
            siblings=0,  # they decide verdicts alone, and methods are compared by their scores
        )
        bundles.write(api.fingerprint(order), folder / f"{key}.fp")
    except AuditkitError as error:
        failure = str(error)
    seconds = round(time.perf_counter() - started, 2)
    sources = _sources(owner, method, samples, points)
    facts = {"seconds": seconds, "failure": failure, "made from": sources}
    write_whole(folder / f"{key}.json", json.dumps(facts).encode())


def _with_triggers(method: str, owner: Model) -> str:
    """A watermark is its owner's own: the manifest says where its triggers are."""
    if method != TRIGGERSET:
        return method
    if owner.triggers is None:
        raise BenchmarkError("the manifest names no triggers of this owner")
    return f"{method}:file={owner.triggers}"


def _shadows(method: str, owner: Model) -> Path | None:
    if not method.endswith(SHADOWED):
        return None
    if owner.shadows is None:
        raise BenchmarkError("the manifest names no shadow models of this owner")
    return Path(owner.shadows)


def _opened(folder: Path, owner: Model, method: str) -> Fingerprinted:
    key = file_key(owner.name, method)
    facts = json.loads((folder / f"{key}.json").read_text())
    made = _compared(bundles.read(folder / f"{key}.fp")) if facts["failure"] is None else None
    return Fingerprinted(method, owner.name, facts["seconds"], made, facts["failure"])


def _compared(bundle: Bundle) -> Bundle:
    sizes = bundle.fingerprint.sheet.counts()
    counts = {name: size for name, size in sizes.items() if name in (CORE, LINEAGE)}
    shadows = tuple(r for r in bundle.references if r.kind.is_shadow)
    return shortened(replace(bundle, references=shadows), bundle.fingerprint.sheet.cut(counts))
