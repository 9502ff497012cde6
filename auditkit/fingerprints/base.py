"""What a fingerprint method gets and gives."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from auditkit.types import Discrimination, FloatArray

if TYPE_CHECKING:
    from auditkit.owner.domain import Owner
    from auditkit.owner.samples import Samples
    from auditkit.owner.standins import StandIn

Progress = Callable[[str, int, int], None]
"""Called with a stage's name, how much of it is done, and of how much."""


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """What to make points for."""

    owner: "Owner"
    samples: "Samples | None"
    strangers: tuple["StandIn", ...]  # empty without samples
    count: int
    seed: int
    progress: Progress


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    """Points that a method found, and what it measured on the way."""

    points: FloatArray  # (n, *shape), within the owner's input domain
    parameters: Mapping[str, Any]  # JSON values
    discrimination: Discrimination
    reason: str


class Method(Protocol):
    """One way to find points."""

    def __call__(self, request: Request) -> Findings:
        """Find up to `request.count` points.

        Raises:
            FingerprintError: The owner yields too few usable points.
        """
