"""Text from files and suspects, made harmless before it reaches a terminal or a report."""

import unicodedata

INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Unicode categories that a terminal may obey or hide instead of showing them."""


def clean(text: str, limit: int = 120) -> str:
    r"""Show what is invisible as `\u{1b}`, normalise to NFC, and cut to `limit` characters.

    Args:
        text: Anything, lone surrogates and control characters included.
        limit: Greatest length of the result; 2 or more.
    """
    shown = "".join(_visible(char) for char in unicodedata.normalize("NFC", text[: 4 * limit]))
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def _visible(char: str) -> str:
    hidden = unicodedata.category(char) in INVISIBLE or not char.isprintable()
    return f"\\u{{{ord(char):x}}}" if hidden else char
