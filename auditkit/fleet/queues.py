"""Where the suspects of a scan wait for their turn."""

from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field

from auditkit.core.errors import AuditkitError
from auditkit.fleet.identity import Identity


@dataclass(slots=True, eq=False)
class Job:
    """A content that has pairs without a verdict."""

    identity: Identity
    missing: list[int]
    """Places of the bundles whose verdicts are missing."""
    claimed: tuple[int, ...] = ()
    """Those of them that this scan has claimed."""
    lost: int = 0
    """How many workers it has cost."""
    stale: bool = False
    """Whether its file has changed since its content was found out."""
    refusal: AuditkitError | None = None
    """Why nobody opens it any more; None: it is to be examined."""


@dataclass(slots=True, eq=False)
class Queues:
    """Where suspects wait."""

    names: deque[str] = field(default_factory=deque)
    """Their content is not known yet."""
    looked: deque[Future[Identity]] = field(default_factory=deque)
    """It is being found out."""
    ready: deque[Job] = field(default_factory=deque)
    """A worker may take them."""
    elsewhere: list[Job] = field(default_factory=list)
    """Another scan has claimed what is missing."""
    running: dict[int, Job] = field(default_factory=dict)
    """Workers are at them, by the number of the task."""

    @property
    def are_empty(self) -> bool:
        """Whether nobody waits."""
        return not (self.names or self.looked or self.ready or self.elsewhere or self.running)
