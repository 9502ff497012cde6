"""What is known of who stands behind a bundle, and since when it exists."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Commitment:
    """The signature and the time stamps beside a bundle."""

    key: str = ""
    """`sha256:…`, the fingerprint of the public key; empty: the bundle is not signed."""
    known: bool = False
    """Whether that is the key that the reader gave; otherwise anybody may have signed."""
    since: str = ""
    """The earliest time, ISO 8601 UTC, at which a time stamp shows that it existed; empty: none."""
    authority: str = ""
    """Who gave that time stamp, as its certificate names it."""
    unchecked: int = 0
    """Time stamps that lie beside it and were not checked."""

    def told(self) -> tuple[str, str]:
        """Return two sentences: who stands behind the bundle, and since when it exists."""
        if not self.key:
            return (
                "The bundle is not signed: nothing shows who made it.",
                "Nothing shows when it was made; it may be younger than the suspect.",
            )
        whose = "the key that was given" if self.known else "a key that was compared with no other"
        return f"The bundle is signed by {self.key}, {whose}.", self.stamped()

    def stamped(self) -> str:
        """Return one sentence: since when what is signed exists."""
        if self.since:
            return f"It existed by {self.since}, says the time stamp of {self.authority}."
        if self.unchecked:
            return (
                f"Its time stamps ({self.unchecked}) were not checked; give the certificate of who "
                "made them with --authority."
            )
        return "No time stamp shows when it was made; it may be younger than the suspect."
