"""What the words of the report for people mean; only those that a report uses are explained."""

from collections.abc import Iterator

from auditkit.core.points import CONTROL, CORE, MISTAKE
from auditkit.core.verdicts import Decision, Verdict
from auditkit.reports.base import Report

Entry = tuple[str, str]
"""A word and its meaning."""


def words(report: Report) -> Iterator[Entry]:
    """Yield the words that a report uses, with what they mean."""
    verdicts = [outcome for outcome in report.outcomes if isinstance(outcome, Verdict)]
    lined_up = any(verdict.line_up is not None for verdict in verdicts)
    yield "verdict", "what the suspect's answers, or a file's weights, support; no proof of theft"
    yield from _decisions(verdicts)
    yield from _points(report)
    if lined_up:
        yield from LINED_UP
    elif verdicts:
        yield from THRESHOLDS


def _decisions(verdicts: list[Verdict]) -> Iterator[Entry]:
    found = {verdict.decision for verdict in verdicts}
    if Decision.PIRATED in found:
        yield "pirated", "derived from the owner's model: fine-tuned, pruned, quantised, …"
    if Decision.HOMOLOGOUS in found:
        yield (
            "independent (homologous)",
            "trained by others on similar data; innocent of the copies that are named as excluded",
        )
    if Decision.INCONCLUSIVE in found:
        yield "inconclusive", "the answers support neither; it is no acquittal"


def _points(report: Report) -> Iterator[Entry]:
    for family, meaning in (
        (CORE, "inputs on which the owner and its copies agree and independent models do not"),
        (CONTROL, "natural inputs that every model of this task gets right, to see that it works"),
        (MISTAKE, "natural inputs that the owner gets wrong"),
    ):
        if report.bundle.points.get(family):
            yield f"{family} points", meaning


LINED_UP: tuple[Entry, ...] = (
    ("twins", "the owner's own recipe run again with other random numbers"),
    (
        "line-up",
        "which of the owner and its twins does the suspect resemble most? To an innocent suspect "
        "they are interchangeable",
    ),
    ("rank", "the owner's place in the line-up; 1 is the most alike"),
    ("p", "how often the owner of an innocent suspect takes such a place by chance; exact"),
    (
        "gap",
        "by how many standard deviations of the twins the owner stands out; how often an innocent "
        "suspect shows such a gap is an approximation",
    ),
)
THRESHOLDS: tuple[Entry, ...] = (
    ("uncalibrated", "decided by thresholds measured on other owners' models: no error rate"),
    ("identification", "one way to weigh the answers; `pirated from` is its threshold"),
    ("stand-ins", "small independent nets that auditkit trained, to see what strangers share"),
    ("siblings", "nets of the owner's architecture that auditkit trained anew, for the same"),
    ("discriminating", "whether the points tell copies from those nets at all"),
)
