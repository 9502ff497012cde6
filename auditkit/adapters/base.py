"""The interface that every adapter implements: a way to query one kind of suspect.

An adapter opens a suspect, describes the inputs that the suspect takes in a `Port`, and maps a
batch of such inputs to scores or labels. Everything else is done once for all adapters, in
`auditkit.suspects`: arranging points as batches, padding, retries, concurrent requests, and turning
exceptions of foreign code into auditkit's errors.
"""

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from auditkit.adapters.reasons import no_model
from auditkit.core.arrays import DType, Rows
from auditkit.core.errors import SuspectLoadError
from auditkit.core.requests import Options
from auditkit.core.weights import Layer

# A file is read into memory as a whole, so that the bytes that are hashed are the bytes that run.
LARGEST_FILE = 8 << 30
"""Size in bytes of the largest model file that is opened."""
FLOAT32 = np.dtype(np.float32)
# Not measured: enough to spread the cost of a call, few enough for images to fit into memory. A
# batch that does not fit is halved.
AT_ONCE = 100
"""Default number of points in one batch for a model that runs in this process."""
# With 8 requests of one point each, a server that takes 20 ms is asked at 94 to 97 % of the rate of
# a bare httpx loop (docs/remote.md).
CONCURRENT = 8
"""Default number of concurrent requests to a remote suspect."""

Outputs = Mapping[str, Rows]
"""Everything that a model returned, by name."""
Object = Any
"""A suspect as a user of Python has it: nothing is known of it until it is looked at."""
Shape = tuple[int | None, ...]
"""Shape of one input without the batch axis; None for an axis of any size."""


@dataclass(frozen=True, slots=True)
class Axes:
    """A declared input, told apart into its points and one of them."""

    shape: Shape
    """Shape of one input."""
    batch: int | None
    """How many points it takes; None for any number."""
    batch_axis: int
    """Which axis counts the points: the first, or the only one of any size."""

    @classmethod
    def of(cls, sizes: Sequence[int | None]) -> "Axes":
        """Return the axes of a declared shape; None for an axis of any size."""
        free = [axis for axis, size in enumerate(sizes) if size is None]
        batch = free[0] if len(free) == 1 else 0
        shape = tuple(size for axis, size in enumerate(sizes) if axis != batch)
        return cls(shape, sizes[batch], batch)


class Values(enum.StrEnum):
    """The scale of the numbers in a batch."""

    OWNER = "owner"
    """Normalised as for the owner's model; pixels 0 to 255 if the suspect takes uint8."""
    UNIT = "0..1"
    """Points scaled from the bounds of the bundle's input specification to 0..1."""
    PIXELS = "0..255"
    """Pixels 0 to 255 as uint8; for images only."""
    POINTS = "points"
    """Points unchanged, for suspects that look them up by their digest (recorded answers)."""


@dataclass(frozen=True, slots=True)
class Port:
    """What inputs one opened suspect takes, and in how large and how many requests."""

    identity: str
    """Names the suspect and the way it is queried. The journal finds an answer by this and the
    point, and keeps it on disk: it must hold no secrets."""
    digest: str | None = None
    """`sha256:…` of the suspect's file; None for suspects without one, such as APIs."""
    shape: Shape | None = None
    """Shape of one input; None if the suspect does not declare it: points then keep the owner's."""
    dtype: DType | None = FLOAT32
    """Number type of an input; None if the suspect declares nothing: types and layouts are tried
    until it answers, the owner's first."""
    values: Values = Values.OWNER
    channels_last: bool = False
    """Whether channels come last if `shape` does not tell."""
    fits_any_size: bool = False
    """Whether points are resized to `shape` even without `--resize`, because the user wrote it."""
    batch: int | None = None
    """Exact number of points in every batch; None if any number is taken."""
    batch_axis: int = 0
    """Which axis of an input counts the points; `shape` leaves it out."""
    at_once: int = AT_ONCE
    """Largest number of points in one request; halved whenever the suspect refuses a batch."""
    local: bool = False
    """Whether the suspect runs in this process: a batch that fails, for whatever reason, is then
    tried in other sizes."""
    largest_request: int | None = None
    """Largest size of one request in bytes, counting 4 for each number; None for no such limit."""
    concurrency: int = 1
    """Largest number of concurrent requests, each in its own thread; 1 if `answer` is not
    thread-safe."""
    answers: bool = True
    """Whether it can be asked; a file of weights alone can't."""


class Adapter(Protocol):
    """One opened suspect. Its replies are not trusted: `auditkit.suspects` checks every one."""

    @property
    def port(self) -> Port:
        """What inputs the suspect takes."""

    @property
    def runtime(self) -> Mapping[str, str]:
        """Versions, device and protocol, for the report; must hold no secrets."""

    def answer(self, batch: Rows) -> Rows | Outputs:
        """Query the suspect about one batch.

        Args:
            batch: (b, *port.shape) array of `port.dtype`, with the b points along
                `port.batch_axis`.

        Returns:
            (b, classes) scores, i.e. logits or probabilities, or (b,) labels; or all outputs of the
            model, of which auditkit finds those that are answers.

        Raises:
            TransientError: The suspect can't answer now, but may later. ConnectionError and
                TimeoutError are treated alike.
            BatchError: The suspect refuses the batch; a smaller one may pass.
            Exception: The suspect can't answer.
        """

    def close(self) -> None:
        """Release memory, threads and connections; a second call does nothing."""


@runtime_checkable
class HasWeights(Protocol):
    """What an adapter can do besides, where its suspect is a file: show the weights."""

    def weights(self) -> tuple[Layer, ...]:
        """Return the layers of the very bytes that were hashed, inputs first; before `close`.

        Returns:
            Weight tensors of two or more axes; none where the file has none that can be read.

        Raises:
            SuspectError: The weights can't be told.
        """


def weights_of(adapter: Adapter) -> tuple[Layer, ...]:
    """Return the layers of an opened suspect; none of one that does not show them.

    Raises:
        SuspectError: The weights can't be told.
    """
    return adapter.weights() if isinstance(adapter, HasWeights) else ()


def _not_held(_given: Object, name: str) -> Adapter:
    raise SuspectLoadError(f"{name!r} can't be asked as an object; give its path or address")


@dataclass(frozen=True, slots=True)
class Kind:
    """An adapter plug-in: how to open one kind of suspect, and which names belong to it."""

    open: Callable[[str, Options], Adapter]
    """Opens the suspect that `Suspect.source` names. It may raise anything: what is no
    auditkit error becomes a SuspectLoadError in `open_suspect`."""
    suffixes: tuple[str, ...] = ()
    """File suffixes of this kind in lower case, with the dot."""
    addresses: tuple[str, ...] = ()
    """Regular expressions for addresses of this kind, matched at the beginning."""
    alias: str = ""
    """A second prefix beside the plug-in's name, such as `python` in `python:module:function`."""
    remote: bool = False
    """Whether suspects of this kind are reached over a network; their answers are journalled."""
    prepare: Callable[[str], None] = lambda _source: None
    """Loads what opening a suspect of this name needs, before its process is shut off from files.
    It may be told the suffix alone."""
    prepare_many: Callable[[], None] = lambda: None
    """Loads what only some suspects need and takes long, before a second suspect is opened."""
    runs_code: bool = False
    """Whether a file can run code of its author when it is opened; it is then opened behind walls
    only."""
    recorded: bool = False
    """Whether a file holds answers and no model. Such files are often something else, so that a
    folder of models names none."""
    own_code: bool = False
    """Whether the auditor wrote what answers; it runs in a process of its own without walls."""
    live: bool = False
    """Whether the suspect is an object of this process and no name; it is asked right here."""
    takes: Callable[[Object], bool] = lambda _given: False
    """Whether an object of this process is a suspect of this kind; it imports nothing."""
    hold: Callable[[Object, str], Adapter] = _not_held
    """Returns the adapter of an object that `takes` takes, and of its name."""
    reads_beside: bool = False
    """Whether a file names others in its folder that belong to it."""
    same_for_all: bool = False
    """Whether opening takes no notice of `Options.classes` and `Options.points`, so that a suspect
    that is open can be asked for one bundle after the other."""


def read_file(source: str) -> bytes:
    """Read a suspect's file as a whole.

    Raises:
        SuspectLoadError: The file is missing, empty, a folder, unreadable, above `LARGEST_FILE`, or
            something else than its name says, such as a web page.
    """
    path = Path(source)
    try:
        if path.is_dir():
            raise SuspectLoadError(f"{source!r} is a folder, wanted a model file")
        size = path.stat().st_size
        if not 0 < size <= LARGEST_FILE:
            raise SuspectLoadError(f"{source!r} has {size} bytes; wanted a model file")
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise SuspectLoadError(f"no such file: {source!r}") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the name
        raise SuspectLoadError(f"{source!r} can't be read: {error}") from error
    wrong = no_model(data)
    if wrong is not None:
        raise SuspectLoadError(f"{source!r} {wrong}")
    return data
