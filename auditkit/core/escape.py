"""Text from files and suspects: read as numbers, or made harmless for a terminal or a report."""

import unicodedata

BLANKS = frozenset(
    map(
        chr,
        (
            0x034F,  # combining grapheme joiner
            *(0x115F, 0x1160, 0x3164, 0xFFA0),  # Hangul fillers
            *(0x17B4, 0x17B5),  # Khmer inherent vowels
            *(0x180B, 0x180C, 0x180D, 0x180F),  # Mongolian variation selectors
            0x2800,  # Braille blank
            *range(0xFE00, 0xFE10),  # variation selectors
            *range(0xE0100, 0xE01F0),  # and their supplement
        ),
    )
)
"""Invisible characters that Unicode counts as letters, marks or symbols: two names that differ only
in these look the same, so `str.isprintable` is not enough."""


def clean(text: str, limit: int = 120) -> str:
    r"""Return the text in NFC, cut to `limit` characters, with invisible characters as `\u{1b}`.

    Cleaning a cleaned text changes nothing.

    Args:
        text: Any text; lone surrogates and control characters are allowed.
        limit: Greatest length of the result, 2 or more. A text that is cut ends in an ellipsis.
    """
    # NFC merges at most four characters into one, so text beyond this can't fit. It is cut first,
    # so that a name of a gigabyte is never normalised.
    longest = 4 * limit
    shown = "".join(map(_visible, unicodedata.normalize("NFC", text[:longest])))
    whole = len(text) <= longest and len(shown) <= limit
    return shown if whole else shown[: limit - 1] + "…"


def _visible(char: str) -> str:
    return char if char.isprintable() and char not in BLANKS else f"\\u{{{ord(char):x}}}"


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, at most 200 characters, or its type's name."""
    try:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    except Exception:  # a stranger's error may fail even at telling what it is
        lines = []
    return lines[0][:200] if lines else type(error).__name__


def is_number(text: str) -> bool:
    """Return whether a text is written as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True
