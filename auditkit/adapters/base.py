"""What an adapter is: a way to ask one kind of suspect.

An adapter opens a suspect, says in its `Port` what the suspect takes, and maps batches of that to
rows. Everything else happens once, above all adapters (`auditkit.suspects`): how points become
batches, padding, retries, several questions at once, and what a stranger's code raises.
"""

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from auditkit.core.arrays import DType, Rows
from auditkit.core.errors import SuspectLoadError
from auditkit.core.requests import Options

LARGEST_FILE = 8 << 30
FLOAT32 = np.dtype(np.float32)
AT_ONCE = 100
"""Points that a model in this process is asked at once."""
CONCURRENT = 8
"""Default number of concurrent requests to a remote suspect."""

Shape = tuple[int | None, ...]
"""Sizes of one input without the batch axis; None where any size will do."""


class Values(enum.StrEnum):
    """What the numbers of a batch are."""

    OWNER = "owner"
    """What the owner's model takes: points after its normalisation; uint8 gets pixels, 0 to 255."""
    UNIT = "0..1"
    """Points scaled from the bundle's bounds to 0..1."""
    PIXELS = "0..255"
    """Pixels as uint8; only images can be asked so."""
    POINTS = "points"
    """Points as they lie in the bundle, for suspects that recognise them."""


@dataclass(frozen=True, slots=True)
class Port:
    """What one opened suspect takes, and how it wants to be asked."""

    identity: str
    """What answers, and how it is asked: with the point, the key to an answer. No secrets."""
    digest: str | None = None
    """`sha256:…` of what answers; None where that can't be hashed."""
    shape: Shape | None = None
    """Of one input; None: it does not say, and is asked as the owner is."""
    dtype: DType = FLOAT32
    values: Values = Values.OWNER
    channels_last: bool = False
    """Whether channels come last where the shape does not tell."""
    fits_any_size: bool = False
    """Whether `shape` was given by hand, so that points are resized to it without being asked."""
    batch: int | None = None
    """The number of points that every batch must have; None: any."""
    at_once: int = AT_ONCE
    """Points to ask at once, at first; fewer are asked of a suspect that refuses."""
    largest_request: int | None = None
    """Bytes of numbers in one request at first; None: no limit but `at_once`."""
    concurrency: int = 1
    """Requests that may be under way at once, each in a thread; 1: it is not made for more."""


class Adapter(Protocol):
    """One opened suspect. It is never trusted: whoever asks it checks every reply."""

    @property
    def port(self) -> Port:
        """What the suspect takes."""

    @property
    def runtime(self) -> Mapping[str, str]:
        """What ran where, for the report. No secrets."""

    def answer(self, batch: Rows) -> Rows:
        """(b, *port.shape) of `port.dtype` -> (b, classes) scores or (b,) labels.

        Raises:
            TransientError: The suspect failed for the moment; so do ConnectionError, TimeoutError.
            BatchError: It refused so many at once.
            Exception: It failed for good.
        """

    def close(self) -> None:
        """Let go of everything; a second call does nothing."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A plug-in: one kind of suspect, and how users name suspects of this kind."""

    open: Callable[[str, Options], Adapter]
    """Opens a suspect; may raise anything, which becomes a refusal."""
    suffixes: tuple[str, ...] = ()
    """Endings of files of this kind, lower case, with their dot."""
    addresses: tuple[str, ...] = ()
    """Regular expressions that the addresses of this kind begin with."""
    alias: str = ""
    """Another name before the colon than the plug-in's own, as in `python:module:function`."""
    remote: bool = False
    """Whether suspects of this kind answer from elsewhere: their answers are kept in a journal."""


def read_file(source: str) -> bytes:
    """A suspect file's bytes.

    Raises:
        SuspectLoadError: It is missing, empty, a folder, too large or not readable.
    """
    path = Path(source)
    try:
        if path.is_dir():
            raise SuspectLoadError(f"{source!r} is a folder, wanted a model file")
        size = path.stat().st_size
        if not 0 < size <= LARGEST_FILE:
            raise SuspectLoadError(f"{source!r} has {size} bytes; wanted a model file")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise SuspectLoadError(f"no such file: {source!r}") from error
    except (OSError, ValueError) as error:
        raise SuspectLoadError(f"{source!r} can't be read: {error}") from error
