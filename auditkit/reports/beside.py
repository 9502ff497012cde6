"""What reports for people show of bundle and answers together, gathered one suspect at a time."""

from dataclasses import dataclass, field

from auditkit.core.evidence import Evidence
from auditkit.core.verdicts import Outcome, Refusal
from auditkit.files.bundle import Bundle
from auditkit.reports.base import Compared, Lineage, Member
from auditkit.reports.comparing import compared
from auditkit.reports.lineage import Voice, lineage, voice


@dataclass(slots=True)
class Beside:
    """Gathers what bundle and answers show side by side."""

    bundle: Bundle
    pictures: bool = False
    """Whether core points are shown as pictures."""
    compared: list[Compared | None] = field(default_factory=list)
    """One entry for each suspect that was added."""
    _voices: list[Voice | None] = field(default_factory=list)

    def add(self, outcome: Outcome, evidence: Evidence | None) -> None:
        """Take the next suspect of the report; None: it has no answers."""
        if evidence is None:
            self.compared.append(None)
            self._voices.append(None)
            return
        number = len(self.compared) + 1
        if isinstance(outcome, Refusal):
            member = Member(outcome.suspect, "refused", number)
        else:
            member = Member(outcome.suspect.name, str(outcome.decision), number)
        self.compared.append(compared(self.bundle, evidence, pictures=self.pictures))
        self._voices.append(voice(self.bundle, member, evidence))

    def lineage(self) -> Lineage | None:
        """Return which suspects answer alike; None if fewer than two can be compared."""
        return lineage(self.bundle, self._voices)
