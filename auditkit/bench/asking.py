"""The answers of every suspect to every bundle, kept so that a run goes on later."""

import contextlib
import json
import time
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from auditkit.adapters import identified, open_suspect
from auditkit.bench.bundles import Fingerprinted, file_digest, file_key
from auditkit.core.access import Access
from auditkit.core.answers import Answers
from auditkit.core.arrays import Rows
from auditkit.core.errors import AuditkitError
from auditkit.core.evidence import Evidence
from auditkit.core.models import SuspectRecord
from auditkit.core.progress import Progress
from auditkit.core.requests import Options
from auditkit.files.model_folder import OWNER, Model, ModelFolder
from auditkit.suspects.examiner import ask_opened


@dataclass(frozen=True, slots=True)
class Asked:
    """What one suspect said to one bundle's points, and how long that took."""

    evidence: Evidence
    seconds: float


def ask_all(
    population: ModelFolder,
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
        digest = file_digest(Path(model.file))
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
    model: Model, population: ModelFolder, made: list[Fingerprinted]
) -> list[Fingerprinted]:
    owners = {owner.name for owner in population.of(OWNER) if model in population.suspects(owner)}
    return [one for one in made if one.bundle is not None and one.owner in owners]


def _ask(model: Model, made: list[Fingerprinted], options: Options) -> dict[str, Asked]:
    """What one suspect says; it is opened once for all bundles."""
    asked, found = {}, identified(model.file)
    adapter = open_suspect(found, options)
    record = SuspectRecord(found.source, adapter.port.digest, found.adapter, dict(adapter.runtime))
    with contextlib.closing(adapter):
        for one in made:
            if one.bundle is not None:
                started = time.perf_counter()
                evidence = ask_opened(one.bundle, adapter, record)
                asked[one.key] = Asked(evidence, time.perf_counter() - started)
    return asked


def _write(path: Path, digest: str, known: dict[str, Asked]) -> None:
    arrays: dict[str, Rows] = {"suspect": np.array(digest)}
    for key, asked in known.items():
        answers = asked.evidence.answers
        arrays[f"{key}|labels"] = answers.labels
        if answers.scores is not None:
            arrays[f"{key}|scores"] = answers.scores
        facts = {
            "bundle": asked.evidence.bundle_digest,
            "access": answers.access,
            "classes": asked.evidence.classes,
            "seconds": round(asked.seconds, 4),
        }
        arrays[f"{key}|facts"] = np.array(json.dumps(facts))
    draft = path.with_suffix(".part.npz")
    np.savez(draft, **arrays)  # type: ignore[arg-type]
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


def _asked(archive: Mapping[str, Rows], key: str) -> Asked:
    facts = json.loads(str(archive[f"{key}|facts"]))
    answers = Answers(
        archive[f"{key}|labels"], archive.get(f"{key}|scores"), Access(facts["access"])
    )
    record = SuspectRecord(key, None, "kept", {})
    return Asked(Evidence(record, facts["bundle"], answers, facts["classes"]), facts["seconds"])
