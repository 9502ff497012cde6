"""Everything that a suspect said."""

from collections.abc import Mapping
from dataclasses import dataclass

from auditkit.core.access import Access
from auditkit.core.answers import Answers
from auditkit.core.models import SuspectRecord


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Everything a suspect said: enough to judge again without it."""

    suspect: SuspectRecord
    bundle_digest: str
    access: Access
    classes: int | None  # how many the suspect knows; None where labels alone don't tell
    answers: Mapping[str, Answers]  # by family
    notes: tuple[str, ...] = ()  # one line each: what a reader must know about the asking
    asked: int | None = None  # so many points in the order of asking; None: all, looked at once
    spent: int | None = None  # how many different points were asked; None: all
    disguises: tuple[str, ...] = ()  # one line each: what was undone before comparing
    repeated: int = 0  # how many points were asked twice
    changed: int = 0  # how many of those got another label

    def __post_init__(self) -> None:
        for name, answers in self.answers.items():
            if answers.scores is not None and answers.scores.shape[1] != self.classes:
                raise ValueError(
                    f"scores of {name!r} are for {answers.scores.shape[1]} classes, "
                    f"the suspect knows {self.classes}"
                )

    @property
    def queries(self) -> int:
        """How many different points were asked."""
        if self.spent is not None:
            return self.spent
        return sum(len(answers.labels) for answers in self.answers.values())
