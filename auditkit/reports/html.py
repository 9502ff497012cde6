"""The report as one page for a browser: no scripts, nothing loaded from elsewhere, printable."""

import base64
import functools
import hashlib
from importlib import resources

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from auditkit.core.verdicts import LineUp
from auditkit.reports import drawing
from auditkit.reports.accuser import SHOPPING, standing
from auditkit.reports.base import Report, Screen
from auditkit.reports.cases import Case, cases, whole
from auditkit.reports.headlines import OPINIONS
from auditkit.reports.origins import provenance, run
from auditkit.reports.plain import pages
from auditkit.reports.summary import rows
from auditkit.reports.sureness import batch, measured, sureness
from auditkit.reports.tree import tree
from auditkit.reports.wording import sentence

__all__ = ["render_html"]

TEMPLATES = resources.files("auditkit.reports") / "templates"


def render_html(report: Report, _screen: Screen) -> bytes:
    """Return one HTML page in UTF-8 with its style sheet and drawings in it.

    Its content security policy allows this style sheet and the pictures within the page, nothing
    else; text from files is escaped and shown without invisible characters.
    """
    style = _file("report.css")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    found = list(cases(report))
    table = rows(found)
    whole_ones = {row.case.number for row in table if row.is_whole}
    page: str = _template().render(
        report=report,
        cases=[case for case in found if case.number in whole_ones],
        table=table if len(table) > 1 else [],
        limits=[*dict.fromkeys(case.words.limit for case in found), SHOPPING],
        accuser=list(standing(report)),
        measured=list(measured(report.bundle)),
        batch=list(batch(report)),
        pages=list(pages(report)),
        facts=provenance(report),
        # Marked as safe, because both are this package's own and hold no text of a file.
        style=Markup(style),  # noqa: S704
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; "
        "base-uri 'none'; form-action 'none'",
    )
    return page.encode()


@functools.cache
def _template() -> Template:
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_shown,
    )
    environment.globals.update(
        picture=_picture,
        needed=_needed,
        line_up=drawing.line_up,
        agreement=drawing.agreement,
        tree=tree,
        run=run,
        sureness=sureness,
        opinions=_opinions,
    )
    return environment.from_string(_file("report.html"))


def _shown(value: object) -> object:
    """Return what the template shows of a value: no text gets past this with what is invisible."""
    return whole(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _file(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _picture(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _needed(found: LineUp, level: float) -> float | None:
    """Return about how many deviations an accusation takes; None if there are too few twins."""
    from scipy.special import stdtr, stdtrit

    freedom = found.twins - 1
    if freedom < 1:
        return None
    # How often chances were multiplied is not kept, but follows from those that are.
    single = float(stdtr(freedom, -found.gap))
    times = found.p_gap / single if found.p_gap < 1 and single > 0 else float(len(found.places))
    return -float(stdtrit(freedom, level / max(times, 1.0)))


def _opinions(case: Case) -> list[tuple[str, str, str, str, str]]:
    """Return a row for each identification: name, value, threshold, what it says, and why."""
    verdict = case.verdict
    weighed = () if verdict is None else verdict.identifications
    return [
        (
            one.name.replace("_", " "),
            _number(one.value),
            _number(one.threshold),
            "abstains" if one.says is None else OPINIONS[one.says],
            sentence(one.reason),
        )
        for one in sorted(weighed, key=lambda one: one.says is None)
    ]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
