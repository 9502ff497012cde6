"""What `auditkit.check` returns: the outcome of one suspect, for notebooks and programs."""

import io
import json
from dataclasses import dataclass, replace
from typing import Literal

from auditkit.core.arrays import JsonObject
from auditkit.core.escape import clean
from auditkit.core.evidence import Evidence
from auditkit.core.verdicts import Decision, Examination, Outcome, Refusal
from auditkit.reports.base import Report, Screen
from auditkit.reports.json import render_json
from auditkit.reports.wording import sentence

WIDTH = 100
"""Characters of a line where a result is printed or shown in a notebook."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Result:
    """What came of one suspect: a verdict, or the reason why there is none."""

    examination: Examination
    """The outcome with everything behind it, and the answers, which `auditkit.judge` judges."""
    report: Report
    """The report on all suspects that were checked together."""
    place: int = 0
    """Which of them this one is, from 0."""

    @property
    def suspect(self) -> str:
        """The suspect's name, without secrets."""
        return self.examination.suspect

    @property
    def outcome(self) -> Outcome:
        """The verdict, or the refusal of a suspect that could not be audited."""
        return self.examination.outcome

    @property
    def evidence(self) -> Evidence | None:
        """The suspect's answers; None if it gave none."""
        return self.examination.evidence

    @property
    def decision(self) -> Decision | Literal["refused"]:
        """`pirated`, `homologous` (independent), `inconclusive`, or `refused`: not audited."""
        outcome = self.outcome
        return "refused" if isinstance(outcome, Refusal) else outcome.decision

    @property
    def reason(self) -> str:
        """Why, in one sentence."""
        outcome = self.outcome
        return outcome.reason if isinstance(outcome, Refusal) else sentence(outcome.reason)

    def to_dict(self) -> JsonObject:
        """Return the suspect's entry of the JSON report (docs/report.md)."""
        found: JsonObject = json.loads(render_json(self.report, Screen()))["suspects"][self.place]
        return found

    def __bool__(self) -> bool:
        raise TypeError("a result has more values than two: compare its `decision`")

    def __repr__(self) -> str:
        return f"<{self.decision}: {clean(self.suspect)}; {clean(self.reason, 100)}>"

    def text(self) -> str:
        """Return the report for people on this suspect, in lines of 100 characters at most."""
        return self._alone_on(_Page()).text()

    def _repr_html_(self) -> str:
        return self._alone_on(_Page()).html()

    def _alone_on(self, page: "_Page") -> "_Page":
        """Write the report for people on this suspect alone."""
        corrected = self.report.corrected[self.place : self.place + 1]
        page.write(replace(self.report, outcomes=(self.outcome,), corrected=corrected))
        return page


class _Page:
    """The report for people, as rich keeps it."""

    def __init__(self) -> None:
        from rich.console import Console  # takes long to load, and is needed to show results only

        self._console = Console(
            file=io.StringIO(), width=WIDTH, record=True, highlight=False, markup=False, emoji=False
        )

    def write(self, shown: Report) -> None:
        from auditkit.reports.terminal import renderables

        for part in renderables(shown):
            self._console.print(part)

    def text(self) -> str:
        lines = self._console.export_text().splitlines()
        return "".join(f"{line.rstrip()}\n" for line in lines)

    def html(self) -> str:
        form = '<pre style="line-height:1.2;font-family:monospace">{code}</pre>'
        return self._console.export_html(inline_styles=True, code_format=form)
