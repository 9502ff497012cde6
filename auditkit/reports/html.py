"""The report as one page for a browser: no scripts, nothing loaded from elsewhere, printable."""

import base64

from auditkit.core.verdicts import LineUp
from auditkit.reports import drawing
from auditkit.reports.accuser import SHOPPING, standing
from auditkit.reports.base import Report, Screen
from auditkit.reports.cases import Case, cases
from auditkit.reports.headlines import OPINIONS
from auditkit.reports.origins import provenance, run
from auditkit.reports.page import page
from auditkit.reports.plain import pages
from auditkit.reports.summary import rows
from auditkit.reports.sureness import batch, measured, sureness
from auditkit.reports.tree import tree
from auditkit.reports.wording import sentence

__all__ = ["render_html"]


def render_html(report: Report, _screen: Screen) -> bytes:
    """Return one HTML page in UTF-8 with its style sheet and drawings in it.

    Its content security policy allows this style sheet and the pictures within the page, nothing
    else; text from files is escaped and shown without invisible characters.
    """
    found = list(cases(report))
    table = rows(found)
    whole_ones = {row.case.number for row in table if row.is_whole}
    return page(
        "report.html",
        ("report.css",),
        report=report,
        cases=[case for case in found if case.number in whole_ones],
        table=table if len(table) > 1 else [],
        limits=[*dict.fromkeys(case.words.limit for case in found), SHOPPING],
        accuser=list(standing(report)),
        measured=list(measured(report.bundle)),
        batch=list(batch(report)),
        pages=list(pages(report)),
        facts=provenance(report),
        picture=_picture,
        needed=_needed,
        line_up=drawing.line_up,
        agreement=drawing.agreement,
        tree=tree,
        links={number: f"#suspect-{number}" for number in whole_ones},
        run=run,
        sureness=sureness,
        opinions=_opinions,
    )


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
