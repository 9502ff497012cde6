"""Records of owners, suspects and models of known kind."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from auditkit.core.access import Access
from auditkit.core.answers import Answers
from auditkit.core.weights import Sketch


class ReferenceKind(enum.StrEnum):
    """How a model of a bundle is related to the owner, and what its answers are used for."""

    STAND_IN = "stand-in"
    """A small net that auditkit trained from the owner's samples. It can refuse points, and never
    contributes to an error rate."""
    SIBLING = "sibling"
    """A net of the owner's architecture that auditkit trained anew from the owner's answers. It can
    refuse points too, and never contributes to an error rate."""
    TWIN = "twin"
    """The owner's recipe run again with other random numbers. To a suspect that was made without
    the owner's model, the owner and its twins are interchangeable."""
    MEASURED_COPY = "measured copy"
    """A copy of the owner that auditkit made with the fingerprint, to measure what the line-up can
    see; it never contributes to an error rate."""

    @property
    def is_derived(self) -> bool:
        """Whether such models come from the owner."""
        return self is ReferenceKind.MEASURED_COPY


@dataclass(frozen=True, slots=True)
class OwnerRecord:
    """What a bundle says about the model that it defends."""

    name: str
    digest: str  # "sha256:…" of the file, or of the weights
    output: Access  # LOGITS or PROBABILITIES: what the model itself returns
    classes: int


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """A model that is known to be a copy of the owner's or independent of it, with its answers."""

    name: str
    kind: ReferenceKind
    digest: str  # "sha256:…" of the file or of the recipe
    answers: Answers  # one row for each point of the bundle's sheet
    recipe: Mapping[str, Any] = field(default_factory=dict)  # JSON values
    weights: Sketch | None = None
    """Of a twin: what is kept of its weights."""


@dataclass(frozen=True, slots=True)
class SuspectRecord:
    """The suspect that was asked, and how it was reached."""

    name: str
    digest: str | None  # "sha256:…"; None where what answers can't be hashed
    adapter: str
    runtime: Mapping[str, str]  # e.g. {"onnxruntime": "1.31.1", "provider": "CPUExecutionProvider"}
