"""The report for people: verdict first, then why, how sure, what was run on what, and limits."""

import io
import math
from collections.abc import Iterator
from typing import NamedTuple

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from auditkit.core.escape import clean
from auditkit.core.models import ReferenceKind
from auditkit.core.verdicts import Decision, Identification, Outcome, Refusal, Verdict
from auditkit.reports.base import Report, Screen
from auditkit.reports.wording import sentence, sureness

__all__ = ["render_terminal"]

Facts = list[tuple[str, str]]

WIDEST = 110


class Words(NamedTuple):
    """How one kind of outcome is told."""

    name: str
    style: str
    meaning: str
    limit: str


WORDS = {
    Decision.PIRATED: Words(
        "pirated",
        "red",
        "derived from the owner's model: answers like a copy of it",
        "Pirated says nothing of who copied, when, or whether there was a licence.",
    ),
    Decision.HOMOLOGOUS: Words(
        "homologous (independently trained)",
        "green",
        "answers like the independent reference models, and unlike the pirated ones",
        "Homologous (independently trained) speaks against the kinds of copies that the pirated "
        "reference models stand for, not against others.",
    ),
    Decision.INCONCLUSIVE: Words(
        "inconclusive",
        "yellow",
        "neither claim is supported by the answers",
        "Inconclusive is neither an acquittal nor a suspicion.",
    ),
}
OPINIONS = {
    Decision.PIRATED: "like a copy",
    Decision.HOMOLOGOUS: "unlike a modified copy",
    Decision.INCONCLUSIVE: "undecided",
}
"""What one identification says; it is no verdict, so it does not sound like one."""
REFUSED = Words(
    "refused (could not be audited)",
    "magenta",
    "no verdict: this suspect was not examined to the end",
    "Refused is no verdict: the suspect is neither cleared nor accused.",
)


def render_terminal(report: Report, screen: Screen) -> bytes:
    """Text for people; characters that the screen lacks are shown as escapes.

    Nothing from a file is taken for markup.
    """
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
    """The report's parts from top to bottom."""
    verdicts = [outcome for outcome in report.outcomes if isinstance(outcome, Verdict)]
    alone = len(report.outcomes) == 1
    if not alone:
        yield _summary(report.outcomes)
        yield Text()
    for outcome in report.outcomes:
        yield _headline(outcome, lines_around=int(alone))
        yield Text()
        yield from _section("Why", *_why(outcome))
        yield Text()
    if verdicts:
        yield from _section("How sure", *_sureness(report, verdicts))
        yield Text()
    runs = [_facts(_run(verdict)) for verdict in verdicts]
    yield from _section("What was run on what", *_apart([*runs, _facts(_provenance(report))]))
    yield Text()
    limits = dict.fromkeys(_limit(outcome) for outcome in report.outcomes)
    yield from _section("What this cannot tell", *map(Text, limits))


def _words(outcome: Outcome) -> Words:
    return REFUSED if isinstance(outcome, Refusal) else WORDS[outcome.decision]


def _limit(outcome: Outcome) -> str:
    return _words(outcome).limit


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
    """The blocks with an empty line between them."""
    for number, block in enumerate(blocks):
        yield from (Text(), block) if number else (block,)


def _summary(outcomes: tuple[Outcome, ...]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, expand=True, show_edge=False, pad_edge=False, leading=1)
    table.add_column("verdict")
    table.add_column("suspect and reason", ratio=1, overflow="fold")
    table.add_column("labels", justify="right")
    table.add_column("outputs", justify="right")
    table.add_column("p innocent", justify="right")
    for outcome in outcomes:
        words, opinions = _words(outcome), _opinions(outcome)
        reason = Text(clean(_reason(outcome)), "dim", no_wrap=True, overflow="ellipsis")
        table.add_row(
            Text(words.name.replace(" (", "\n("), f"bold {words.style}"),
            Group(_line(_name(outcome), "bold"), reason),
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
    found = None if isinstance(outcome, Refusal) else outcome.comparison
    return None if found is None else found.p_homologous


def _number(value: float | None) -> Text:
    return Text("-" if value is None or not math.isfinite(value) else f"{value:.3f}")


def _headline(outcome: Outcome, lines_around: int) -> Panel:
    words = _words(outcome)
    capitals, *rest = words.name.split(" ", 1)
    body = Group(
        Text(" ".join((capitals.upper(), *rest)), f"bold {words.style}", justify="center"),
        Text(words.meaning, justify="center"),
        Text(f"suspect: {clean(_name(outcome), 60)}", "dim", justify="center"),
    )
    return Panel(body, border_style=words.style, padding=(lines_around, 2))


def _why(outcome: Outcome) -> Iterator[RenderableType]:
    yield _line(_reason(outcome), limit=600)
    if isinstance(outcome, Verdict):
        yield Text()
        yield _weighed(outcome.identifications)


def _weighed(opinions: tuple[Identification, ...]) -> Table:
    """Those that say something first."""
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
    """Of several verdicts the assumptions once, the numbers in the table above."""
    bundle, [first, *others] = report.bundle, verdicts
    for line in sureness(first, bundle.terms):
        yield _line(line, limit=600)
    if others:
        yield _line(f"The numbers are those of {clean(first.suspect.name, 60)}.", "dim")
        yield from map(Text, _batch(report))
    known = {kind: bundle.references.get(kind, 0) for kind in ReferenceKind}
    yield _line(
        f"The fingerprint is {bundle.discrimination}: {bundle.reason}. Its stand-ins: "
        f"{known[ReferenceKind.STAND_IN]}. Its siblings: {bundle.siblings.told()}.",
        limit=600,
    )
    shadows = sum(count for kind, count in known.items() if kind.is_shadow)
    if shadows:
        yield _line(f"{shadows} shadow models chose its lineage points; they price nothing.")
    if bundle.transports:
        yield _line(bundle.travelled(), limit=300)


def _batch(report: Report) -> Iterator[str]:
    """What remains of the accusations when so many suspects were looked at."""
    known = [corrected for corrected in report.corrected if corrected is not None]
    level = report.bundle.terms.accuse
    if not known:
        return
    standing = sum(corrected.holm <= level for corrected in known)
    discovered = sum(corrected.benjamini_hochberg <= level for corrected in known)
    yield (
        f"{len(known)} suspects were compared at once: {standing} stay below {level:.0%} after "
        f"Holm's correction, {discovered} after Benjamini and Hochberg's. The verdicts are those "
        "of each suspect alone."
    )


def _facts(facts: Facts) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, min_width=len("suspect"))
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(Text(name, "dim"), _line(value))
    return table


def _run(verdict: Verdict) -> Facts:
    suspect = verdict.suspect
    runtime = ", ".join(f"{name} {version}" for name, version in suspect.runtime.items())
    return [
        ("suspect", suspect.name),
        ("sha256", _bare(suspect.digest or "none: what answers can't be hashed")),
        ("through", f"{suspect.adapter} ({runtime})" if runtime else suspect.adapter),
        ("access", f"{verdict.access}; {verdict.answered} of {verdict.queries} points answered"),
        *([("sent", f"{verdict.sent} points, repeats and tries included")] if verdict.sent else []),
        *(("disguise", disguise) for disguise in verdict.disguises),
        *(("note", note) for note in verdict.notes),
    ]


def _provenance(report: Report) -> Facts:
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
    """Without its prefix, which is the line's name: so that a digest fits into 80 columns."""
    return digest.removeprefix("sha256:")
