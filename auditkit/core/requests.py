"""What an owner asks for when a fingerprint is made; free of torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from auditkit.core.access import Access
from auditkit.core.errors import FingerprintError


@dataclass(frozen=True, slots=True)
class Reach:
    """Nothing of this is taken from the surroundings: no proxy, netrc or redirect is followed."""

    headers: Mapping[str, str] = field(default_factory=dict)
    """Sent with each request; secrets as `${NAME}` of the environment, or `${file:PATH}`."""
    allow_http: bool = False
    """Whether an address beyond this machine may be asked without encryption."""
    allow_private: bool = False
    """Whether an address of a private network may be asked."""
    timeout: float = 30.0
    """Seconds that one reply may take, from the first byte sent to the last received."""
    proxy: str | None = None
    """Address of a proxy that all requests go through."""
    authorities: Path | None = None
    """A PEM file of certificate authorities to trust instead of the system's."""
    largest_reply: int = 16 << 20
    """Bytes of the largest reply that is read."""


@dataclass(frozen=True, slots=True)
class Options:
    """How suspects are asked."""

    device: str = "auto"
    """`auto`, `cpu`, `cuda` or `cuda:N`."""
    resize: bool = False
    """Whether points may be resized to what a suspect takes."""
    classes: int | None = None
    """How many the owner knows; for replies that list only the best."""
    trust_torch: bool = False
    """Whether the authors of TorchScript and .pt2 files may run code here; opening such a file can
    run commands that its author put into it."""
    reach: Reach = field(default_factory=Reach)
    """How far what lies behind an address may be reached for."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How a suspect is treated that is slow, busy or paid for."""

    budget: int | None = None
    """Points sent to it at most, over all audits in one journal, repeated and failed ones too."""
    rate: float | None = None
    """Requests a second at most."""
    lanes: int = 8
    """Requests under way at once at most; an adapter may bear fewer."""
    longest: float = 120.0
    """Seconds for which one request is tried again before it counts as failed."""


@dataclass(frozen=True, slots=True)
class Asking:
    """How much is asked of each suspect."""

    access: Access = Access.LOGITS
    """No more than this is used of what it reveals."""
    options: Options = field(default_factory=Options)
    sequential: bool | None = None
    """Answers are looked at on the way, and the first look that decides is the last. None: where
    reference models carry that and the suspect lies behind an address."""
    patience: Patience = field(default_factory=Patience)
    journal: Path | None = None
    """File of everything asked and answered; a suspect that can be hashed is not put down."""


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
    siblings: int | None = None
    """Nets of the owner's architecture that are trained anew from the samples; 0: none; None: four
    where that doesn't take long."""

    def __post_init__(self) -> None:
        if self.shadows is not None and self.points < FEWEST_SHADOWED:
            raise FingerprintError(
                f"--points wants {FEWEST_SHADOWED} or more with --shadows, half of them core "
                f"points, got {self.points}"
            )
        if self.siblings is not None and self.siblings < 0:
            raise FingerprintError(f"--siblings wants 0 or more, got {self.siblings}")
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
