"""The report as Markdown, for issues, wikis and pull requests."""

import re
from collections.abc import Iterable, Iterator

from auditkit.reports.accuser import SHOPPING, standing
from auditkit.reports.base import Report, Screen
from auditkit.reports.cases import Case, cases, whole
from auditkit.reports.headlines import OPINIONS
from auditkit.reports.origins import provenance, run
from auditkit.reports.plain import pages
from auditkit.reports.sureness import sureness
from auditkit.reports.wording import sentence

__all__ = ["render_markdown"]

# What CommonMark and its common extensions read as markup within a line, anchors of links included.
MARKUP = re.compile(r"[\\`*_{}\[\]<>#|~&$@!^]|:(?=//)|(?<=www)\.", re.IGNORECASE)


def render_markdown(report: Report, _screen: Screen) -> bytes:
    """Return the report as Markdown in UTF-8; text from files is never taken for markup."""
    found = list(cases(report))
    blocks = [
        "# auditkit report",
        *(_verdict(case) for case in found),
        "## Who stands behind the bundle",
        _bullets(standing(report)),
        *(block for case in found for block in _details(case)),
        *_plain(report),
        "## What this cannot tell",
        _bullets([*dict.fromkeys(case.words.limit for case in found), SHOPPING]),
        "## What was compared",
        _table(("fact", "value"), provenance(report)),
    ]
    return ("\n\n".join(blocks) + "\n").encode()


def escaped(text: str) -> str:
    """Return a text of any origin as Markdown that shows it letter by letter, in one line."""
    return MARKUP.sub(lambda found: f"\\{found.group()}", whole(text))


def _verdict(case: Case) -> str:
    lines = [
        f"**Suspect:** {escaped(case.name)}",
        *([f"**Digest:** {escaped(case.digest)}"] if case.digest else []),
        f"**How sure:** {escaped(case.sure)}",
        *([f"**Acquittal:** {escaped(case.excludes)}"] if case.excludes else []),
        f"**Next:** {escaped(' '.join(case.steps))}",
    ]
    return f"## {case.words.name}: {case.words.meaning}\n\n{_bullets(lines, ready=True)}"


def _details(case: Case) -> Iterator[str]:
    # A line that began with the name could begin with a list, a heading or a rule.
    yield f"## Why: suspect {case.number}"
    yield f"Suspect {escaped(case.name)}: {escaped(case.reason)}."
    verdict = case.verdict
    if verdict is None:
        return
    yield _bullets(sureness(verdict))
    if verdict.line_up is not None:
        rows = [
            (place.measure, f"{place.standing:+.1f}")
            for place in sorted(verdict.line_up.places, key=lambda place: -place.standing)
        ]
        yield _table(("measure", "deviations by which the owner stands out"), rows)
    if case.compared is not None:
        yield _table(
            ("family of points", "answered as the owner"),
            [(one.family, f"{one.same} of {one.answered}") for one in case.compared.agreement],
        )
    yield _table(
        ("identification", "value", "says", "reason"),
        [
            (
                one.name.replace("_", " "),
                "" if one.value is None else f"{one.value:.3f}",
                "abstains" if one.says is None else f"{OPINIONS[one.says]}",
                sentence(one.reason),
            )
            for one in verdict.identifications
        ],
    )
    yield _table(("fact", "value"), run(verdict))


def _plain(report: Report) -> Iterator[str]:
    for page in pages(report):
        yield f"## {page.title}"
        yield f"This page holds for: {escaped(page.names)}."
        for part in page.parts:
            yield f"**{part.question}** {escaped(' '.join(part.sentences))}"


def _bullets(lines: Iterable[str], *, ready: bool = False) -> str:
    return "\n".join(f"- {line if ready else escaped(line)}" for line in lines)


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *(tuple(map(escaped, row)) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
