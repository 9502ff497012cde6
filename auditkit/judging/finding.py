"""A decision with its reason."""

from dataclasses import dataclass

from auditkit.core.verdicts import Decision, Reason


@dataclass(frozen=True, slots=True)
class Finding:
    """A decision and why it was reached."""

    decision: Decision
    reason: Reason
    doubted: bool = False
    """Whether something kept the answers from being weighed at all."""
