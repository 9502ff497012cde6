"""What users ask for: a fingerprint, models to train, an audit. Nothing here needs torch."""

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from auditkit.core.access import Access
from auditkit.core.arrays import FloatArray
from auditkit.core.devices import check_device
from auditkit.core.errors import FingerprintError


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its reply, with secrets hidden."""

    address: str
    sent: bytes
    sent_type: str
    status: int
    said: bytes
    said_type: str


@dataclass(frozen=True, slots=True)
class Reach:
    """The network policy for suspects behind an address: TLS, private networks, proxies, limits.

    Nothing is taken from the environment: no proxy variable, no netrc, no redirect elsewhere.
    """

    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers of each request; a secret is written as `${NAME}` (environment) or `${file:PATH}`."""
    allow_http: bool = False
    """Whether another machine may be asked without encryption."""
    allow_private: bool = False
    """Whether machines of a private network may be asked."""
    timeout: float = 30.0
    """Seconds that one reply may take, from the first byte sent to the last received."""
    proxy: str | None = None
    """Address of a proxy for all requests; None: no proxy."""
    authorities: Path | None = None
    """A PEM file of certificate authorities to trust instead of the system's."""
    largest_reply: int = 16 << 20
    """Largest reply in bytes; a longer one is refused before it fills the memory."""
    witness: Callable[[Exchange], None] | None = None
    """Told each question that is posted, with the reply of any status; None: nobody is."""


class Isolation(enum.StrEnum):
    """Whether suspects that are files answer from a process of their own, behind walls."""

    AUTO = "auto"
    """Yes, behind those walls that this machine has; kinds of files that can run code of their
    authors are not opened where they don't hold."""
    REQUIRE = "require"
    """Yes, and nothing is opened unless every wall holds."""
    OFF = "off"
    """No. Kinds of files that can run code are not opened then."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a suspect that is a file may use."""

    seconds: float = 600.0
    """Longest time to open it and to answer everything."""
    memory: int | None = None
    """Most bytes of memory; None: half of what this machine has."""


@dataclass(frozen=True, slots=True)
class Options:
    """How suspects are opened."""

    device: str = "auto"
    """`auto`, `cpu`, `cuda` or `cuda:N`."""
    resize: bool = False
    """Whether points may be resized to what a suspect takes."""
    classes: int | None = None
    """How many classes the owner knows, for APIs that list only the best ones."""
    output: str = ""
    """Name of the output that is read of models with several; empty: all that could be the owner's
    are."""
    points: FloatArray | None = field(default=None, repr=False, compare=False)
    """The bundle's points in the order of `auditkit queries`, for recorded answers."""
    threads: int | None = None
    """Threads that an ONNX file computes with; None: as many as onnxruntime takes."""
    isolation: Isolation = Isolation.AUTO
    limits: Limits = field(default_factory=Limits)
    reach: Reach = field(default_factory=Reach)
    """The network policy for suspects behind an address."""

    def __post_init__(self) -> None:
        check_device(self.device)


@dataclass(frozen=True, slots=True)
class Patience:
    """Limits for suspects that are slow, busy or paid for."""

    budget: int | None = None
    """Largest number of points that are sent, over all audits in one journal; repeated and failed
    ones count. None: no limit."""
    rate: float | None = None
    """Largest number of requests a second; None: no limit."""
    lanes: int = 8
    """Largest number of concurrent requests; an adapter may allow fewer."""
    longest: float = 120.0
    """Seconds for which a failing request is tried again before it counts as failed."""
    tries: int = 3
    """How often a point is asked that gets replies without an answer."""


@dataclass(frozen=True, slots=True)
class Asking:
    """How suspects are audited."""

    access: Access = Access.LOGITS
    """No more than this is used of what a suspect reveals."""
    options: Options = field(default_factory=Options)
    sequential: bool | None = None
    """Whether the points are asked one by one until the answers decide. None: for suspects behind
    an address, if the bundle has twins to decide by."""
    thorough: bool | None = None
    """Whether the natural points are asked as well, thousands of them. None: of files, where they
    take less than a minute."""
    patience: Patience = field(default_factory=Patience)
    journal: Path | None = None
    """SQLite file of everything asked and answered. Not used for local files: their digest
    identifies them, and they can be asked anew at no cost."""
    key: Path | None = None
    """The auditor's private key: everything that is heard is kept in the evidence, and the journal
    is sealed with it. None: neither."""


ROBUST = ("jpeg", "resize")
"""What core points can be made to survive."""


@dataclass(frozen=True, slots=True)
class InputFacts:
    """What the user says about the model's input; None or empty where the user says nothing."""

    shape: tuple[int, ...] | None = None
    range: tuple[float, float] | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


def _settle(order: "Order", field_name: str, kind: type[str] | type[Path]) -> None:
    """Give a path the type that it has everywhere; users of Python write it as they like."""
    given = getattr(order, field_name)
    if isinstance(given, str | Path):
        object.__setattr__(order, field_name, kind(given))


@dataclass(frozen=True, slots=True)
class SampleForm:
    """What a user says of samples that are a folder of images."""

    classes: Path | None = None
    """A text file that names the model's classes, one a line, in the order of its outputs."""
    side: int | None = None
    """Pixels of a side to shrink and crop images to; None: they are of one size."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a fingerprint is made of, and how."""

    model: object
    """A `.pt2` or TorchScript file, `package.module:factory` or `file.py:Class`; or a
    torch.nn.Module."""
    weights: Path | None = None
    """None: a file holds them, or a factory brings its own."""
    samples: object = None
    """A path; or an array (n, …), a pair (x, y), a torch Dataset or DataLoader. None: there are
    none."""
    method: str = ""
    """Empty: `lineup` with twins, `deepcore` without."""
    points: int = 100
    seed: int = 0
    form: SampleForm = field(default_factory=SampleForm)
    device: str = "auto"
    facts: InputFacts = field(default_factory=InputFacts)
    robust: tuple[str, ...] = ()
    """What core points must survive on the way to a suspect: some of `ROBUST`."""
    from_scratch: bool = False
    """Whether the model was trained from random weights, and not tuned from a public model."""
    twins: tuple[Path, ...] = ()
    """Folders of `auditkit twins`, or model files; empty: there is no line-up."""
    head: str = ""
    """Which output is read of a model that returns several, by name or place."""
    siblings: int | None = None
    """Nets of the owner's architecture that are trained anew from the samples; 0: none; None: four
    where that doesn't take long."""
    minutes: float | None = None
    """Time after which the points found so far must do; None: as long as it takes."""
    unfinished: Path | None = None
    """Folder for parts of the bundle that took long, so that an interrupted run with the same order
    goes on where it was; None: nothing is kept."""

    def __post_init__(self) -> None:
        check_device(self.device)
        _settle(self, "model", str)
        _settle(self, "samples", Path)
        _settle(self, "weights", Path)
        twins = (self.twins,) if isinstance(self.twins, str | Path) else self.twins
        object.__setattr__(self, "twins", tuple(map(Path, twins)))
        if self.siblings is not None and self.siblings < 0:
            raise FingerprintError(f"--siblings wants 0 or more, got {self.siblings}")
        if self.minutes is not None and not self.minutes > 0:
            raise FingerprintError(f"--minutes wants more than 0, got {self.minutes:g}")
        odd = [name for name in self.robust if name not in ROBUST]
        if odd or len(set(self.robust)) < len(self.robust):
            got = ",".join(self.robust)
            raise FingerprintError(f"--robust wants some of {', '.join(ROBUST)}, got {got!r}")


@dataclass(frozen=True, slots=True)
class MethodChoice:
    """A fingerprint method and its settings, as the user wrote them."""

    name: str
    settings: Mapping[str, str]


def method_choice(text: str) -> MethodChoice:
    """Read `name` or `name:setting=value,…`.

    Raises:
        FingerprintError: A setting without `=`.
    """
    name, _, rest = text.partition(":")
    pairs = [pair.partition("=") for pair in rest.split(",") if pair]
    for key, sign, _ in pairs:
        if not key or not sign:
            raise FingerprintError(f"--method wants name:setting=value,…, got {text!r}")
    return MethodChoice(name, {key: value for key, _, value in pairs})


@dataclass(frozen=True, slots=True)
class ReferencePlan:
    """How many models of known kind are trained, and how long."""

    homologous: int = 99
    """Number of independent models; a third of them are copies of other independent models."""
    pirated: int = 20
    """Number of copies of the owner."""
    epochs: int = 8
    """Passes over the data for each model that is trained from scratch."""
    attacks: tuple[str, ...] = ()
    """The attacks that copies are made by; empty: all that the owner's weights allow."""


class Engine(enum.StrEnum):
    """What spreads work."""

    LOCAL = "local"
    """Processes of this machine."""
    RAY = "ray"
    """Tasks of a Ray cluster."""


@dataclass(frozen=True, slots=True)
class Machines:
    """Where work is done that can be spread."""

    engine: Engine = Engine.LOCAL
    address: str | None = None
    """`HOST:PORT` of the Ray cluster's head, or `auto` for the one that runs on this machine; None:
    that of RAY_ADDRESS, or else one of this machine that is started for the work."""
    gpus: float = 0.0
    """Cards that each task of a Ray cluster is given, 0 or more; several may share one."""


@dataclass(frozen=True, slots=True)
class TwinPlan:
    """How the owner's twins are trained: its own recipe again, with other random numbers."""

    count: int = 19
    """Number of twins; 19 carry 5 %, 99 carry 1 %."""
    epochs: int = 8
    """Passes over the data, where auditkit trains; the check of exchangeability tells whether the
    result is a twin."""
    train: str | Callable[[int], object] = ""
    """The owner's own training, a function or its name, `package.module:function`: called with a
    seed, it returns a module or the path of a model file. Empty: auditkit trains the owner's
    architecture."""
    start: Path | None = None
    """Weights of the public model that the owner was tuned from; None: fresh weights."""
    workers: int | None = 1
    """Processes that train at once, of one thread each; None: one for each core, or one on a card.
    A script that asks for more than one must be importable, as Python's multiprocessing wants.
    On a Ray cluster: tasks at once; None: as many as it has room for."""
    machines: Machines = Machines()
