"""The whole flow on one page: fingerprint, calibrate, query, audit, judge."""

import importlib.metadata
import os
import platform
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from auditkit import fingerprints, identification
from auditkit.adapters import open_suspect, split
from auditkit.adapters.base import Adapter, Options
from auditkit.answers import access_of, answers_of, checked, joined
from auditkit.bundle import Bundle, now, with_references
from auditkit.errors import AuditkitError, EvidenceError, MissingRuntimeError, QueryError
from auditkit.inputs import write_queries
from auditkit.order import Order
from auditkit.registry import load, names
from auditkit.types import (
    Access,
    Evidence,
    FloatArray,
    Outcome,
    Reference,
    ReferenceKind,
    Refusal,
    SuspectRecord,
    Verdict,
)
from auditkit.verdict import decide

BATCH = 100
Progress = Callable[[str, int, int], None]


def silent(_stage: str, _done: int, _total: int) -> None:
    """The progress report of a library that never prints."""


def fingerprint(order: Order, progress: Progress = silent) -> Bundle:
    """Make a bundle from an owner's model (needs torch).

    Raises:
        OwnerError, SamplesError, FingerprintError: See `make_fingerprint`.
        MissingRuntimeError: torch is not installed.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning triples the time on busy cores
    try:
        from auditkit.owner.fingerprinting import make_fingerprint
    except ModuleNotFoundError as error:
        raise MissingRuntimeError(
            f"fingerprinting needs {error.name!r}, which is not installed: "
            "pip install 'model-auditkit[owner]'"
        ) from error
    made, references = make_fingerprint(order, progress)
    return Bundle(made, tuple(references), versions("numpy", "torch"), now())


def methods() -> dict[str, Any]:
    """Every way to find points, by name (needs torch).

    Raises:
        MissingRuntimeError: torch is not installed.
    """
    return {name: load(fingerprints, name) for name in names(fingerprints)}


def query(
    bundle: Bundle,
    suspect: str,
    *,
    access: Access = Access.LOGITS,
    options: Options = Options(),
    progress: Progress = silent,
) -> Evidence:
    """Ask a suspect about every point of the bundle, using no more than `access`.

    Raises:
        SuspectError: It can't be opened, does not fit, or fails to answer.
    """
    kind, source = split(suspect)
    adapter = open_suspect(suspect, bundle.fingerprint.spec, options)
    record = SuspectRecord(source, adapter.digest, kind, dict(adapter.runtime))
    try:
        return ask(bundle, adapter, record, access=access, progress=progress)
    except QueryError as error:
        raise QueryError(f"{source!r}: {error}") from error
    finally:
        adapter.close()


def ask(
    bundle: Bundle,
    adapter: Adapter,
    record: SuspectRecord,
    *,
    access: Access = Access.LOGITS,
    progress: Progress = silent,
) -> Evidence:
    """The same for a suspect that is already open.

    Raises:
        QueryError: It fails to answer, or answers nonsense.
    """
    families = bundle.fingerprint.families
    points = np.concatenate([family.points for family in families.values()])
    replies = []
    for start in range(0, len(points), BATCH):
        progress("asking the suspect", start, len(points))
        batch = points[start : start + BATCH]
        replies.append(checked(adapter.answer(batch.copy()), len(batch)))
    whole = joined(replies)
    revealed = access_of(whole)
    used = min(revealed, access, key=lambda level: level.rank)
    ends = np.cumsum([len(family) for family in families.values()])[:-1]
    parts = zip(families, np.split(whole, ends), strict=True)
    return Evidence(
        suspect=record,
        bundle_digest=bundle.digest,
        access=used,
        classes=whole.shape[1] if whole.ndim == 2 else None,
        answers={name: answers_of(part, revealed, used) for name, part in parts},
        notes=_notes(revealed, used),
    )


def _notes(revealed: Access, used: Access) -> tuple[str, ...]:
    if revealed is used:
        return ()
    return (f"the suspect reveals {revealed}; only {used} was used, as asked",)


def judge(bundle: Bundle, evidence: Evidence) -> Verdict:
    """Weigh what a suspect said; no suspect needed.

    Raises:
        EvidenceError: The evidence answers another bundle's points, or not all of them.
    """
    if evidence.bundle_digest != bundle.digest:
        raise EvidenceError(
            f"the evidence answers bundle {evidence.bundle_digest}, this one is {bundle.digest}; "
            "judge it with the bundle it was made with"
        )
    _check_answers(bundle, evidence)
    opinions = (
        load(identification, name)(bundle.fingerprint, bundle.references, evidence)
        for name in names(identification)
    )
    weighed = tuple(opinion for opinion in opinions if opinion is not None)
    return decide(bundle.fingerprint, bundle.references, evidence, weighed)


def _check_answers(bundle: Bundle, evidence: Evidence) -> None:
    wanted = {name: len(family) for name, family in bundle.fingerprint.families.items()}
    got = {name: len(answers.labels) for name, answers in evidence.answers.items()}
    if wanted != got:
        raise EvidenceError(
            f"the evidence answers {got} points, the bundle has {wanted}; ask the suspect again"
        )


def audit(
    bundle: Bundle,
    suspects: Iterable[str],
    *,
    access: Access = Access.LOGITS,
    options: Options = Options(),
    progress: Progress = silent,
    keep: Callable[[Evidence], None] = lambda _evidence: None,
) -> list[Outcome]:
    """Query and judge each suspect; one that can't be audited becomes a refusal, not an end."""
    outcomes: list[Outcome] = []
    for suspect in suspects:
        try:
            evidence = query(bundle, suspect, access=access, options=options, progress=progress)
            keep(evidence)
            outcomes.append(judge(bundle, evidence))
        except AuditkitError as error:
            outcomes.append(Refusal(suspect, str(error)))
    return outcomes


def calibrate(
    bundle: Bundle,
    homologous: Iterable[str],
    pirated: Iterable[str],
    *,
    options: Options = Options(),
    progress: Progress = silent,
) -> Bundle:
    """Ask models of known kind and keep their answers in the bundle.

    Raises:
        CalibrationError: A model is named twice, or with both kinds.
        SuspectError: One of them can't be asked; nothing is kept then.
    """
    kinds = {ReferenceKind.HOMOLOGOUS: homologous, ReferenceKind.PIRATED: pirated}
    references = [
        _reference(query(bundle, name, options=options, progress=progress), kind)
        for kind, models in kinds.items()
        for name in models
    ]
    return with_references(bundle, references)


def _reference(evidence: Evidence, kind: ReferenceKind) -> Reference:
    name = Path(evidence.suspect.name).name
    digest = evidence.suspect.digest or "unknown"
    return Reference(name, kind, digest, evidence.access, evidence.answers)


def queries(bundle: Bundle, path: Path) -> int:
    """Write what to ask a suspect that can't be reached; returns the number of points."""
    points: FloatArray = np.concatenate(
        [family.points for family in bundle.fingerprint.families.values()]
    )
    write_queries(path, points, bundle.fingerprint.spec)
    return len(points)


def versions(*packages: str) -> dict[str, str]:
    """auditkit's, Python's and these packages' versions."""
    found = {"auditkit": importlib.metadata.version("model-auditkit")}
    found["python"] = platform.python_version()
    return found | {package: importlib.metadata.version(package) for package in packages}
