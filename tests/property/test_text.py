"""Nothing invisible reaches a terminal."""

import sys

from hypothesis import given
from hypothesis import strategies as st

from auditkit.text import clean


def test_every_code_point_is_shown():
    """For all of Unicode, what is left is printable."""
    for start in range(0, sys.maxunicode + 1, 64):
        block = "".join(map(chr, range(start, min(start + 64, sys.maxunicode + 1))))
        assert clean(block, 10_000).isprintable()


@given(st.text(), st.integers(2, 50))
def test_length_is_bounded(text, limit):
    """However long a name is, its line isn't."""
    assert len(clean(text, limit)) <= limit


@given(st.text(alphabet=st.characters(categories=["Lu", "Ll", "Nd", "Po"]), max_size=20))
def test_plain_words_are_left_alone(text):
    """What anyone can read stays as it is (in NFC)."""
    import unicodedata

    assert clean(text) == unicodedata.normalize("NFC", text)
