"""The report for people."""

import io
import re

import pytest
from rich.cells import cell_len
from rich.console import Console

from auditkit.core.access import Access
from auditkit.core.commitment import Commitment
from auditkit.core.fingerprint import Discrimination
from auditkit.core.verdicts import Decision, Identification, LineUp, Place, Refusal, Verdict
from auditkit.reports.accuser import POINTS, standing
from auditkit.reports.base import Screen
from auditkit.reports.terminal import WORDS, render_terminal, renderables
from tests.reports.test_report_every import (
    DIGEST,
    HOSTILE,
    SO,
    hostile,
    own,
    report,
    summary,
    verdict,
)

KINDS = [*map(verdict, Decision), Refusal("gone.onnx", "no such file")]
TITLES = ["PIRATED", "INDEPENDENT (homologous)", "INCONCLUSIVE", "REFUSED"]
SGR = re.compile(r"\x1b\[[0-9;]*m")


TERMINAL = Screen(colours=True)


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    """80 columns and a terminal of many colours, whatever runs the tests."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm-256color")


def text(*outcomes, screen=Screen(), **changes) -> str:
    """What is printed of these outcomes and a bundle with these changes."""
    made = report(*outcomes, bundle=summary(**changes))
    return render_terminal(made, screen).decode(screen.encoding)


def words(*outcomes, **changes) -> str:
    """The same on one line, without frames."""
    return " ".join(re.sub(r"[─-╿]", " ", text(*outcomes, **changes)).split())


@pytest.mark.parametrize(("outcome", "title"), list(zip(KINDS, TITLES, strict=True)))
def test_the_verdict_comes_first(outcome, title):
    """Before the suspect's name, which could pretend to be one; only the bundle stands above."""
    above = " ".join((*Commitment().told(), POINTS))
    assert words(outcome).startswith(f"{above} {title}")


@pytest.mark.parametrize("decision", Decision)
def test_the_headline_says_whether_an_error_rate_is_known(decision):
    """Who copies no more than the box copies the doubt with it."""
    box = words(verdict(decision)).partition("Why")[0]
    assert "uncalibrated: no error rate is known" in box
    box = words(verdict(decision, line_up=lined_up(), calibrated=True)).partition("Why")[0]
    assert "calibrated by 19 twins" in box
    assert "uncalibrated" not in box


def test_of_several_suspects_the_verdicts_come_first():
    """A table leads; its first column has the verdict, and whether no error rate is known."""
    lines = text(*KINDS).splitlines()
    lines = lines[lines.index("") + 1 :]  # who stands behind the bundle comes before
    rows = [line.split()[0] for line in lines[: lines.index("Why")] if line[:1].isalpha()]
    verdicts = [row for row in rows if row != "uncalibrated"]
    assert verdicts == ["verdict", "pirated", "independent", "inconclusive", "refused"]
    assert rows.count("uncalibrated") == sum(
        isinstance(one, Verdict) and not one.calibrated for one in KINDS
    )


def test_reasons_in_the_table_are_whole():
    """They wrap; a reader of the table alone must not miss their end."""
    table = " ".join(text(*KINDS).split("Why")[0].split())
    assert "…" not in table


def test_every_decision_has_its_words():
    """A name, a meaning and a limit of its own for each."""
    assert set(WORDS) == set(Decision)
    for field in ("name", "meaning", "limit", "style"):
        assert len({getattr(told, field) for told in WORDS.values()}) == len(Decision)


@pytest.mark.parametrize(
    ("outcome", "meaning", "limit"),
    [
        (KINDS[0], "derived from the owner's model", "nothing about who copied"),
        (KINDS[1], "kinds that are excluded", "named as excluded, not against others"),
        (KINDS[2], "neither claim is supported", "neither an acquittal nor an accusation"),
        (KINDS[3], "no verdict", "neither cleared nor accused"),
    ],
)
def test_a_verdict_is_explained_and_limited(outcome, meaning, limit):
    """What it means stands above the reason, what it cannot tell below everything."""
    told = words(outcome)
    assert told.index(meaning) < told.index("Why")
    assert told.index("What this cannot tell") < told.index(limit)
    assert limit not in words(*(kind for kind in KINDS if kind is not outcome))


def test_homologous_is_always_explained(monkeypatch):
    """The word never stands without what it means here."""
    monkeypatch.setenv("COLUMNS", "120")
    told = words(verdict(Decision.HOMOLOGOUS))
    assert told.lower().count("homologous") >= 2
    assert not re.search(r"(?<!independent \()homologous", told, re.IGNORECASE)


def test_sections_come_in_their_order():
    """Verdict, why, how sure, what was run on what, limits."""
    titles = ["Why", "How sure", "What was run on what", "What this cannot tell"]
    lines = text(KINDS[0]).splitlines()
    assert [line for line in lines if line in titles] == titles


def test_a_refusal_alone_is_not_sure_of_anything():
    """Who was not examined has a reason, and no measurement behind it."""
    told = words(KINDS[-1])
    assert "no such file" in told
    assert "How sure" not in told


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("hostile_text", HOSTILE.values(), ids=HOSTILE)
def test_lines_fit_the_terminal(monkeypatch, width, hostile_text):
    """No line is wider than the terminal, whatever a suspect is called."""
    monkeypatch.setenv("COLUMNS", str(width))
    for outcomes in (KINDS, hostile(hostile_text)):
        lines = text(*outcomes).splitlines()
        assert max(map(cell_len, lines)) <= width


def test_digests_are_whole_at_80_columns():
    """The suspect's, the owner's and the bundle's can each be copied from one line."""
    digest = DIGEST.removeprefix("sha256:")
    assert sum(digest in line for line in text(KINDS[0]).splitlines()) == 3


@pytest.mark.parametrize("escape", [value for name, value in HOSTILE.items() if name != "long"])
def test_a_terminal_gets_colours_and_nothing_else(escape):
    """On a terminal the only control sequences are auditkit's colours."""
    coloured = text(*hostile(escape), screen=TERMINAL)
    assert "\x1b[1;31m" in coloured
    assert all(line.isprintable() for line in SGR.sub("", coloured).split("\n"))


def test_no_colour_is_respected(monkeypatch):
    """`NO_COLOR` and pipes get none."""
    assert "\x1b" not in text(*KINDS)
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", text(*KINDS, screen=TERMINAL))


def test_markup_is_text_on_any_console():
    """Whoever prints the parts gets brackets as they are."""
    console = Console(file=io.StringIO(), width=100)
    for part in renderables(report(*hostile("[bold]x[/nothing]"))):
        console.print(part)
    assert "suspect: [bold]x[/nothing]" in console.file.getvalue()


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_screen_of_few_characters_gets_escapes(encoding):
    """A console that can't encode a name shows the verdict all the same."""
    output = text(Refusal("模.onnx", "no such file"), screen=Screen(encoding))
    assert "REFUSED" in output
    assert r"\u6a21.onnx" in output


def test_numbers_are_shown_with_their_threshold():
    """Three digits tell a value just below a threshold from it; no number is a dash."""
    opinions = (
        Identification("label_similarity", Decision.INCONCLUSIVE, SO, 0.846, 0.85),
        Identification("output_similarity", None, own("needs probabilities"), float("nan")),
    )
    told = words(verdict(Decision.INCONCLUSIVE, identifications=opinions))
    assert "label similarity 0.846 0.850 undecided" in told
    assert "output similarity - - abstains: needs probabilities" in told


def test_how_sure_says_what_stands_behind():
    """References, stand-ins and the measurement of uniqueness; no error rate either way."""
    told = words(KINDS[0], discrimination=Discrimination.UNMEASURED, reason="there were no samples")
    assert "Uncalibrated" in told
    assert "No error rate is stated: that takes twins of the owner's model" in told
    assert "The fingerprint is unmeasured: there were no samples. Its stand-ins: 1." in told
    assert "Its siblings: none were tried (none were asked for" in told


def lined_up(**changes) -> LineUp:
    """A copy before the owner and 19 twins, with these changes."""
    places = (Place("core labels", (0.9, *[0.0] * 18, 0.1), 30.0),)
    facts = {
        "access": Access.LABEL,
        "places": places,
        "p": 0.05,
        "gap": 30.0,
        "p_gap": 6e-6,
        "like_twin": False,
        "excluded": (),
        "unseen": ("noisy",),
    }
    return LineUp(**(facts | changes))


def test_what_a_line_up_carries_is_told():
    """The exact rank with its floor, the size of the gap with its assumption, the twins' part."""
    told = words(verdict(line_up=lined_up(), calibrated=True))
    assert "Uncalibrated" not in told
    for fact in (
        "compared with the owner and 19 twins of it",
        "the owner takes such a place with probability p 0.05",
        "With 19 twins p can't be less than 0.05",
        "30.0 deviations, which happens to 6e-06 of innocent suspects if likenesses are normally",
        "All of this rests on the twins",
    ):
        assert fact in told


def test_several_suspects_are_told_what_remains_after_correction():
    """Two accusations at 1e-5 don't both stand at 1e-5 for the pair; the verdicts stay."""
    found = verdict(line_up=lined_up(), calibrated=True)
    told = words(found, found)
    assert "2 suspects were compared at once: of 0 so large a gap still comes by chance" in told
    assert "after Holm's correction, of 2 after Benjamini and Hochberg's" in told
    assert told.count("pirated") > 1


def test_what_was_run_on_what_is_complete():
    """Suspect, runtime, access, counts, owner, bundle, tools, times and notes."""
    told = words(verdict(notes=("only labels were used",)))
    for fact in (
        "suspect model.onnx",
        "through onnx (onnxruntime 1.30)",
        "access logits; 119 of 120 points answered",
        "note only labels were used",
        "owner owner.pt (10 classes)",
        "bundle deepcore, 100 core, 20 control points",
        "tools auditkit 0.1.0",
        "made bundle 2026-01-01T00:00:00Z, report 2026-01-02T00:00:00Z",
    ):
        assert fact in told


def test_a_chosen_seed_is_told():
    """Whoever tries many seeds may find one that suits; the usual one says nothing."""
    made, chosen = (report(KINDS[0], bundle=summary(seed=seed)) for seed in (0, 17))
    assert not any("seed is" in told for told in standing(made))
    assert any("Its seed is 17 and not 0" in told for told in standing(chosen))
