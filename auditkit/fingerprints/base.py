"""What a fingerprint method is, gets and gives."""

import enum
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from torch import Tensor

from auditkit.core.access import Access
from auditkit.core.arrays import FloatArray
from auditkit.core.errors import FingerprintError
from auditkit.core.fingerprint import Discrimination
from auditkit.core.progress import Progress
from auditkit.owner.classifier import Owner, sample_labels, snapped
from auditkit.owner.samples import Samples
from auditkit.owner.shadows import Shadows
from auditkit.owner.standins import StandIn
from auditkit.owner.transports import Transport
from auditkit.owner.uniqueness import label_uniqueness

FEWEST = 20
"""Points below which there is no fingerprint."""


class Need(enum.StrEnum):
    """What a method can't do without, beside the owner's model."""

    SAMPLES = "samples"
    LABELS = "labels"
    SHADOWS = "shadow models"
    """Trained by auditkit from the samples: copies of the owner, and independent models."""


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """What to make points for."""

    owner: Owner
    samples: Samples | None
    strangers: tuple[StandIn, ...]  # empty without samples
    count: int
    seed: int
    progress: Progress
    shadows: Shadows | None = None  # only for methods that need them
    options: Mapping[str, str] = field(default_factory=dict)  # settings other than the defaults
    ways: tuple[Transport, ...] = ()  # that the points are to survive

    def naturals(self) -> tuple[Tensor, Tensor]:
        """Samples (n, *shape) in the owner's domain, images on the 8-bit grid, and labels (n,).

        Raises:
            FingerprintError: There are no samples.
        """
        if self.samples is None:
            raise FingerprintError("this method needs samples; add --samples")
        points = snapped(self.owner.tensor(self.samples.x), self.owner.spec)
        return points, sample_labels(self.owner, self.samples)

    def shadow_models(self) -> Shadows:
        """Copies of the owner and independent models.

        Raises:
            FingerprintError: None were trained.
        """
        if self.shadows is None:
            raise FingerprintError("this method needs shadow models; add --samples")
        return self.shadows

    def weighed_by_labels(self, points: Tensor, measured: Mapping[str, Any]) -> "Findings":
        """These points, judged by how many labels quick copies keep and stand-ins share."""
        discrimination, reason, facts = label_uniqueness(
            self.owner, self.samples, self.strangers, points, self.seed
        )
        return Findings(points.cpu().numpy(), {**measured, **facts}, discrimination, reason)

    def weighed_by_relations(self, points: Tensor, measured: Mapping[str, Any]) -> "Findings":
        """These points, on which labels that agree tell nothing; no verdict without references."""
        return Findings(
            points.cpu().numpy(),
            measured,
            Discrimination.UNMEASURED,
            "answers to these points are weighed by an identification without default threshold; "
            "compare the value with those of models of known kind",
        )


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    """Points that a method found, best first, and what it measured on the way."""

    points: FloatArray  # (n, *shape), within the owner's input domain
    parameters: Mapping[str, Any]  # JSON values
    discrimination: Discrimination
    reason: str


@dataclass(frozen=True, slots=True)
class Method:
    """One way to find points: the public object of its file."""

    find: Callable[[Request, Any], Findings]
    """Gets the request and the settings."""
    settings: Any
    """A frozen dataclass of numbers and texts with the paper's defaults."""
    paper: str
    needs: tuple[Need, ...] = ()
    lead: str = "label_similarity"
    """The identification that the paper weighs answers with."""
    access: Access = Access.LABEL
    """The least that a suspect must reveal for that."""
    travels: bool = False
    """Whether it finds points that survive the ways it is given."""

    def __call__(self, request: Request) -> Findings:
        """Find up to `request.count` points.

        Raises:
            FingerprintError: Something needed is missing, a setting is unknown, or the owner
                yields too few usable points.
        """
        self._check_needs(request)
        settings = self._settings(request.options)
        found = self.find(request, settings)
        used = {name: _plain(value) for name, value in asdict(settings).items()}
        return replace(found, parameters={"settings": used, **found.parameters})

    def described(self) -> str:
        """The settings that a user may change, with their defaults."""
        known = asdict(self.settings())
        single = [f"{k}={v}" for k, v in known.items() if isinstance(v, str | int | float)]
        return ", ".join(single) or "none"

    def _check_needs(self, request: Request) -> None:
        if self.needs and request.samples is None:
            raise FingerprintError(f"this method needs {' and '.join(self.needs)}; add --samples")
        if request.ways and not self.travels:
            raise FingerprintError("this method makes no robust points; take out --robust")
        if Need.LABELS in self.needs and request.samples and request.samples.y is None:
            raise FingerprintError(
                "this method needs labelled samples; give an npz of x and y, or one folder a class"
            )

    def _settings(self, options: Mapping[str, str]) -> Any:
        defaults = self.settings()
        known = {entry.name: getattr(defaults, entry.name) for entry in fields(defaults)}
        changes = {}
        for name, text in options.items():
            if not isinstance(known.get(name), str | int | float):
                single = [key for key in known if isinstance(known[key], str | int | float)]
                raise FingerprintError(f"no setting {name!r}; there are: {', '.join(single)}")
            changes[name] = _like(known[name], name, text)
        return replace(defaults, **changes)


def _like(default: Any, name: str, text: str) -> Any:
    try:
        return type(default)(text)
    except ValueError as error:
        kind = "a whole number" if isinstance(default, int) else "a number"
        raise FingerprintError(f"setting {name!r} wants {kind}, got {text!r}") from error


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
