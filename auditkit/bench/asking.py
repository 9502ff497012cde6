"""Queries every suspect with every bundle; answers are kept in files, so that a run can resume."""

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
    """One suspect's answers to one bundle's points."""

    evidence: Evidence
    seconds: float
    """Time to query the open suspect about all points."""


@dataclass(frozen=True, slots=True)
class SuspectAnswers:
    """One suspect's answers to all bundles that concern it."""

    suspect: Model
    asked: dict[str, Asked]
    """By `Fingerprinted.key`."""
    failure: str | None
    """Why the suspect could not be queried; earlier answers may be there all the same."""


def ask_all(
    population: ModelFolder,
    made: list[Fingerprinted],
    folder: Path,
    options: Options,
    progress: Progress,
) -> Iterator[SuspectAnswers]:
    """Query all suspects of a folder, each about the points of the owners that it is compared with.

    Args:
        population: Models of known kind.
        made: The bundles.
        folder: Where answers are kept, one npz for each suspect.
        options: How suspects are opened.
        progress: Called before each suspect.

    Yields:
        One item for each model of the folder, owners included: each is an innocent to the others.
    """
    folder.mkdir(parents=True, exist_ok=True)
    suspects = {model.name: _bundles_for(model, population, made) for model in population.models}
    for number, model in enumerate(population.models):
        progress("asking", number, len(population.models))
        # Names stay while files are trained anew. Kept answers count for one file and one bundle.
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
                failure = str(error)  # one suspect that fails must not end a run of hours
        yield SuspectAnswers(model, known, failure)


def _bundles_for(
    model: Model, population: ModelFolder, made: list[Fingerprinted]
) -> list[Fingerprinted]:
    owners = {owner.name for owner in population.of(OWNER) if model in population.suspects(owner)}
    return [one for one in made if one.bundle is not None and one.owner in owners]


def _ask(model: Model, made: list[Fingerprinted], options: Options) -> dict[str, Asked]:
    """Query one suspect about the points of several bundles."""
    # Opened once, before the clock starts: opening is no part of what a method costs.
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
    # Written aside and renamed, so that an interrupted run leaves no half file. numpy would append
    # .npz to any other suffix.
    draft = path.with_suffix(".part.npz")
    np.savez(draft, **arrays)  # type: ignore[arg-type]
    draft.replace(path)


def _read(path: Path, digest: str, made: list[Fingerprinted]) -> dict[str, Asked]:
    """Kept answers of the suspect's present file to the present bundles, by bundle key."""
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
    # Whatever is wrong with a file of answers, they can be asked for again.
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        return {}


def _asked(archive: Mapping[str, Rows], key: str) -> Asked:
    facts = json.loads(str(archive[f"{key}|facts"]))
    answers = Answers(
        archive[f"{key}|labels"], archive.get(f"{key}|scores"), Access(facts["access"])
    )
    record = SuspectRecord(key, None, "kept", {})
    return Asked(Evidence(record, facts["bundle"], answers, facts["classes"]), facts["seconds"])
