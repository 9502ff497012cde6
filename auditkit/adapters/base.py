"""What an adapter is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from auditkit.core.arrays import FloatArray
from auditkit.core.errors import SuspectLoadError
from auditkit.core.points import InputSpec
from auditkit.core.requests import Options

LARGEST_FILE = 8 << 30


AT_ONCE = 100
"""Points that a model in this process is asked at once."""


LANES = 8
"""Questions under way at once that what lies elsewhere bears."""


class Adapter(Protocol):
    """One suspect, able to answer. It is never trusted: the caller checks every reply."""

    digest: str | None
    """`sha256:…` of what answers; None where that can't be hashed."""
    identity: str
    """What answers, and how it is asked: with the point, the key to an answer. No secrets."""
    runtime: Mapping[str, str]
    """What ran where, for the report. No secrets."""
    batch: int
    """Points to ask at once, at first; fewer are asked of who refuses."""
    lanes: int
    """Questions that may be under way at once, each in a thread; 1: it is not made for more."""

    def __init__(self, source: str, spec: InputSpec, options: Options) -> None:
        """Open the suspect.

        Raises:
            SuspectLoadError: It can't be opened.
            SuspectMismatchError: It takes other inputs than the points.
        """

    def answer(self, points: FloatArray) -> NDArray[Any]:
        """(b, *spec.shape) float32 in the spec's bounds -> (b, classes) scores or (b,) labels.

        Raises:
            TransientError: The suspect failed for the moment.
            BatchError: It refused so many at once.
            QueryError: It failed for good.
        """

    def close(self) -> None:
        """Let go of everything; a second call does nothing."""


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
        raise SuspectLoadError(f"{source!r} can't be read: {one_line(error)}") from error


def one_line(error: BaseException) -> str:
    """The first line of a foreign message, cut to 200 characters."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__
