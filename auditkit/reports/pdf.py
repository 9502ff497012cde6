"""The report as a PDF to hand over or file: the verdicts first, then the page in plain words."""

from collections.abc import Iterable
from datetime import UTC, datetime

from fpdf import FPDF
from fpdf.enums import XPos, YPos

from auditkit.core.escape import clean
from auditkit.reports.accuser import SHOPPING, standing
from auditkit.reports.base import Report, Screen
from auditkit.reports.cases import Case, cases
from auditkit.reports.origins import Facts, provenance, run
from auditkit.reports.plain import pages
from auditkit.reports.sureness import batch, measured, sureness

__all__ = ["render_pdf"]

COLOURS = {
    "pirated": (179, 38, 30),
    "homologous": (27, 110, 60),
    "inconclusive": (138, 90, 0),
    "refused": (122, 42, 140),
}
SOFT, INK = (91, 97, 104), (28, 30, 33)
TYPOGRAPHY = str.maketrans({"…": "...", "–": "-", "—": "-", "’": "'", "‘": "'"})
"""What the fonts that every reader of PDF has do not hold, in other words."""

LONGEST = 2000
"""Most characters of one block. No sentence of auditkit's is so long, and breaking the lines of
longer words takes minutes."""


def render_pdf(report: Report, _screen: Screen) -> bytes:
    """Return a PDF without scripts, links or attachments, from nothing but the report.

    Characters beyond Latin-1 are shown as escapes, since only fonts are used that every reader of
    PDF has.
    """
    pdf = _Page(format="A4")
    pdf.set_creation_date(_moment(report.generated))
    pdf.set_title("auditkit report")
    pdf.set_auto_page_break(auto=True, margin=20)
    pdf.add_page()
    found = list(cases(report))
    for case in found:
        _verdict(pdf, case)
    pdf.heading("Who stands behind the bundle")
    pdf.bullets(standing(report))
    for case in found:
        _details(pdf, case, named=len(found) > 1)
    pdf.heading("What it rests on")
    pdf.paragraphs([*batch(report), *measured(report.bundle)])
    command = [("command", report.command)] if report.command else []
    pdf.facts([*provenance(report), *command])
    pdf.heading("What this cannot tell")
    pdf.bullets([*dict.fromkeys(case.words.limit for case in found), SHOPPING])
    for page in pages(report):
        pdf.add_page()
        pdf.heading(page.title)
        pdf.paragraphs([f"This page holds for: {page.names}"])
        for part in page.parts:
            pdf.heading(part.question, size=11)
            pdf.paragraphs([" ".join(part.sentences)])
    return bytes(pdf.output())


def _verdict(pdf: "_Page", case: Case) -> None:
    pdf.write_text(case.words.name.capitalize(), size=20, bold=True, colour=COLOURS[case.kind])
    pdf.write_text(case.words.meaning, size=11)
    pdf.ln(2)
    pdf.facts(
        [
            ("suspect", case.name),
            *([("digest", case.digest)] if case.digest else []),
            ("how sure", case.sure),
            *([("acquittal", case.excludes)] if case.excludes else []),
            *(("do next", step) for step in case.steps),
        ]
    )
    pdf.ln(4)


def _details(pdf: "_Page", case: Case, *, named: bool) -> None:
    pdf.heading(f"Why: {case.name}" if named else "Why")
    pdf.paragraphs([case.reason])
    verdict = case.verdict
    if verdict is None:
        return
    if verdict.line_up is not None:
        ordered = sorted(verdict.line_up.places, key=lambda place: -place.standing)
        pdf.facts(
            [
                (place.measure, f"the owner stands out by {place.standing:+.1f} deviations")
                for place in ordered
            ]
        )
    if case.compared is not None:
        pdf.facts(
            [
                (f"{one.family} points", f"{one.same} of {one.answered} answered as the owner does")
                for one in case.compared.agreement
            ]
        )
    pdf.paragraphs(sureness(verdict))
    pdf.facts(run(verdict))


def _moment(told: str) -> datetime:
    """Return the time of a report; the year 1 where it holds none that can be read."""
    try:
        return datetime.fromisoformat(told)
    except ValueError:
        return datetime(1, 1, 1, tzinfo=UTC)


class _Page(FPDF):
    """Text in the fonts that every reader of PDF has, one block below the other."""

    def heading(self, text: str, size: float = 13) -> None:
        self.ln(3)
        self.write_text(text, size=size, bold=True)
        self.ln(1)

    def paragraphs(self, texts: Iterable[str]) -> None:
        for text in texts:
            self.write_text(text)
            self.ln(1)

    def bullets(self, texts: Iterable[str]) -> None:
        for text in texts:
            self.write_text(f"-  {text}")

    def facts(self, facts: Facts) -> None:
        for name, value in facts:
            self.set_text_color(*SOFT)
            self.set_font("helvetica", size=9.5)
            self.cell(34, 5, _latin(name)[:24])
            self.write_text(value, size=9.5)

    def write_text(
        self,
        text: str,
        *,
        size: float = 10,
        bold: bool = False,
        colour: tuple[int, int, int] = INK,
    ) -> None:
        self.set_font("helvetica", "B" if bold else "", size)
        self.set_text_color(*colour)
        # Breaks within words too: a digest or a hostile name may be one word of any length.
        self.multi_cell(
            0, size * 0.5, _latin(text) or " ", align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT
        )


def _latin(text: str) -> str:
    shown = clean(text, LONGEST).translate(TYPOGRAPHY)
    escaped = (char if ord(char) < 0x100 else f"\\u{{{ord(char):x}}}" for char in shown)
    return clean("".join(escaped), LONGEST).translate(TYPOGRAPHY)
