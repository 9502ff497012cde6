"""What an owner asks for when a fingerprint is made; free of torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from auditkit.errors import FingerprintError

ROBUST = ("jpeg", "resize")
FEWEST_SHADOWED = 40
"""Points, where shadow models choose half of them."""


@dataclass(frozen=True, slots=True)
class InputFacts:
    """What the user says of the model's input; None or empty: nothing."""

    shape: tuple[int, ...] | None = None
    range: tuple[float, float] | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Order:
    """Which model, with what, how many points."""

    model: str
    """A `.pt2` or TorchScript file, or `package.module:factory`."""
    weights: Path | None = None
    samples: Path | None = None
    method: str = "deepcore"
    points: int = 100
    seed: int = 0
    device: str = "auto"
    facts: InputFacts = field(default_factory=InputFacts)
    shadows: Path | None = None
    """Folder of models of known kind that help to choose points."""
    robust: tuple[str, ...] = ()
    """Of `ROBUST`: what core points are to survive on their way."""

    def __post_init__(self) -> None:
        if self.shadows is not None and self.points < FEWEST_SHADOWED:
            raise FingerprintError(
                f"--points wants {FEWEST_SHADOWED} or more with --shadows, half of them core "
                f"points, got {self.points}"
            )
        odd = [name for name in self.robust if name not in ROBUST]
        if odd or len(set(self.robust)) < len(self.robust):
            got = ",".join(self.robust)
            raise FingerprintError(f"--robust wants some of {', '.join(ROBUST)}, got {got!r}")


def split_method(text: str) -> tuple[str, Mapping[str, str]]:
    """`name` or `name:setting=value,…` -> the method's name and its settings as texts.

    Raises:
        FingerprintError: A setting without `=`.
    """
    name, _, rest = text.partition(":")
    pairs = [pair.partition("=") for pair in rest.split(",") if pair]
    for key, sign, _ in pairs:
        if not key or not sign:
            raise FingerprintError(f"--method wants name:setting=value,…, got {text!r}")
    return name, {key: value for key, _, value in pairs}


@dataclass(frozen=True, slots=True)
class ReferencePlan:
    """How many reference models are trained, and how long."""

    homologous: int = 99
    """Independent models and copies of independent models."""
    pirated: int = 20
    """Copies of the owner."""
    epochs: int = 8
    """Passes over the data of a model that is trained from scratch."""
    attacks: tuple[str, ...] = ()
    """What thieves do, by name; empty: all that the owner's weights allow."""


@dataclass(frozen=True, slots=True)
class ShadowPlan:
    """How many shadow models are trained, and how long."""

    independent: int = 30
    """Models that never saw the owner, a third of them students of other models."""
    students: int = 36
    """Copies that learn from the owner's answers."""
    modified: int = 12
    """Copies of the owner's weights; half as many are made of other models' weights."""
    epochs: int = 8
    """Passes over the data of a model that is trained from scratch."""
