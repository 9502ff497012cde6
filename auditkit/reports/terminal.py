"""The report for people, for a terminal of any width and encoding.

Each verdict comes first, then why, how sure it is, what was run on what, and what it cannot tell.
"""

import io
import math
from collections.abc import Iterator

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from auditkit.core.escape import clean
from auditkit.core.verdicts import Identification, Outcome, Refusal, Verdict
from auditkit.reports.accuser import SHOPPING, standing
from auditkit.reports.base import Report, Screen
from auditkit.reports.glossary import words
from auditkit.reports.headlines import OPINIONS, WORDS, words_for
from auditkit.reports.lineup import picture
from auditkit.reports.origins import facts_table, provenance, run
from auditkit.reports.sureness import batch, measured, sureness
from auditkit.reports.wording import sentence

__all__ = ["render_terminal"]

WIDEST = 110  # longer lines of prose are hard to read


def render_terminal(report: Report, screen: Screen) -> bytes:
    """Return the report as text in the screen's encoding.

    Characters that the encoding lacks are shown as escapes. Text from files is never taken for
    markup or for control sequences.
    """
    # rich asks its stream for the encoding, and draws ASCII boxes if that is not UTF-8.
    buffer = io.BytesIO()
    stream = io.TextIOWrapper(buffer, encoding=screen.encoding, errors="backslashreplace")
    console = Console(
        file=stream, force_terminal=screen.colours, highlight=False, markup=False, emoji=False
    )
    console.width = min(console.width, WIDEST)
    for part in renderables(report):
        console.print(part)
    stream.flush()
    return buffer.getvalue()


def renderables(report: Report) -> Iterator[RenderableType]:
    """Yield the parts of the report from top to bottom."""
    verdicts = [outcome for outcome in report.outcomes if isinstance(outcome, Verdict)]
    alone = len(report.outcomes) == 1
    # First of all: what follows is worth as much as the bundle that it rests on.
    yield from (_line(told, "dim") for told in standing(report))
    yield Text()
    if not alone:
        yield _summary(report.outcomes)
        yield Text()
    # A headline stands above the suspect's name: a file could be called "HOMOLOGOUS".
    for outcome in report.outcomes:
        yield _headline(outcome, lines_around=int(alone))
        yield Text()
        yield from _section("Why", *_why(outcome))
        yield Text()
    if verdicts:
        yield from _section("How sure", *_sureness(report, verdicts))
        yield Text()
    runs = [facts_table(run(verdict)) for verdict in verdicts]
    yield from _section("What was run on what", *_apart([*runs, facts_table(provenance(report))]))
    yield Text()
    # A dict and not a set: each limit once, in the order of the suspects.
    limits = dict.fromkeys(_limit(outcome) for outcome in report.outcomes)
    yield from _section("What this cannot tell", *map(Text, (*limits, SHOPPING)))
    if report.explained:
        yield Text()
        yield from _section("Words", facts_table(list(words(report))))


def _limit(outcome: Outcome) -> str:
    return words_for(outcome).limit


def _name(outcome: Outcome) -> str:
    return outcome.suspect if isinstance(outcome, Refusal) else outcome.suspect.name


def _reason(outcome: Outcome) -> str:
    return outcome.reason if isinstance(outcome, Refusal) else sentence(outcome.reason)


def _line(text: str, style: str = "", limit: int = 400) -> Text:
    return Text(clean(text, limit), style)


def _section(title: str, *body: RenderableType) -> Iterator[RenderableType]:
    yield Text(title, "bold")
    yield Padding(Group(*body), (0, 2))


def _apart(blocks: list[Table]) -> Iterator[RenderableType]:
    """Yield the blocks with an empty line between them."""
    for number, block in enumerate(blocks):
        yield from (Text(), block) if number else (block,)


def _summary(outcomes: tuple[Outcome, ...]) -> Table:
    """Return a table with one row for each suspect."""
    table = Table(box=box.SIMPLE_HEAD, expand=True, show_edge=False, pad_edge=False, leading=1)
    table.add_column("verdict")
    table.add_column("suspect and reason", ratio=1, overflow="fold")
    table.add_column("labels", justify="right")
    table.add_column("outputs", justify="right")
    # Not "p innocent": a p-value is not the probability that the suspect is innocent.
    table.add_column("p independent", justify="right")
    for outcome in outcomes:
        words, opinions = words_for(outcome), _opinions(outcome)
        verdict = Text(words.name.replace(" (", "\n("), f"bold {words.style}")
        if isinstance(outcome, Verdict) and not outcome.calibrated:
            verdict.append("\nuncalibrated", "dim not bold")
        table.add_row(
            verdict,
            Group(_line(_name(outcome), "bold"), _line(_reason(outcome), "dim", limit=1000)),
            _value(opinions, "label_similarity"),
            _value(opinions, "output_similarity"),
            _number(_p_homologous(outcome)),
        )
    return table


def _opinions(outcome: Outcome) -> tuple[Identification, ...]:
    return () if isinstance(outcome, Refusal) else outcome.identifications


def _value(opinions: tuple[Identification, ...], name: str) -> Text:
    return _number(next((opinion.value for opinion in opinions if opinion.name == name), None))


def _p_homologous(outcome: Outcome) -> float | None:
    return None if isinstance(outcome, Refusal) else outcome.p_homologous


def _number(value: float | None) -> Text:
    # Three digits, so that 0.846 does not look as if it had reached a threshold of 0.85.
    return Text("-" if value is None or not math.isfinite(value) else f"{value:.3f}")


def _headline(outcome: Outcome, lines_around: int) -> Panel:
    words = words_for(outcome)
    capitals, *rest = words.name.split(" ", 1)
    body = Group(
        Text(" ".join((capitals.upper(), *rest)), f"bold {words.style}", justify="center"),
        Text(words.meaning, justify="center"),
        *(Text(told, justify="center") for told in _calibration(outcome)),
        Text(f"suspect: {clean(_name(outcome), 60)}", "dim", justify="center"),
    )
    return Panel(body, border_style=words.style, padding=(lines_around, 2))


def _calibration(outcome: Outcome) -> Iterator[str]:
    """Yield whether an error rate is known: who sees no more than the headline must see that."""
    if isinstance(outcome, Verdict):
        by = f"calibrated by {outcome.line_up.twins} twins" if outcome.line_up else ""
        yield by if outcome.calibrated else "uncalibrated: no error rate is known"


def _why(outcome: Outcome) -> Iterator[RenderableType]:
    yield _line(_reason(outcome), limit=1000)
    if isinstance(outcome, Verdict):
        yield Text()
        if outcome.line_up is not None:
            yield from picture(outcome.line_up)
            yield Text()
        yield _weighed(outcome.identifications)


def _weighed(opinions: tuple[Identification, ...]) -> Table:
    """Return a table of the opinions, those that don't abstain first."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("identification")
    table.add_column("value", justify="right")
    table.add_column("pirated from", justify="right")
    table.add_column("says", overflow="fold")
    for opinion in sorted(opinions, key=lambda opinion: opinion.says is None):
        name = _line(opinion.name.replace("_", " "))
        table.add_row(name, _number(opinion.value), _number(opinion.threshold), _says(opinion))
    return table


def _says(opinion: Identification) -> Text:
    if opinion.says is None:
        return _line(f"abstains: {sentence(opinion.reason)}", "dim")
    return Text(OPINIONS[opinion.says], WORDS[opinion.says].style)


def _sureness(report: Report, verdicts: list[Verdict]) -> Iterator[RenderableType]:
    """Yield how sure the verdicts are: one of them at length, the others in one line each."""
    # A calibrated verdict is explained, if there is one: a suspect of other classes that comes
    # first must not make the whole report look uncalibrated.
    first = next((verdict for verdict in verdicts if verdict.calibrated), verdicts[0])
    for line in sureness(first):
        yield _line(line, limit=600)
    if len(verdicts) > 1:
        yield _line(f"The numbers are those of {clean(first.suspect.name, 60)}.", "dim")
        yield from (_figures(verdict) for verdict in verdicts if verdict is not first)
        yield from map(Text, batch(report))
    yield from (_line(told, limit=600) for told in measured(report.bundle))


def _figures(verdict: Verdict) -> Text:
    """Return the numbers of one more verdict, in one line."""
    found = verdict.line_up
    told = "no line-up" if found is None else f"p {found.p:.2g}, {found.gap:+.1f} deviations"
    remark = "" if verdict.calibrated else ", uncalibrated"
    return _line(f"{clean(verdict.suspect.name, 60)}: {told}{remark}.")
