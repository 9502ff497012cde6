"""Tokens come from the environment or a file, go into requests, and appear nowhere else."""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from auditkit.core.errors import SuspectLoadError

PLACE = re.compile(r"\$\{([^}]*)\}")
SENSITIVE = re.compile(r"auth|token|secret|api-?_?key|^key$|cookie|passw|signature|^sig$", re.I)
"""Names of headers and of query values that are no place for a literal secret."""
SHORTEST = 4
HIDDEN = "[hidden]"


class Secrets:
    """Fills `${NAME}` and `${file:PATH}` in, and knows what must not be shown."""

    def __init__(self) -> None:
        self._values: set[str] = set()

    def fill(self, text: str) -> str:
        """The text with every place filled in.

        Raises:
            SuspectLoadError: A variable is not set, or a file can't be read.
        """
        return PLACE.sub(lambda found: self._value(found[1]), text)

    def fill_address(self, url: str) -> str:
        """The same for an address, where a secret's own signs must not end its place."""
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
        if not value.isprintable() or not value.isascii():
            raise SuspectLoadError(f"{name!r} holds more than one line of plain characters")
        if len(value) >= SHORTEST:
            self._values |= {value, quote(value, safe=""), json.dumps(value)[1:-1]}
        return value

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Headers with every place filled in.

        Raises:
            SuspectLoadError: A secret is written out, or can't be filled in.
        """
        for name, value in headers.items():
            if SENSITIVE.search(name) and not PLACE.search(value):
                raise SuspectLoadError(
                    f"the header {name!r} must name its secret as ${{NAME}} of the environment or "
                    "${file:PATH}, not hold it"
                )
        return {name: self.fill(value) for name, value in headers.items()}

    def hide(self, text: str) -> str:
        """The text without any value that was filled in."""
        for value in self._longest_first():
            text = text.replace(value, HIDDEN)
        return text

    def scrub(self, body: bytes) -> bytes:
        """The same of bytes: a server that repeats a token does not get it into a report."""
        for value in self._longest_first():
            body = body.replace(value.encode(), HIDDEN.encode())
        return body

    def _longest_first(self) -> list[str]:
        """One secret may be part of another."""
        return sorted(self._values, key=len, reverse=True)


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise SuspectLoadError(f"the secret's file {path!r} can't be read") from error
