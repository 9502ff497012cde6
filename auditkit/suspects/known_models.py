"""Shadow models that the owner has in a folder: read from its manifest, opened, asked, closed."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from auditkit.adapters import open_suspect
from auditkit.adapters.base import Adapter
from auditkit.core.access import access_of, checked
from auditkit.core.answers import answers_of, joined
from auditkit.core.arrays import FloatArray, IntArray
from auditkit.core.errors import FingerprintError, SuspectError
from auditkit.core.models import Reference, ReferenceKind
from auditkit.core.points import Family, InputSpec
from auditkit.core.requests import Options
from auditkit.files.model_folder import HOMOLOGOUS, OWNER, Model, read_population
from auditkit.owner.lineage import Shadow
from auditkit.owner.training.attacks import TAUGHT

FEWEST = 6
"""Students and independent models; points that fewer chose tell those few."""


@dataclass(frozen=True, slots=True)
class ShadowFolder:
    """Models of known kind, asked in the owner's input domain."""

    models: tuple[Model, ...]
    spec: InputSpec
    classes: int
    device: str

    def shadows(self) -> list[Shadow]:
        """Students and independent ones, to be asked; a FingerprintError where one can't be."""
        kinds = [(model, kind_of(model)) for model in self.models]
        return [
            Shadow(kind.is_derived, partial(self._labels, model))
            for model, kind in kinds
            if kind is not ReferenceKind.MODIFIED_SHADOW
        ]

    def references(self, families: Mapping[str, Family]) -> list[Reference]:
        """What each says of a fingerprint's points, for the bundle.

        Raises:
            FingerprintError: One of them can't be asked.
        """
        return [self._reference(model, families) for model in self.models]

    def _labels(self, model: Model, points: FloatArray) -> IntArray:
        (whole,), _ = self._asked(model, [points])
        return answers_of(whole, access_of(whole), access_of(whole)).labels

    def _reference(self, model: Model, families: Mapping[str, Family]) -> Reference:
        parts, digest = self._asked(model, [family.points for family in families.values()])
        access = access_of(joined(parts))
        answers = {
            name: answers_of(rows, access, access)
            for name, rows in zip(families, parts, strict=True)
        }
        return Reference(model.name, kind_of(model), digest, access, answers, {"how": model.how})

    def _asked(self, model: Model, groups: list[FloatArray]) -> tuple[list[NDArray[Any]], str]:
        """The replies to each group of points, and the model's digest."""
        try:
            # The owner trained these models, or had them trained by auditkit.
            adapter = open_suspect(model.file, self.spec, Options(self.device, trust_torch=True))
            with contextlib.closing(adapter):
                parts = [_replies(adapter, points) for points in groups]
        except SuspectError as error:
            raise FingerprintError(
                f"shadow model {model.name!r} can't be asked: {error}"
            ) from error
        for part in parts:
            if part.ndim == 2 and part.shape[1] != self.classes:
                raise FingerprintError(
                    f"shadow model {model.name!r} knows {part.shape[1]} classes, the owner "
                    f"{self.classes}; take it out of the folder's manifest"
                )
        return parts, adapter.digest or "unknown"


def _replies(adapter: Adapter, points: FloatArray) -> NDArray[Any]:
    starts = range(0, len(points), adapter.batch)
    batches = [points[start : start + adapter.batch].copy() for start in starts]
    return joined([checked(adapter.answer(batch), len(batch)) for batch in batches])


def kind_of(model: Model) -> ReferenceKind:
    """A copy's `how` tells whether it learnt from answers (`attacks.TAUGHT`)."""
    if model.kind == HOMOLOGOUS:
        return ReferenceKind.INDEPENDENT_SHADOW
    taught = model.how in TAUGHT
    return ReferenceKind.STUDENT_SHADOW if taught else ReferenceKind.MODIFIED_SHADOW


def open_shadows(folder: Path, spec: InputSpec, classes: int, device: str) -> ShadowFolder:
    """Those of a folder's models that share the owner's label space and work.

    Raises:
        BenchmarkError: The folder has no readable manifest.
        FingerprintError: Too few of either kind.
    """
    known = read_population(folder).models
    models = tuple(m for m in known if m.kind != OWNER and not m.broken and not m.task)
    for kind in (ReferenceKind.STUDENT_SHADOW, ReferenceKind.INDEPENDENT_SHADOW):
        count = sum(kind_of(model) is kind for model in models)
        if count < FEWEST:
            raise FingerprintError(
                f"--shadows wants {FEWEST} {kind} models or more, {str(folder)!r} has {count} that "
                "work; train more with auditkit shadows"
            )
    return ShadowFolder(models, spec, classes, device)
