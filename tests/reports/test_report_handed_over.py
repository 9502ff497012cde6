"""What holds for the formats that people hand over: HTML, PDF, Markdown, CSV."""

import csv
import html
import io
import re
import unicodedata
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from auditkit.core.escape import clean
from auditkit.core.fingerprint import LineUpTerms
from auditkit.core.models import SuspectRecord
from auditkit.core.verdicts import Decision, Refusal
from auditkit.judging.lineup.ranking import gap_p
from auditkit.reports.base import Agreement, Compared, Pictured, Report
from auditkit.reports.cases import cases
from auditkit.reports.html import _needed
from auditkit.reports.plain import pages
from tests.reports.test_report_every import DIGEST, own, report, shown, summary, verdict
from tests.reports.test_report_schemas import LINED_UP, OUTCOMES, REPORTS

ATTACK = "<script>alert(1)</script>\"'&<img src=x onerror=y>"
INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
LETTERS = st.sampled_from("<>&\"'=+-@`|[]()\u202e\u2066\u200b\x1b\x00\x85\ufeff\ud800a")
NAMES = st.text(LETTERS | st.characters(), min_size=1, max_size=30)
TEXT_FORMATS = ("html", "csv", "junit", "sarif", "markdown", "cyclonedx")


def named(name: str) -> Report:
    """A verdict and a refusal of a suspect of this name."""
    judged = verdict(suspect=SuspectRecord(name, DIGEST, "onnx", {}), reason=own(name))
    return report(judged, Refusal(name, f"{name} is not there", "cannot-open"))


class Tags(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):  # noqa: D102 - what its base says
        self.tags.append((tag, tuple(name for name, _ in attrs)))

    def handle_data(self, data):  # noqa: D102 - what its base says
        self.text += data


@settings(max_examples=40, deadline=None)
@given(name=NAMES)
@example(name=ATTACK)
@example(name="=cmd|' /C calc'!A0")
@example(name="a\u202egpj.exe")
def test_no_name_reaches_a_report_raw(name):
    """A name brings no control, bidi or markup character into any format of text."""
    made, plain = named(name), named("x")
    for form in TEXT_FORMATS:
        output = shown(form, made)
        assert not INVISIBLE & set(map(unicodedata.category, output.replace("\n", ""))), form
    page = Tags(shown("html", made))
    assert page.tags == Tags(shown("html", plain)).tags
    assert clean(name, 400) in page.text
    root = ElementTree.fromstring(shown("junit", made))  # noqa: S314 - written by auditkit
    case = root.find("testsuite/testcase")
    assert case.attrib["name"] == f"1: {clean(name, 400)}"
    assert shown("sarif", made).isascii()
    for row in csv.reader(io.StringIO(shown("csv", made))):
        assert not any(cell.lstrip().startswith(("=", "+", "-", "@")) for cell in row)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@sum(A1)", " =1"])
def test_a_cell_that_reads_as_a_formula_is_prefixed(text):
    """Spreadsheets show such names, and run nothing."""
    _, row, *_ = csv.reader(io.StringIO(shown("csv", named(text))))
    assert row[0] == f"'{text}"


def test_markdown_shows_markup_letter_by_letter():
    """Neither links, pictures nor HTML of a name come alive."""
    output = shown("markdown", named("[a](https://b.example) <b>*x*</b> | www.c.example"))
    assert "\\[a\\](https\\://b.example) \\<b\\>\\*x\\*\\</b\\> \\| www\\.c.example" in output


def test_a_page_has_no_scripts_and_loads_nothing():
    """One file: no script, no address, and a policy that forbids both."""
    page = shown("html", REPORTS["every"])
    tags = {tag for tag, _ in Tags(page).tags}
    assert not tags & {"script", "link", "iframe", "object", "form"}
    assert "default-src 'none'" in html.unescape(page)
    assert not re.search(r"https?://|url\(|@import", page)


def test_the_verdict_comes_first():
    """The first lines say what, how sure, what is excluded, and what to do."""
    made = report(verdict(Decision.HOMOLOGOUS, line_up=LINED_UP, calibrated=True))
    for form in ("html", "markdown", "pdf"):
        told = Tags(shown(form, made)).text if form == "html" else shown(form, made)
        head = " ".join(told.partition("Who stands behind")[0].split())
        for part in ("omologous", "19 twins", "pruned", "distilled"):
            part = part.replace("19", str(LINED_UP.twins))
            assert part in head.replace("\\", ""), (form, part)
        assert "Nothing, unless a kind of copy" in head, form


@pytest.mark.parametrize("form", ["html", "markdown"])
def test_reasons_are_never_cut(form):
    """However long a reason is, its end is there."""
    long = " ".join(["because of this"] * 500) + " and the end"
    assert "and the end" in shown(form, report(verdict(reason=own(long))))


def test_pictures_are_shown_only_where_there_are_any():
    """Points come as data of the page itself, with what both answered."""
    made = report(verdict())
    seen = Compared((), (Pictured(b"\x89PNG", 3, 4), Pictured(b"\x89PNG", 3, None)))
    page = shown("html", replace(made, compared=(seen,)))
    assert page.count("data:image/png;base64,iVBORw==") == 2
    assert "suspect no answer" in page
    assert "<img" not in shown("html", made)


def test_agreement_is_told_by_family():
    """Each family's share is drawn and written."""
    seen = Compared((Agreement("core", 3, 4, (0.25, 0.5), "twins"),))
    made = replace(report(verdict()), compared=(seen,))
    assert "75%" in shown("html", made)
    assert "3 of 4" in shown("markdown", made)
    assert "3 of 4 answered" in shown("pdf", made)


def test_the_command_line_is_told():
    """A reader sees how the report was made."""
    made = replace(report(verdict()), command="auditkit check model.fp x.onnx")
    for form in ("html", "pdf", "sarif"):
        assert "auditkit check model.fp x.onnx" in shown(form, made)


def test_a_pdf_has_the_same_bytes_twice():
    """The time is that of the report, and there is no other chance in it."""
    assert shown("pdf", REPORTS["every"]) == shown("pdf", REPORTS["every"])


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("twins", [0, 19])
def test_the_plain_page_is_one_page(outcome, twins):
    """A lawyer reads at most 400 words, in the same four parts for every outcome."""
    made = report(outcome, bundle=summary(line_up=LineUpTerms(twins)))
    [page] = pages(made)
    words = " ".join(" ".join((part.question, *part.sentences)) for part in page.parts).split()
    assert len(page.parts) == 4
    assert 60 < len(words) <= 400


def test_the_plain_page_states_no_rate_without_twins():
    """What is not calibrated has no number that a reader could take for an error rate."""
    [page] = pages(report(verdict()))
    assert not re.search(r"\d", " ".join(page.parts[2].sentences))


def test_every_case_says_what_to_do_next():
    """No outcome leaves its reader alone."""
    assert all(case.steps for case in cases(REPORTS["every"]))


def test_the_mark_stands_where_accusations_begin():
    """A gap as large as the mark has the chance that the level allows, after three looks."""
    chance = 3 * gap_p(5.0, LINED_UP.twins, 1)
    found = replace(LINED_UP, gap=5.0, p_gap=chance)
    assert _needed(found, chance) == pytest.approx(5.0)
