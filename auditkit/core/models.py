"""Owners, suspects and reference models, as records."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from auditkit.core.access import Access
from auditkit.core.answers import Answers


class ReferenceKind(enum.StrEnum):
    """Why a reference model's answers are in a bundle."""

    STAND_IN = "stand-in"
    """Small net trained by auditkit from the owner's samples; vetoes, never prices a verdict."""
    SIBLING = "sibling"
    """Net of the owner's architecture trained anew by auditkit from its answers; likewise."""
    HOMOLOGOUS = "homologous"
    """Known to be independent of the owner."""
    PIRATED = "pirated"
    """Known to be derived from the owner."""
    INDEPENDENT_SHADOW = "independent shadow"
    """Known to be independent; helped to choose the points, so it never prices a verdict."""
    STUDENT_SHADOW = "student shadow"
    """Known to have learnt from the owner's answers, likewise."""
    MODIFIED_SHADOW = "modified shadow"
    """Known to be made from the owner's weights, likewise."""

    @property
    def is_derived(self) -> bool:
        """Whether such models come from the owner."""
        kind = ReferenceKind
        return self in (kind.PIRATED, kind.STUDENT_SHADOW, kind.MODIFIED_SHADOW)

    @property
    def is_shadow(self) -> bool:
        """Whether such models helped to choose the points, or teach what they are worth."""
        kind = ReferenceKind
        return self in (kind.INDEPENDENT_SHADOW, kind.STUDENT_SHADOW, kind.MODIFIED_SHADOW)

    @property
    def is_vetoing(self) -> bool:
        """Whether such models were trained along with the fingerprint, and can only refuse it."""
        return self in (ReferenceKind.STAND_IN, ReferenceKind.SIBLING)


@dataclass(frozen=True, slots=True)
class OwnerRecord:
    """What a bundle says about the model it defends."""

    name: str
    digest: str  # "sha256:…" of the file, or of the weights
    output: Access  # LOGITS or PROBABILITIES: what the model itself returns
    classes: int


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """A model whose relation to the owner is known, and its answers."""

    name: str
    kind: ReferenceKind
    digest: str  # "sha256:…" of the file or of the recipe
    answers: Answers  # one row for each point of the bundle's sheet
    recipe: Mapping[str, Any] = field(default_factory=dict)  # JSON values


@dataclass(frozen=True, slots=True)
class SuspectRecord:
    """Who was asked, and through what."""

    name: str
    digest: str | None  # "sha256:…"; None where what answers can't be hashed
    adapter: str
    runtime: Mapping[str, str]  # e.g. {"onnxruntime": "1.31.1", "provider": "CPUExecutionProvider"}
