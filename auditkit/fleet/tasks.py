"""What a scan and its workers tell each other, as pickles: both sides are auditkit's own."""

from dataclasses import dataclass
from pathlib import Path

from auditkit.core.commitment import Commitment
from auditkit.core.errors import AuditkitError
from auditkit.core.requests import Asking
from auditkit.fleet.book import Judged


@dataclass(frozen=True, slots=True)
class Bundled:
    """A bundle of a scan, which each worker reads when it needs it."""

    path: str
    digest: str
    owner: str
    """The name of the owner's model."""
    commitment: Commitment
    """Who stands behind it."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What a worker is told once."""

    bundles: tuple[Bundled, ...]
    asking: Asking
    journals: Path
    """Folder of the journals of suspects behind an address, one for each."""
    process: int
    """The scan's; a worker ends with it."""


@dataclass(frozen=True, slots=True)
class Task:
    """One suspect to examine."""

    number: int
    suspect: str
    bundles: tuple[int, ...]
    """Places of the bundles in the setup."""
    seconds: float | None = None
    """Longest silence before the worker counts as hung; None: any."""
    refusal: AuditkitError | None = None
    """Why nobody is to open it any more; None: it is to be examined."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker has started."""


@dataclass(frozen=True, slots=True)
class Said:
    """What came of one pair."""

    number: int
    bundle: int
    judged: Judged
    digest: str | None
    """The digest of the file that was examined; None of what has none, or was refused."""


@dataclass(frozen=True, slots=True)
class Done:
    """A task has ended; what came of each pair was said before."""

    number: int


@dataclass(frozen=True, slots=True)
class Lost:
    """A worker ended in the middle of a task, or hung."""

    number: int
    why: str
    hung: bool


Event = Said | Done | Lost
"""What a scan hears of a task."""


@dataclass(frozen=True, slots=True)
class Broken:
    """The scan can't go on."""

    why: str
