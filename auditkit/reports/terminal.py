"""The report for people: verdict first, then why, how sure, and what was run on what."""

from collections.abc import Iterator
from typing import TextIO

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from auditkit.reports.base import BundleSummary, Report
from auditkit.text import clean
from auditkit.types import Decision, Identification, Outcome, ReferenceKind, Refusal, Verdict

__all__ = ["write_terminal"]

STYLES = {Decision.PIRATED: "red", Decision.HOMOLOGOUS: "green", Decision.INCONCLUSIVE: "yellow"}
MEANINGS = {
    Decision.PIRATED: "answers like a modified copy of the owner's model",
    Decision.HOMOLOGOUS: "answers like an independently trained model",
    Decision.INCONCLUSIVE: "the answers support neither claim",
}
TITLES = {
    Decision.PIRATED: "PIRATED",
    Decision.HOMOLOGOUS: "HOMOLOGOUS (independently trained)",
    Decision.INCONCLUSIVE: "INCONCLUSIVE",
}
LIMITS = {
    Decision.PIRATED: "It says nothing of who copied, when, or whether there was a licence.",
    Decision.HOMOLOGOUS: "It speaks against a modified copy, not against a distilled or extracted "
    "one: those can answer like strangers, and only reference models would tell.",
    Decision.INCONCLUSIVE: "It is not an acquittal and not a suspicion.",
}
WIDEST = 110


def write_terminal(report: Report, stream: TextIO) -> None:
    """Colours where the stream is a terminal; nothing from a file is taken for markup."""
    console = Console(file=stream, highlight=False, markup=False, emoji=False)
    console.width = min(console.width, WIDEST)
    for part in renderables(report):
        console.print(part)


def renderables(report: Report) -> Iterator[RenderableType]:
    """The report's parts from top to bottom."""
    if len(report.outcomes) > 1:
        yield _summary(report.outcomes)
        yield Text()
    for outcome in report.outcomes:
        if isinstance(outcome, Refusal):
            yield _refusal(outcome)
        else:
            yield from _verdict(outcome, report.bundle)
    yield from _provenance(report)


def _line(text: str, style: str = "", limit: int = 400) -> Text:
    return Text(clean(text, limit), style=style)


def _summary(outcomes: tuple[Outcome, ...]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, expand=True, pad_edge=False)
    table.add_column("suspect", ratio=3, overflow="fold")
    table.add_column("verdict", ratio=2)
    table.add_column("labels", justify="right")
    table.add_column("outputs", justify="right")
    for outcome in outcomes:
        if isinstance(outcome, Refusal):
            table.add_row(_line(outcome.suspect), Text("refused", "magenta"), Text("–"), Text("–"))
            continue
        values = {opinion.name: opinion for opinion in outcome.identifications}
        table.add_row(
            _line(outcome.suspect.name),
            Text(str(outcome.decision), f"bold {STYLES[outcome.decision]}"),
            Text(_number(values.get("label_similarity"))),
            Text(_number(values.get("output_similarity"))),
        )
    return table


def _number(opinion: Identification | None) -> str:
    return "–" if opinion is None or opinion.value is None else f"{opinion.value:.2f}"


def _refusal(refusal: Refusal) -> Panel:
    body = Group(Text("No verdict: this suspect was not examined."), _line(refusal.reason))
    return Panel(
        body,
        title=Text("COULD NOT AUDIT"),
        subtitle=_line(refusal.suspect, limit=70),
        style="magenta",
    )


def _verdict(verdict: Verdict, bundle: BundleSummary) -> Iterator[RenderableType]:
    style = STYLES[verdict.decision]
    headline = Text(TITLES[verdict.decision], f"bold {style}", justify="center")
    meaning = Text(MEANINGS[verdict.decision], justify="center")
    name = _line(verdict.suspect.name, "bold", 70)
    yield Panel(Group(headline, meaning), title=name, border_style=style, padding=(1, 2))
    yield _section("Why")
    yield Padding(_line(verdict.reason), (0, 2))
    yield Padding(_opinions(verdict.identifications), (0, 2))
    yield _section("How sure")
    yield Padding(_sureness(verdict, bundle), (0, 2))
    yield _section("What was run on what")
    yield Padding(_run(verdict), (0, 2))
    yield Text()


def _section(title: str) -> RenderableType:
    return Text(f"\n{title}", "bold")


def _opinions(opinions: tuple[Identification, ...]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column, justify in (
        ("identification", "left"),
        ("value", "right"),
        ("pirated from", "right"),
    ):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    table.add_column("says", overflow="fold")
    for opinion in opinions:
        threshold = "–" if opinion.threshold is None else f"{opinion.threshold:.2f}"
        table.add_row(
            Text(opinion.name.replace("_", " ")),
            Text(_number(opinion)),
            Text(threshold),
            _says(opinion),
        )
    return table


def _says(opinion: Identification) -> Text:
    if opinion.says is None:
        return _line(f"abstains: {opinion.reason}", "dim")
    return Text(str(opinion.says), STYLES[opinion.says])


def _sureness(verdict: Verdict, bundle: BundleSummary) -> Group:
    known = {kind: verdict.references.get(kind, 0) for kind in ReferenceKind}
    lines = [
        "Uncalibrated: the thresholds are defaults, measured on other owners. No error rate can "
        "be stated for this one.",
        f"Reference models: {known[ReferenceKind.HOMOLOGOUS]} homologous, "
        f"{known[ReferenceKind.PIRATED]} pirated; {known[ReferenceKind.STAND_IN]} stand-ins.",
        f"The fingerprint is {bundle.discrimination}: {bundle.reason}.",
        LIMITS[verdict.decision],
    ]
    return Group(*(_line(line, limit=600) for line in lines))


def _run(verdict: Verdict) -> Table:
    table = _facts()
    runtime = ", ".join(f"{key} {value}" for key, value in verdict.suspect.runtime.items())
    rows = {
        "suspect": verdict.suspect.name,
        "digest": verdict.suspect.digest or "none: what answers can't be hashed",
        "asked through": f"{verdict.suspect.adapter} ({runtime})",
        "access": f"{verdict.access}; {verdict.answered} of {verdict.queries} points answered",
    }
    for name, value in rows.items():
        table.add_row(Text(name, "dim"), _line(value))
    for note in verdict.notes:
        table.add_row(Text("note", "dim"), _line(note))
    return table


def _facts() -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _provenance(report: Report) -> Iterator[RenderableType]:
    bundle = report.bundle
    points = ", ".join(f"{count} {name}" for name, count in bundle.points.items())
    tools = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    yield Rule(style="dim")
    table = _facts()
    rows = {
        "owner": f"{bundle.owner} ({bundle.classes} classes)",
        "owner digest": bundle.owner_digest,
        "bundle": f"{bundle.method}, {points} points",
        "bundle digest": bundle.digest,
        "tools": tools,
        "made": f"bundle {bundle.created}, report {report.generated}",
    }
    for name, value in rows.items():
        table.add_row(Text(name, "dim"), _line(value, "dim"))
    yield table
