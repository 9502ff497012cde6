"""What was run on what: the facts about suspects, owner, bundle and tools, for people."""

from rich.table import Table
from rich.text import Text

from auditkit.core.escape import clean
from auditkit.core.verdicts import Verdict
from auditkit.reports.base import Report

Facts = list[tuple[str, str]]
"""Names and values, one line each; a name may come twice."""


def facts_table(facts: Facts) -> Table:
    """Return a table of names and values; long values are folded, never cut."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, min_width=len("suspect"))
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(Text(name, "dim"), Text(clean(value, 400)))
    return table


def run(verdict: Verdict) -> Facts:
    """Return what was asked of one suspect, and through what."""
    suspect = verdict.suspect
    runtime = ", ".join(f"{name} {version}" for name, version in suspect.runtime.items())
    return [
        ("suspect", suspect.name),
        ("sha256", _bare(suspect.digest or "none: the model that answers can't be hashed")),
        ("through", f"{suspect.adapter} ({runtime})" if runtime else suspect.adapter),
        ("access", f"{verdict.access}; {verdict.answered} of {verdict.queries} points answered"),
        *([("sent", _sent(verdict.sent))] if verdict.sent else []),
        *(("disguise", disguise) for disguise in verdict.disguises),
        *(("note", note) for note in verdict.notes),
    ]


def _sent(points: int) -> str:
    return f"{points} points in all, with repetitions and retries"


def provenance(report: Report) -> Facts:
    """Return what the suspects were compared with, and by which tools."""
    # Digests are shown whole: they, not the names, say which files were compared.
    bundle = report.bundle
    points = ", ".join(f"{count} {name}" for name, count in bundle.points.items())
    return [
        ("owner", f"{bundle.owner} ({bundle.classes} classes)"),
        ("sha256", _bare(bundle.owner_digest)),
        ("bundle", f"{bundle.method}, {points} points"),
        ("sha256", _bare(bundle.digest)),
        ("tools", ", ".join(f"{name} {version}" for name, version in report.versions.items())),
        ("made", f"bundle {bundle.created}, report {report.generated}"),
    ]


def _bare(digest: str) -> str:
    """Return a digest without its prefix, which names the line, so that it fits 80 columns."""
    return digest.removeprefix("sha256:")
