"""The interface of a fingerprint method: its request, its findings, and what it says of itself."""

import enum
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from torch import Tensor

from auditkit.core.access import Access
from auditkit.core.arrays import FloatArray, Json, JsonObject
from auditkit.core.errors import FingerprintError
from auditkit.core.fingerprint import Discrimination
from auditkit.core.progress import Progress
from auditkit.files.unfinished import NOWHERE, Unfinished
from auditkit.owner.classifier import Owner, sample_labels, snapped
from auditkit.owner.lineup import Twin
from auditkit.owner.samples import Samples
from auditkit.owner.shadows import Shadows
from auditkit.owner.standins import StandIn
from auditkit.owner.transports import Transport
from auditkit.owner.uniqueness import label_uniqueness

Setting = str | int | float
"""A setting that fits into `--method NAME:setting=value,…`."""


class Need(enum.StrEnum):
    """An input, beside the owner's model, that a method can't work without."""

    SAMPLES = "samples"
    LABELS = "labels"
    SHADOWS = "shadow models"
    """Copies of the owner and independent models, which auditkit trains from the samples."""
    TWINS = "twins"
    """Runs of the owner's recipe with other random numbers (`--twins`)."""


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """Everything that a method gets to make points from."""

    owner: Owner
    samples: Samples | None
    strangers: tuple[StandIn, ...]
    """Stand-ins for independent models; empty if there are no samples."""
    count: int
    """Number of points wanted."""
    seed: int
    progress: Progress
    shadows: Shadows | None = None
    """Trained only for methods that need them, since training takes a minute."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Settings that the user changed: name -> text as it was typed."""
    ways: tuple[Transport, ...] = ()
    """Transports (JPEG, resizing) that the points must survive."""
    twins: tuple[Twin, ...] = ()
    unfinished: Unfinished = NOWHERE
    """Where parts are kept that took long."""
    until: float = math.inf
    """When the points found so far must do, in seconds of `time.monotonic`."""

    def is_late(self) -> bool:
        """Whether the time is over that the user gave."""
        return time.monotonic() > self.until

    def naturals(self) -> tuple[Tensor, Tensor]:
        """Return the samples (n, *shape) float32 in the owner's domain, and their labels (n,).

        Images are rounded to the 8-bit grid.

        Raises:
            FingerprintError: There are no samples.
        """
        if self.samples is None:
            raise FingerprintError("this method needs samples; add --samples")
        # Rounded first, so that the owner's answers are those to the points that a suspect gets.
        points = snapped(self.owner.tensor(self.samples.x), self.owner.spec)
        return points, sample_labels(self.owner, self.samples)

    def shadow_models(self) -> Shadows:
        """Return the copies of the owner and the independent models.

        Raises:
            FingerprintError: None were trained.
        """
        if self.shadows is None:
            raise FingerprintError("this method needs shadow models; add --samples")
        return self.shadows

    def weighed_by_labels(self, points: Tensor, measured: JsonObject) -> "Findings":
        """Return points (n, *shape) for which matching labels are the evidence.

        Whether the points discriminate is measured with quick copies and stand-ins.
        """
        unique = label_uniqueness(self.owner, self.samples, self.strangers, points, self.seed)
        return Findings(
            points=points.cpu().numpy(),
            parameters={**measured, **unique.facts},
            discrimination=unique.discrimination,
            reason=unique.reason,
        )

    def weighed_by_relations(self, points: Tensor, measured: JsonObject) -> "Findings":
        """Return points (n, *shape) for which matching labels are no evidence.

        Their identifications have no default threshold, so there is no verdict without reference
        models.
        """
        return Findings(
            points=points.cpu().numpy(),
            parameters=measured,
            discrimination=Discrimination.UNMEASURED,
            reason="answers to these points are weighed by an identification without default "
            "threshold; compare the value with those of models of known kind",
        )


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    """The points that a method found, and what it measured on the way."""

    points: FloatArray
    """(n, *shape) float32 within the owner's input domain, best first or in random order, so that
    the first k are a fair fingerprint of k points."""
    parameters: Mapping[str, Json]
    discrimination: Discrimination
    reason: str
    """One line: the measurement behind `discrimination`."""
    families: Mapping[str, FloatArray] = field(default_factory=dict)
    """Points of other families; empty: the usual ones, controls and the owner's mistakes."""


@dataclass(frozen=True, slots=True)
class Method:
    """One way to find points: the public object of its file."""

    # Any: each method has a settings class of its own, and `find` takes only that class.
    find: Callable[[Request, Any], Findings]
    """Finds points for a request, with an instance of `settings`."""
    settings: Callable[[], Any]
    """A frozen dataclass whose defaults are the paper's numbers, or say where they come from."""
    paper: str
    needs: tuple[Need, ...] = ()
    lead: str = "label_similarity"
    """Name of the identification that the paper weighs answers with."""
    access: Access = Access.LABEL
    """The least that a suspect must reveal for that identification."""
    travels: bool = False
    """Whether the method honours `Request.ways`."""

    def __call__(self, request: Request) -> Findings:
        """Find up to `request.count` points.

        Raises:
            FingerprintError: Something needed is missing, a setting is unknown, or the owner
                yields too few usable points.
        """
        self._check_needs(request)
        settings = self._settings(request.options)
        found = self.find(request, settings)
        # The bundle keeps all settings, the defaults too: a later version may have other defaults.
        used = {name: _plain(value) for name, value in asdict(settings).items()}
        return replace(found, parameters={"settings": used, **found.parameters})

    def described(self) -> str:
        """Return one line with the settings that a user may change, and their defaults."""
        known = asdict(self.settings())
        single = [f"{k}={v}" for k, v in known.items() if isinstance(v, Setting)]
        return ", ".join(single) or "none"

    def _check_needs(self, request: Request) -> None:
        if self.needs and request.samples is None:
            raise FingerprintError(f"this method needs {' and '.join(self.needs)}; add --samples")
        if Need.TWINS in self.needs and not request.twins:
            raise FingerprintError("this method needs twins; add --twins FOLDER")
        # Refused rather than ignored: the bundle would promise robustness that nobody made.
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
            # Settings that are tuples (DeepCore's levels) can't be changed on the command line,
            # where a comma separates one setting from the next.
            if not isinstance(known.get(name), Setting):
                single = [key for key in known if isinstance(known[key], Setting)]
                raise FingerprintError(f"no setting {name!r}; there are: {', '.join(single)}")
            changes[name] = _like(known[name], name, text)
        return replace(defaults, **changes)


def _like(default: Setting, name: str, text: str) -> Setting:
    """Convert a text to the type of the setting's default value."""
    try:
        return type(default)(text)
    except ValueError as error:
        kind = "a whole number" if isinstance(default, int) else "a number"
        raise FingerprintError(f"setting {name!r} wants {kind}, got {text!r}") from error


def _plain(value: Json) -> Json:
    # JSON has no tuples; without this a bundle read back would differ from the one written.
    return list(value) if isinstance(value, tuple) else value
