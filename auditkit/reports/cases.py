"""What every report for people says of one suspect, whichever format shows it."""

from collections.abc import Iterator
from dataclasses import dataclass

from auditkit.core.escape import clean
from auditkit.core.verdicts import Decision, Outcome, Refusal, Verdict
from auditkit.reports.advice import next_steps
from auditkit.reports.base import Compared, Corrected, Report
from auditkit.reports.headlines import Words, words_for
from auditkit.reports.wording import sentence

NAME = 400
"""Most characters of a name; the digest beside it says which file it was."""


@dataclass(frozen=True, slots=True)
class Case:
    """One suspect of a report, with its words. All texts are free of invisible characters."""

    number: int
    """Its place in the report, from 1."""
    outcome: Outcome
    words: Words
    name: str
    digest: str
    """`sha256:…`; empty where what answers can't be hashed, or never answered."""
    reason: str
    """Why the verdict is what it is; never cut."""
    code: str
    sure: str
    """In one sentence: how often such a verdict is wrong."""
    excludes: str
    """In one sentence: which kinds of copies an acquittal excludes; empty where nothing is."""
    steps: tuple[str, ...]
    """What to do next."""
    corrected: Corrected | None
    compared: Compared | None

    @property
    def verdict(self) -> Verdict | None:
        """The verdict; None for a suspect that was refused."""
        return None if isinstance(self.outcome, Refusal) else self.outcome

    @property
    def kind(self) -> str:
        """`pirated`, `homologous`, `inconclusive` or `refused`."""
        return "refused" if self.verdict is None else str(self.verdict.decision)


def whole(text: str) -> str:
    """Return a text of any length without invisible characters; nothing is cut."""
    # A character becomes at most ten, and NFC makes at most three of one.
    return clean(text, 30 * len(text) + 2)


def cases(report: Report) -> Iterator[Case]:
    """Yield the suspects of a report in its order."""
    for place, outcome in enumerate(report.outcomes):
        name, digest, reason, code = _facts(outcome)
        yield Case(
            number=place + 1,
            outcome=outcome,
            words=words_for(outcome),
            name=clean(name, NAME),
            digest=clean(digest, NAME),
            reason=whole(reason),
            code=clean(code, NAME),
            sure=_sure(report, outcome),
            excludes=_excludes(outcome),
            steps=tuple(next_steps(report, outcome)),
            corrected=report.corrected[place] if report.corrected else None,
            compared=report.compared[place] if report.compared else None,
        )


def _facts(outcome: Outcome) -> tuple[str, str, str, str]:
    """Return name, digest, reason and code."""
    if isinstance(outcome, Refusal):
        return outcome.suspect, "", outcome.reason, outcome.code
    suspect = outcome.suspect
    return suspect.name, suspect.digest or "", sentence(outcome.reason), outcome.reason.code


def _sure(report: Report, outcome: Outcome) -> str:
    if isinstance(outcome, Refusal):
        return "No verdict was reached, so there is nothing to be sure of."
    found = outcome.line_up
    if found is None or not outcome.calibrated:
        return "Uncalibrated: no error rate is known for this verdict."
    return (
        f"Calibrated by {found.twins} twins. Of suspects made without the owner's model, a share "
        f"of {found.p:.2g} would put the owner in such a place (exact), and {found.p_gap:.1g} "
        "would let it stand out so far (Student's t, an approximation); "
        f"{report.bundle.line_up.level:.1g} or less is an accusation."
    )


def _excludes(outcome: Outcome) -> str:
    if isinstance(outcome, Refusal) or outcome.decision is not Decision.HOMOLOGOUS:
        return ""
    found = outcome.line_up
    if found is None:
        return "It excludes what its reason names, and no other kind of copy."
    excluded = ", ".join(map(whole, found.excluded)) or "none"
    others = ", ".join(map(whole, (*found.unseen, *found.unmeasured))) or "those not measured"
    return f"Kinds of copies excluded: {excluded}. Not excluded: {others}."
