"""The whole flow on one page: twins, fingerprint, audit, judge.

Commands call it as it is. `owner` and `auditor` beside it are what users call from Python: they
take options one by one, and show what comes of it.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from auditkit import fingerprints
from auditkit.adapters.base import Object
from auditkit.adapters.live import listed
from auditkit.core.errors import MissingRuntimeError
from auditkit.core.plugins import load, names
from auditkit.core.progress import Progress, silent
from auditkit.core.requests import Asking, Order, ReferencePlan, TwinPlan
from auditkit.core.verdicts import Examination
from auditkit.files.bundle import Bundle, read
from auditkit.files.evidence import read as read_evidence
from auditkit.files.evidence import write as write_evidence
from auditkit.files.queries import write_queries
from auditkit.judging.judge import check_identifications, judge
from auditkit.suspects.examiner import examine, query
from auditkit.suspects.sequential import check_twins

if TYPE_CHECKING:
    from auditkit.fingerprints.base import Method
    from auditkit.fingerprints.regenerating import Check

__all__ = [
    "audit",
    "examine",
    "fingerprint",
    "judge",
    "methods",
    "queries",
    "query",
    "read_evidence",
    "references",
    "regenerate",
    "twins",
    "write_evidence",
]


def fingerprint(order: Order, progress: Progress = silent) -> Bundle:
    """Make a bundle from an owner's model (needs torch).

    Raises:
        OwnerError, SamplesError, FingerprintError: See `make_fingerprint`.
        MissingRuntimeError: torch is not installed.
    """
    _calm_threads()
    try:
        from auditkit.fingerprints.making import make_fingerprint
    except ModuleNotFoundError as error:
        raise _needs_torch("fingerprinting", error) from error
    return make_fingerprint(order, progress)


def regenerate(bundle: Bundle, order: Order, progress: Progress = silent) -> "tuple[Check, ...]":
    """Check a bundle against the owner's model, and make its points again (needs torch).

    Raises:
        OwnerError, SamplesError, FingerprintError: See `make_fingerprint`.
        MissingRuntimeError: torch is not installed.
    """
    _calm_threads()
    try:
        from auditkit.fingerprints import regenerating
    except ModuleNotFoundError as error:
        raise _needs_torch("making points again", error) from error
    return regenerating.regenerate(bundle, order, progress)


def methods() -> "dict[str, Method]":
    """Every way to find points, by name (needs torch).

    Raises:
        MissingRuntimeError: torch is not installed.
    """
    return {name: load(fingerprints, name) for name in names(fingerprints)}


def twins(order: Order, folder: Path, plan: TwinPlan, progress: Progress = silent) -> str:
    """Train the owner's twins (needs torch); returns what there is now, in a line.

    Raises:
        OwnerError, SamplesError, FingerprintError: See `make_twins`.
        TrainedModelsError: The folder holds something else.
        FleetError: The Ray cluster that the plan names can't be used.
        MissingRuntimeError: torch is not installed, or Ray where the plan asks for it.
    """
    _calm_threads()
    try:
        from auditkit.owner.training.twins import make_twins
    except ModuleNotFoundError as error:
        raise _needs_torch("training models", error) from error
    return f"{folder}: {make_twins(order, folder, plan, progress).told()}"


def references(order: Order, folder: Path, plan: ReferencePlan, progress: Progress = silent) -> str:
    """Train models of known kind for `auditkit bench` (needs torch); returns what there is now.

    Raises:
        OwnerError, SamplesError, FingerprintError: See `make_references`.
        TrainedModelsError: The folder holds another owner's.
        MissingRuntimeError: torch is not installed.
    """
    return f"{folder}: {_training().make_references(order, folder, plan, progress).told()}"


def audit(
    bundle: Bundle | str | Path,
    suspects: Iterable[Object] | Object,
    asking: Asking = Asking(),
    progress: Progress = silent,
) -> Iterator[Examination]:
    """Examine suspects one after the other; each comes out as soon as it is done.

    A suspect that can't be examined becomes a refusal with a code, and the next one's turn comes.

    Args:
        bundle: Whose points are asked, or its file.
        suspects: One or several: a file, an address, a function, a torch module, an onnxruntime
            session.
        asking: How much is asked, and how.
        progress: Told how far the suspect is.

    Raises:
        BundleError: It can't be read, or a sequential audit has no twins to decide by.
        PluginError: One of the bundle's identifications is missing. Both are raised at once,
            before anybody is asked.
    """
    opened = bundle if isinstance(bundle, Bundle) else read(bundle)
    check_twins(opened, asking)
    check_identifications(opened)
    return (examine(opened, suspect, asking, progress) for suspect in listed(suspects))


def queries(bundle: Bundle, target: str | Path) -> int:
    """Write what to ask a suspect that can't be reached; returns the number of points.

    Raises:
        EvidenceError: The target is no .npz, no .csv and no folder, or can't hold such points.
    """
    made = bundle.fingerprint
    write_queries(str(target), made.sheet.points, made.spec)
    return len(made.sheet)


def _training() -> ModuleType:
    _calm_threads()
    try:
        from auditkit.owner.training import references as training
    except ModuleNotFoundError as error:
        raise _needs_torch("training models", error) from error
    return training


def _calm_threads() -> None:
    """Threads that spin while they wait triple the time on busy cores."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _needs_torch(what: str, error: ModuleNotFoundError) -> MissingRuntimeError:
    return MissingRuntimeError(
        f"{what} needs {error.name!r}, which is not installed: pip install 'model-auditkit[owner]'"
    )
