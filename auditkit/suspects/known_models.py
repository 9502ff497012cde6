"""Models of known kind in a folder: read from its manifest, opened, asked, closed."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from auditkit.adapters import identified, open_suspect
from auditkit.adapters.base import AT_ONCE
from auditkit.core.access import access_of
from auditkit.core.answers import answers_of, joined
from auditkit.core.arrays import FloatArray, IntArray, Rows
from auditkit.core.errors import FingerprintError, SuspectError
from auditkit.core.models import Reference, ReferenceKind
from auditkit.core.points import InputSpec, Sheet
from auditkit.core.requests import Options, Patience
from auditkit.files.model_folder import HOMOLOGOUS, OWNER, TAUGHT, Model, read_model_folder
from auditkit.suspects.client import Client
from auditkit.suspects.log import Memory

FEWEST = 6
"""Students and independent models; points that fewer models chose tell only those few."""


@dataclass(frozen=True, slots=True)
class KnownModels:
    """Shadow models, asked in the owner's input domain."""

    models: tuple[Model, ...]
    spec: InputSpec
    classes: int
    device: str

    def labels(self, model: Model, points: FloatArray) -> IntArray:
        """Return one model's labels for points of the owner's domain: (n,), -1 without an answer.

        Raises:
            FingerprintError: It can't be asked.
        """
        whole = self._asked(model, points).rows
        level = access_of(whole)
        return answers_of(whole, level, level).labels

    def references(self, sheet: Sheet) -> list[Reference]:
        """Return each model with its answers to a sheet's points, for the bundle.

        Raises:
            FingerprintError: One of them can't be asked.
        """
        return [self._reference(model, sheet) for model in self.models]

    def _reference(self, model: Model, sheet: Sheet) -> Reference:
        said = self._asked(model, sheet.points)
        level = access_of(said.rows)
        answers = answers_of(said.rows, level, level)
        return Reference(model.name, kind_of(model), said.digest, answers, {"how": model.how})

    def _asked(self, model: Model, points: FloatArray) -> "_Said":
        try:
            # The owner trained these models, or had them trained by auditkit.
            options = Options(self.device, trust_torch=True)
            adapter = open_suspect(identified(model.file), options)
            with contextlib.closing(adapter):
                client = Client(adapter, self.spec, Patience(), Memory(), classes=self.classes)
                starts = range(0, len(points), AT_ONCE)
                parts = [client.answer(points[i : i + AT_ONCE], self.spec) for i in starts]
                said = _Said(joined(parts), adapter.port.digest or "unknown")
        except SuspectError as error:
            raise FingerprintError(
                f"shadow model {model.name!r} can't be asked: {error}"
            ) from error
        if said.rows.ndim == 2 and said.rows.shape[1] != self.classes:
            raise FingerprintError(
                f"shadow model {model.name!r} knows {said.rows.shape[1]} classes, the owner "
                f"{self.classes}; take it out of the folder's manifest"
            )
        return said


@dataclass(frozen=True, slots=True, eq=False)
class _Said:
    """A model's replies and its digest."""

    rows: Rows
    digest: str


def kind_of(model: Model) -> ReferenceKind:
    """Return what kind of shadow model it is; `how` says whether a copy learnt from answers."""
    if model.kind == HOMOLOGOUS:
        return ReferenceKind.INDEPENDENT_SHADOW
    taught = model.how in TAUGHT
    return ReferenceKind.STUDENT_SHADOW if taught else ReferenceKind.MODIFIED_SHADOW


def open_shadow_models(folder: Path, spec: InputSpec, classes: int, device: str) -> KnownModels:
    """Read a folder's shadow models that work and share the owner's label space.

    Raises:
        BenchmarkError: The folder has no readable manifest.
        FingerprintError: Too few of either kind.
    """
    known: Sequence[Model] = read_model_folder(folder).models
    models = tuple(m for m in known if m.kind != OWNER and not m.broken and not m.task)
    for kind in (ReferenceKind.STUDENT_SHADOW, ReferenceKind.INDEPENDENT_SHADOW):
        count = sum(kind_of(model) is kind for model in models)
        if count < FEWEST:
            raise FingerprintError(
                f"--shadows wants {FEWEST} {kind} models or more, {str(folder)!r} has {count} that "
                "work; train more with auditkit shadows"
            )
    return KnownModels(models, spec, classes, device)
