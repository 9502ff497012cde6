"""Secrets: read from the environment or a file, sent with requests, removed from replies."""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from auditkit.core.errors import SuspectLoadError

PLACE = re.compile(r"\$\{([^}]*)\}")
SENSITIVE = re.compile(r"auth|token|secret|api-?_?key|^key$|cookie|passw|signature|^sig$", re.I)
"""Names of headers and query parameters whose value must not be written out."""
# Hiding a shorter value would blank out parts of innocent words and numbers, and so damage answers.
SHORTEST = 4
"""Length of the shortest value that is hidden."""
HIDDEN = "[hidden]"


class Secrets:
    """Replaces `${NAME}` and `${file:PATH}` by their values, and hides these in texts."""

    def __init__(self) -> None:
        self._values: set[str] = set()

    def fill(self, text: str) -> str:
        """Replace every `${NAME}` and `${file:PATH}` in a text.

        Raises:
            SuspectLoadError: A variable is not set, or a file can't be read.
        """
        return PLACE.sub(lambda found: self._value(found[1]), text)

    def fill_address(self, url: str) -> str:
        """Like `fill`, with values percent-encoded: `&` in a token must not end the parameter."""
        return PLACE.sub(lambda found: quote(self._value(found[1]), safe=""), url)

    def _value(self, name: str) -> str:
        if name.startswith("file:"):
            value = _read(name.removeprefix("file:"))
        elif name in os.environ:
            value = os.environ[name]
        else:
            raise SuspectLoadError(
                f"the environment has no {name!r}; set it, or take the secret out"
            )
        # A line break in a header would let the value add headers of its own.
        if not value.isprintable() or not value.isascii():
            raise SuspectLoadError(f"{name!r} holds more than one line of plain characters")
        # A server may repeat it as it was sent, from the address, or within JSON.
        if len(value) >= SHORTEST:
            self._values |= {value, quote(value, safe=""), json.dumps(value)[1:-1]}
        return value

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Fill in the values of headers.

        Raises:
            SuspectLoadError: A secret is written out, or its variable or file is missing.
        """
        for name, value in headers.items():
            if SENSITIVE.search(name) and not PLACE.search(value):
                raise SuspectLoadError(
                    f"the header {name!r} must name its secret as ${{NAME}} of the environment or "
                    "${file:PATH}, not hold it"
                )
        return {name: self.fill(value) for name, value in headers.items()}

    def hide(self, text: str) -> str:
        """Replace every secret that was filled in so far by `[hidden]`."""
        for value in self._longest_first():
            text = text.replace(value, HIDDEN)
        return text

    def scrub(self, body: bytes) -> bytes:
        """Like `hide`, for the bytes of a reply."""
        for value in self._longest_first():
            body = body.replace(value.encode(), HIDDEN.encode())
        return body

    def _longest_first(self) -> list[str]:
        # If one secret is part of another, hiding the shorter one first would leave the rest.
        return sorted(self._values, key=len, reverse=True)


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise SuspectLoadError(f"the secret's file {path!r} can't be read") from error
