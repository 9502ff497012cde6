"""The report as a table for spreadsheets: one row for each suspect."""

import csv
import io
from collections.abc import Iterator

from auditkit.reports.base import Report, Screen
from auditkit.reports.cases import Case, cases, whole

__all__ = ["render_csv"]

HEADER = (
    *("suspect", "digest", "verdict", "reason_code", "reason", "calibrated", "access"),
    *("queries", "answered", "p", "gap", "p_gap", "p_holm", "p_benjamini_hochberg"),
    *("excluded", "not_excluded", "owner", "owner_digest", "bundle", "generated"),
)
FORMULA = ("=", "+", "-", "@")
"""How a cell begins that spreadsheets run as a formula; control characters never get that far."""


def render_csv(report: Report, _screen: Screen) -> bytes:
    """Return a table in UTF-8 with a header; cells that read as formulas begin with an apostrophe.

    Numbers are written with six digits, and unknown ones left empty.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(HEADER)
    bundle = report.bundle
    common = (bundle.owner, bundle.owner_digest, bundle.digest, report.generated)
    for case in cases(report):
        writer.writerow([*_cells(case), *map(_text, common)])
    return buffer.getvalue().encode()


def _cells(case: Case) -> Iterator[str]:
    yield from map(_text, (case.name, case.digest, case.kind, case.code, case.reason))
    verdict = case.verdict
    if verdict is None:
        yield from [""] * 11
        return
    found, corrected = verdict.line_up, case.corrected
    yield "yes" if verdict.calibrated else "no"
    yield str(verdict.access)
    yield str(verdict.queries)
    yield str(verdict.answered)
    yield from map(_number, (found.p, found.gap, found.p_gap) if found else (None,) * 3)
    pair = (corrected.holm, corrected.benjamini_hochberg) if corrected else (None, None)
    yield from map(_number, pair)
    yield _text(", ".join(found.excluded) if found else "")
    yield _text(", ".join((*found.unseen, *found.unmeasured)) if found else "")


def _text(text: str) -> str:
    shown = whole(text)
    return f"'{shown}" if shown.lstrip().startswith(FORMULA) else shown


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
