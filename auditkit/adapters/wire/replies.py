"""Reads what APIs reply as JSON: texts that hold JSON, numbers with signs, classes by name."""

import json
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

import numpy as np

from auditkit.core.arrays import DoubleArray, Json
from auditkit.core.errors import ReplyError
from auditkit.core.escape import is_number

SHOWN = 120
"""Characters of a reply that an error repeats."""
NUMBERED = re.compile(r"(?:label|class)[ _-]?(\d{1,9})", re.I)
"""Names that libraries give to classes without one, such as `LABEL_3`."""


def unpacked(value: Json) -> Json:
    """Return a JSON value in which each text that holds an object or a list is read as JSON.

    Gateways wrap a model's reply as a text, some of them twice.
    """
    if isinstance(value, dict):
        return {key: unpacked(item) for key, item in value.items()}
    if isinstance(value, list):
        return [unpacked(item) for item in value]
    if not isinstance(value, str) or value.lstrip()[:1] not in ("{", "[", '"'):
        return value
    try:
        return unpacked(json.loads(value))
    except (ValueError, RecursionError):
        return value  # a text that begins like JSON


def excerpt(value: Json) -> str:
    """Return the beginning of a reply, for a message."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def number(value: Json) -> float:
    """Return a number that may be written as a text, or in percent.

    Raises:
        ValueError, TypeError: It is none.
    """
    if isinstance(value, str) and value.rstrip().endswith("%"):
        return float(value.rstrip()[:-1]) / 100
    if isinstance(value, bool):
        raise TypeError("true and false are no scores")
    try:
        return float("nan") if value is None else float(value)
    except OverflowError as error:
        raise ValueError("a number that no float can hold") from error


def numbers(value: Json) -> DoubleArray:
    """Return numbers in nested lists of one length each as an array; null becomes NaN.

    Raises:
        ValueError, TypeError: They are something else.
    """

    def read(item: Json) -> Json:
        return [read(one) for one in item] if isinstance(item, list) else number(item)

    try:
        return np.asarray(value, np.float64)
    except (ValueError, TypeError, OverflowError):
        return np.asarray(read(value), np.float64)


class Names:
    """Finds the number of a class by what an API calls it."""

    def __init__(self, classes: Iterable[str], others: Iterable[str] = ()) -> None:
        """Prepare to look names up.

        Args:
            classes: Names in the owner's order; none if the API numbers its classes.
            others: Names of classes that the owner does not have.
        """
        self._listed = tuple(classes)
        named = dict(zip(self._listed, range(len(self._listed)), strict=True))
        named |= dict.fromkeys(others, -1)
        # Another case or spacing is the same name, unless that would make two classes one.
        count = Counter(_loose(name) for name in named)
        self._exact = named
        self._alike = {
            _loose(name): found for name, found in named.items() if count[_loose(name)] == 1
        }
        # Where a class is called "20", the number 20 is its name.
        self._names_are_numbers = any(is_number(name) for name in named)

    def number(self, label: Json) -> int | None:
        """Return a class's number, -1 if the owner does not have it; None if nobody named it.

        Raises:
            ReplyError: It is neither a number nor a name, or names are not known.
        """
        if label is None:
            return -1
        if isinstance(label, bool) or not isinstance(label, str | int | float):
            raise ReplyError(f"wanted a class's name or number, got {excerpt(label)}")
        text = str(label)
        found = self._exact.get(text, self._alike.get(_loose(text)))
        if found is not None:
            return found
        if not self._names_are_numbers and is_number(text):
            return _class(float(text))
        if self._listed:
            return None
        numbered = NUMBERED.fullmatch(text.strip())
        if numbered is None:
            raise ReplyError(
                f"labels are names ({text[:40]!r}); list them in the owner's order as classes in "
                "[response]",
                final=True,
            )
        return int(numbered[1])


def _class(value: float) -> int:
    """A number as that of a class; -1 where it can't be one.

    Raises:
        ReplyError: It has decimals, as scores have.
    """
    if not math.isfinite(value) or value < 0:
        return -1
    if value != int(value):
        raise ReplyError(f"wanted a class's name or number, got {value:g}")
    return int(value)


def _loose(name: str) -> str:
    """A name without case, spacing and underlines; a number as numbers are written."""
    if is_number(name):
        return repr(float(name))
    return " ".join(re.split(r"[\s_-]+", unicodedata.normalize("NFKC", name).casefold().strip()))
