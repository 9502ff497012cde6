"""Nothing invisible reaches a terminal."""

import sys
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from auditkit.core.escape import clean

TEXTS = st.text(st.characters())  # lone surrogates too
INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def test_every_code_point_is_shown():
    """For all of Unicode, each character comes out printable and in no invisible category."""
    for code in range(sys.maxunicode + 1):
        shown = clean(chr(code))
        assert shown.isprintable(), hex(code)
        assert not INVISIBLE & set(map(unicodedata.category, shown)), hex(code)


@given(TEXTS, st.integers(2, 50))
def test_length_is_bounded(text, limit):
    """However long a name is, its line isn't."""
    assert len(clean(text, limit)) <= limit


@given(TEXTS, st.integers(2, 50))
def test_cleaning_twice_changes_nothing(text, limit):
    """What is clean stays as it is."""
    once = clean(text, limit)
    assert clean(once, limit) == once


@given(TEXTS, st.integers(2, 50))
def test_nothing_is_dropped_silently(text, limit):
    """Either everything is there, or the text ends in an ellipsis."""
    whole = clean(text, 20 * len(text) + 2)
    assert clean(text, limit) == whole or clean(text, limit).endswith("…")


@given(st.text(alphabet=st.characters(categories=["Lu", "Ll", "Nd", "Po"]), max_size=20))
def test_plain_words_are_left_alone(text):
    """What anyone can read stays as it is (in NFC)."""
    assert clean(text) == unicodedata.normalize("NFC", text)
