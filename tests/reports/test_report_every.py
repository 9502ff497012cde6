"""What holds for every report, whoever was audited and whatever they are called."""

import re
import zlib
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditkit import reports
from auditkit.core import plugins
from auditkit.core.access import Access
from auditkit.core.fingerprint import Discrimination
from auditkit.core.models import ReferenceKind, SuspectRecord
from auditkit.core.verdicts import (
    Decision,
    Identification,
    Outcome,
    Reason,
    Refusal,
    Verdict,
)
from auditkit.reports.base import BundleSummary, Report, Screen
from auditkit.reports.build import corrected

DIGEST = "sha256:" + "0123456789abcdef" * 4
RENDERERS = {name: plugins.load(reports, name) for name in plugins.names(reports)}
HOSTILE = {
    "colour": "\x1b[31mred",
    "link": "\x1b]8;;http://a.example\x07here\x1b]8;;\x07",
    "clipboard": "\x1b]52;c;aGk=\x07",
    "clear screen": "\x1b[2J\x1b[H",
    "eight-bit csi": "\x9b31m",
    "right to left": "\u202egpj.exe",
    "unknown markup": "[/nothing]",
    "markup": "[bold]x[/bold][link=http://a.example]y[/link]",
    "emoji code": ":warning:",
    "lines": "a\r\nHOMOLOGOUS\nb",
    "nothing": "",
    "surrogate": "\udc80",
    "long": "x" * 10_000,
    "long and wide": "模" * 10_000,
    "marks": "a\u0301" * 5_000,
}


def own(text: str) -> Reason:
    """A plug-in's own reason, which brings its words."""
    return Reason("own", {"text": text})


SO = own("answers so")


def summary(**changes) -> BundleSummary:
    """A bundle of one hundred core points and one stand-in, with these changes."""
    facts = {
        "digest": DIGEST,
        "method": "deepcore",
        "owner": "owner.pt",
        "owner_digest": DIGEST,
        "classes": 10,
        "points": {"core": 100, "control": 20},
        "discrimination": Discrimination.DISCRIMINATING,
        "reason": "copies keep 98% of the points",
        "references": Counter({ReferenceKind.STAND_IN: 1}),
        "created": "2026-01-01T00:00:00Z",
    }
    return BundleSummary(**(facts | changes))


def verdict(decision: Decision = Decision.PIRATED, **changes) -> Verdict:
    """A verdict on one suspect that reveals everything, with these changes."""
    facts = {
        "suspect": SuspectRecord("model.onnx", DIGEST, "onnx", {"onnxruntime": "1.30"}),
        "decision": decision,
        "reason": SO,
        "access": Access.LOGITS,
        "queries": 120,
        "answered": 119,
        "identifications": (
            Identification("clustering", None, own("needs twins")),
            Identification("label_similarity", decision, SO, 0.5, 0.85),
        ),
        "references": {ReferenceKind.STAND_IN: 1},
    }
    return Verdict(**(facts | changes))


def hostile(text: str) -> list[Outcome]:
    """A verdict and a refusal with the text wherever a file or a suspect can put it."""
    judged = verdict(
        suspect=SuspectRecord(text, None, text, {text: text}),
        reason=Reason(text, {"text": text}),
        identifications=(
            Identification(text, None, own(text)),
            Identification("label_similarity", Decision.PIRATED, own(text), 0.9, 0.85),
        ),
        notes=(text, text),
        disguises=(text,),
    )
    return [judged, Refusal(text, text, text)]


def hostile_summary(text: str) -> BundleSummary:
    """A bundle of a hostile owner."""
    names = ("method", "owner", "owner_digest", "reason", "created", "digest")
    return summary(points={text: 1}, **dict.fromkeys(names, text))


def report(*outcomes: Outcome, bundle: BundleSummary | None = None) -> Report:
    """A report on these outcomes."""
    versions = {"auditkit": "0.1.0"}
    return Report(
        bundle or summary(), outcomes, versions, "2026-01-02T00:00:00Z", corrected(outcomes)
    )


def shown(name: str, made: Report) -> str:
    """What this renderer writes; of a PDF its text."""
    written = RENDERERS[name](made, Screen())
    return written.decode() if name != "pdf" else text_of(written)


def text_of(pdf: bytes) -> str:
    """The pieces of text of a PDF, one a line, as it has them in its streams."""
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL)
    # Not `zlib.decompress`: a stream may end in a line end of its own.
    drawn = b"".join(zlib.decompressobj().decompress(one) for one in streams)
    pieces = re.findall(rb"\((.*?)(?<!\\)\) Tj", drawn, re.DOTALL)
    return "".join(f"{piece.decode('latin-1')}\n" for piece in pieces)


NUMBERS = st.none() | st.floats()
IDENTIFICATIONS = st.builds(
    Identification,
    st.text(min_size=1),
    st.none() | st.sampled_from(Decision),
    st.builds(own, st.text()),
    NUMBERS,
    NUMBERS,
)
STRINGS = st.dictionaries(st.text(), st.text(), max_size=2)
VERDICTS = st.builds(
    Verdict,
    st.builds(SuspectRecord, st.text(), st.none() | st.just(DIGEST), st.text(), STRINGS),
    st.sampled_from(Decision),
    st.builds(own, st.text(min_size=1)),
    st.sampled_from(Access),
    st.integers(1, 5000),
    st.integers(0, 5000),
    st.lists(IDENTIFICATIONS, min_size=1, max_size=3).map(tuple),
    st.dictionaries(st.sampled_from(ReferenceKind), st.integers(0, 99)),
    st.lists(st.text(), max_size=2).map(tuple),
)
REFUSALS = st.builds(Refusal, st.text(), st.text(min_size=1), st.text(min_size=1))
REPORTS = st.lists(VERDICTS | REFUSALS, max_size=3).map(lambda outcomes: report(*outcomes))


@pytest.mark.parametrize("name", RENDERERS)
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_is_shown_not_obeyed(name, text):
    """Nothing but printable characters and auditkit's own line ends comes out."""
    for outcomes in (hostile(text)[:1], hostile(text)[1:], hostile(text)):
        output = shown(name, report(*outcomes, bundle=hostile_summary(text)))
        assert all(line.isprintable() for line in output.split("\n"))
        assert output.endswith("\n")


# Lines of a PDF take long to break, so that fewer are tried.
@pytest.mark.parametrize("name", [name for name in RENDERERS if name != "pdf"])
@settings(max_examples=40, deadline=None)
@given(made=REPORTS)
def test_every_outcome_can_be_shown(name, made):
    """No outcome crashes a report, and none puts a control character into it."""
    assert all(line.isprintable() for line in shown(name, made).split("\n"))


@settings(max_examples=5, deadline=None)
@given(made=REPORTS)
def test_every_outcome_can_be_shown_as_a_pdf(made):
    """The same of PDF."""
    assert all(line.isprintable() for line in shown("pdf", made).split("\n"))


@pytest.mark.parametrize("name", RENDERERS)
def test_refused_never_reads_as_innocent(name):
    """Could not audit is named, with its reason, and no word of innocence is near."""
    output = shown(name, report(Refusal("gone.onnx", "no such file"), bundle=summary(points={})))
    assert "refused" in output.lower()
    assert "no such file" in output
    # Not the keys and counts of the JSON, nor the names of styles.
    told = re.sub(r'"(p_)?homologous": \S+|<style>.*?</style>', "", output, flags=re.DOTALL)
    assert not re.search("homologous|independent|innocent|clean", told, re.IGNORECASE)


@pytest.mark.parametrize("name", RENDERERS)
@pytest.mark.parametrize("outcome", [*map(verdict, Decision), Refusal("x", "y")], ids=str)
def test_wording_claims_no_more_than_was_measured(name, outcome):
    """A report neither proves anything nor states how likely it is."""
    output = " ".join(shown(name, report(outcome)).split()).lower()
    assert "proves" not in output
    assert "probability that" not in output
