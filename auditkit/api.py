"""The whole flow on one page: fingerprint, calibrate, query, audit, judge."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from auditkit import fingerprints
from auditkit.adapters.wire.addresses import shown
from auditkit.core.errors import MissingRuntimeError, PluginError, SuspectError
from auditkit.core.evidence import Evidence
from auditkit.core.models import Reference, ReferenceKind
from auditkit.core.plugins import load, names
from auditkit.core.progress import Progress, silent
from auditkit.core.provenance import now, versions
from auditkit.core.requests import Asking, Options, Order, ReferencePlan, ShadowPlan
from auditkit.core.verdicts import Outcome, Refusal
from auditkit.files.bundle import Bundle, with_references
from auditkit.files.queries import write_queries
from auditkit.judging.judge import judge
from auditkit.suspects.examiner import ask, met, one_by_one, query
from auditkit.suspects.interview import layout

__all__ = [
    "Progress",
    "ask",
    "audit",
    "calibrate",
    "fingerprint",
    "judge",
    "layout",
    "met",
    "methods",
    "one_by_one",
    "queries",
    "query",
    "references",
    "shadows",
    "silent",
    "versions",
]


def fingerprint(order: Order, progress: Progress = silent) -> Bundle:
    """Make a bundle from an owner's model (needs torch).

    Raises:
        OwnerError, SamplesError, FingerprintError: See `make_fingerprint`.
        MissingRuntimeError: torch is not installed.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning triples the time on busy cores
    try:
        from auditkit.fingerprints.making import make_fingerprint
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


def audit(
    bundle: Bundle,
    suspects: Iterable[str],
    asking: Asking = Asking(),
    progress: Progress = silent,
    keep: Callable[[Evidence], None] = lambda _evidence: None,
) -> list[Outcome]:
    """Query and judge each suspect; one that can't be audited becomes a refusal, not an end."""
    outcomes: list[Outcome] = []
    for suspect in suspects:
        try:
            evidence = query(bundle, suspect, asking, progress)
            keep(evidence)
            outcomes.append(judge(bundle, evidence))
        except (SuspectError, PluginError) as error:
            outcomes.append(Refusal(shown(suspect), str(error)))
    return outcomes


def references(order: Order, folder: Path, plan: ReferencePlan, progress: Progress = silent) -> str:
    """Train reference models for an owner (needs torch); returns what there is now, in a line.

    Raises:
        OwnerError, SamplesError, FingerprintError: See `make_references`.
        CalibrationError: The folder holds another owner's.
        MissingRuntimeError: torch is not installed.
    """
    return f"{folder}: {_workshop().make_references(order, folder, plan, progress).told()}"


def shadows(order: Order, folder: Path, plan: ShadowPlan, progress: Progress = silent) -> str:
    """Train shadow models for an owner (needs torch); returns what there is now, in a line.

    Raises:
        OwnerError, SamplesError, FingerprintError: See `make_shadows`.
        CalibrationError: The folder holds another owner's.
        MissingRuntimeError: torch is not installed.
    """
    return f"{folder}: {_workshop().make_shadows(order, folder, plan, progress).told()}"


def _workshop() -> Any:
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        from auditkit.owner.training import references as workshop
    except ModuleNotFoundError as error:
        raise MissingRuntimeError(
            f"training models needs {error.name!r}, which is not installed: "
            "pip install 'model-auditkit[owner]'"
        ) from error
    return workshop


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
        CalibrationError: A model is named twice, with both kinds, or is the owner's file.
        SuspectError: One of them can't be asked; nothing is kept then.
    """
    named = [
        (model, kind)
        for kind, models in (
            (ReferenceKind.HOMOLOGOUS, homologous),
            (ReferenceKind.PIRATED, pirated),
        )
        for model in models
    ]
    found = []
    for number, (model, kind) in enumerate(named):
        progress("asking reference models", number, len(named))
        found.append(_reference(query(bundle, model, Asking(options=options)), kind))
    return with_references(bundle, found)


def _reference(evidence: Evidence, kind: ReferenceKind) -> Reference:
    name = Path(evidence.suspect.name).name
    digest = evidence.suspect.digest or "unknown"
    return Reference(name, kind, digest, evidence.access, evidence.answers)


def queries(bundle: Bundle, path: Path) -> int:
    """Write what to ask a suspect that can't be reached; returns the number of points."""
    points, order = layout(bundle)
    write_queries(path, points[order], bundle.fingerprint.spec)
    return len(points)
