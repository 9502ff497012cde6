"""How far a suspect behind an address may be reached for, and what goes along."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


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
