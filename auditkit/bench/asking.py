"""The answers of every suspect to every bundle, kept so that a run goes on later."""

import json
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from auditkit import api
from auditkit.adapters import open_suspect, split
from auditkit.bench.bundles import Fingerprinted, file_digest, file_key
from auditkit.core.access import Access
from auditkit.core.answers import Answers
from auditkit.core.errors import AuditkitError
from auditkit.core.evidence import Evidence
from auditkit.core.models import SuspectRecord
from auditkit.core.points import InputSpec
from auditkit.core.progress import Progress
from auditkit.core.requests import Options
from auditkit.files.bundle import Bundle
from auditkit.files.model_folder import OWNER, Model, Population


@dataclass(frozen=True, slots=True)
class Asked:
    """What one suspect said to one bundle's points, and how long that took."""

    evidence: Evidence
    seconds: float


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
                evidence = api.ask(bundle, adapter, record)
                asked[key] = Asked(evidence, time.perf_counter() - started)
        finally:
            adapter.close()
    return asked


def _write(path: Path, digest: str, known: dict[str, Asked]) -> None:
    arrays: dict[str, Any] = {"suspect": np.array(digest)}
    for key, asked in known.items():
        for family, answers in asked.evidence.answers.items():
            arrays[f"{key}|{family}|labels"] = answers.labels
            if answers.scores is not None:
                arrays[f"{key}|{family}|scores"] = answers.scores
        facts = {
            "bundle": asked.evidence.bundle_digest,
            "access": asked.evidence.access,
            "classes": asked.evidence.classes,
            "seconds": round(asked.seconds, 4),
            "families": list(asked.evidence.answers),
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
    evidence = Evidence(
        SuspectRecord(key, None, "kept", {}),
        facts["bundle"],
        Access(facts["access"]),
        facts["classes"],
        {
            family: Answers(
                archive[f"{key}|{family}|labels"], archive.get(f"{key}|{family}|scores")
            )
            for family in facts["families"]
        },
    )
    return Asked(evidence, facts["seconds"])
