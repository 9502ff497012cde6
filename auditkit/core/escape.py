"""Text from files and suspects, made harmless before it reaches a terminal or a report."""

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
"""What Unicode files under letters, marks and symbols, and yet nobody sees: two names that differ
only in these look the same."""


def clean(text: str, limit: int = 120) -> str:
    r"""Show what is invisible as `\u{1b}`, normalise to NFC, and cut to `limit` characters.

    Cleaning twice changes nothing.

    Args:
        text: Anything, lone surrogates and control characters included.
        limit: Greatest length of the result; 2 or more. What is cut ends in an ellipsis.
    """
    longest = 4 * limit  # NFC makes one character of at most four, so nothing longer can fit
    shown = "".join(map(_visible, unicodedata.normalize("NFC", text[:longest])))
    whole = len(text) <= longest and len(shown) <= limit
    return shown if whole else shown[: limit - 1] + "…"


def _visible(char: str) -> str:
    return char if char.isprintable() and char not in BLANKS else f"\\u{{{ord(char):x}}}"


def first_line(error: BaseException) -> str:
    """The first line of a foreign error's message, cut to 200 characters; else its type's name."""
    try:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    except Exception:  # a stranger's error may fail even at telling what it is
        lines = []
    return lines[0][:200] if lines else type(error).__name__
