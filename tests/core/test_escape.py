"""What `clean` makes of single hostile texts."""

import pytest

from auditkit.core.escape import clean


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31m", r"\u{1b}[31m"),
        ("\x1b]8;;http://a\x07", r"\u{1b}]8;;http://a\u{7}"),
        ("a\nb\tc\x00", r"a\u{a}b\u{9}c\u{0}"),
        ("\x7f\x9b", r"\u{7f}\u{9b}"),
        ("\u202egpj.exe", r"\u{202e}gpj.exe"),
        ("\u2066\u2069\u200f\u061c", r"\u{2066}\u{2069}\u{200f}\u{61c}"),
        ("a\u200bb\u2060c\ufeff", r"a\u{200b}b\u{2060}c\u{feff}"),
        ("\u2028\u2029", r"\u{2028}\u{2029}"),
        ("\ud800", r"\u{d800}"),
        ("\ue000\uffff", r"\u{e000}\u{ffff}"),
        ("\U000e0041", r"\u{e0041}"),
        ("a\ufe0fb\U000e0100", r"a\u{fe0f}b\u{e0100}"),
        ("a\u3164\u034f\u2800", r"a\u{3164}\u{34f}\u{2800}"),
        ("a\u00a0b", r"a\u{a0}b"),
    ],
)
def test_what_nobody_sees_is_shown(text, shown):
    """Controls, directions, zero widths, surrogates, tags and blanks become their numbers."""
    assert clean(text) == shown


@pytest.mark.parametrize("text", ["model.onnx", "[bold]x[/]", "модель №3", "模型", "e\u0301"])
def test_what_is_readable_stays(text):
    """Words of any script stay, composed; markup is only text."""
    assert clean(text) == text.replace("e\u0301", "\u00e9")


def test_what_is_cut_ends_in_an_ellipsis():
    """Nothing is dropped silently, not even where composing makes a long text short."""
    assert clean("x" * 120) == "x" * 120
    assert clean("x" * 121) == "x" * 119 + "…"
    assert clean("α\u0313\u0300\u0345" * 3, 2) == "ᾂ…"
