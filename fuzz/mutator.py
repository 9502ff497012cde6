"""Changes bytes and JSON values at random, the same way for the same `Random`.

Mutants of bytes show that damage is noticed. Mutants of JSON are meant to be sealed again by the
harness, so that they get past hashes and reach what reads the meaning.
"""

import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

Change = Callable[[bytearray, Random, Sequence[bytes]], None]

LONGEST = 24
"""Bytes that are put in, taken out or moved at once."""
NUMBER = re.compile(rb"[0-9]+")
NUMBERS = (
    *(b"0", b"1", b"-1", b"00", b"1e999", b"-1e999", b"NaN", b"Infinity", b"1e-320", b"0.5"),
    *(b"4294967296", b"9223372036854775807", b"18446744073709551616", b"9" * 400, b"9" * 5000),
)
"""What a number in a text is replaced by."""
WORDS = ("", "core", "labels", "\x1b[2J", "\u202e", "\ud800", "../../x", "${PATH}", "x" * 300, "\0")
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2**31, 2**63, 2**64, 10**400, 0.5, -0.0, 1e308, 5e-324),
    *(float("inf"), float("nan"), [], {}, [[]], [None], {"": None}, *WORDS),
)
"""What a JSON value is replaced by; a copy of another part of the document comes besides."""


def changed(data: bytes, chance: Random, others: Sequence[bytes] = ()) -> bytes:
    """Return the bytes with one to four changes.

    Args:
        data: What is changed.
        chance: Decides what is changed, and how.
        others: Pieces that may be put in, such as other inputs of the harness.
    """
    found = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        chance.choice(CHANGES)(found, chance, others)
    return bytes(found)


def _flip(data: bytearray, chance: Random, _others: Sequence[bytes]) -> None:
    if data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _set(data: bytearray, chance: Random, _others: Sequence[bytes]) -> None:
    if data:
        data[chance.randrange(len(data))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, 0x22, 0x5C))


def _cut(data: bytearray, chance: Random, _others: Sequence[bytes]) -> None:
    del data[chance.randrange(len(data) + 1) :]


def _remove(data: bytearray, chance: Random, _others: Sequence[bytes]) -> None:
    start = chance.randrange(len(data) + 1)
    del data[start : start + chance.randrange(1, LONGEST)]


def _splice(data: bytearray, chance: Random, others: Sequence[bytes]) -> None:
    """Put a piece of these bytes, or of others, somewhere else."""
    source = chance.choice((bytes(data), *others))
    start = chance.randrange(len(source) + 1)
    place = chance.randrange(len(data) + 1)
    data[place:place] = source[start : start + chance.randrange(1, LONGEST)]


def _insert(data: bytearray, chance: Random, _others: Sequence[bytes]) -> None:
    place = chance.randrange(len(data) + 1)
    data[place:place] = chance.randbytes(chance.randrange(1, 9))


def _renumber(data: bytearray, chance: Random, _others: Sequence[bytes]) -> None:
    """Replace a number that is written as text, near a random place."""
    start = chance.randrange(len(data) + 1)
    found = NUMBER.search(data, start)
    if found is not None:
        data[found.start() : found.end()] = chance.choice(NUMBERS)


CHANGES: tuple[Change, ...] = (_flip, _flip, _set, _cut, _remove, _splice, _insert, _renumber)


def changed_value(value: Any, chance: Random) -> Any:
    """Return a JSON value with one to three changes; the value itself is left as it is."""
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        value = _changed_once(value, chance, value)
    return value


def _changed_once(value: Any, chance: Random, whole: Any) -> Any:
    """Change something within a value: the deeper it is, the more there is to go on into."""
    if isinstance(value, dict) and value and chance.random() < 0.85:
        key = chance.choice(list(value))
        return _changed_entry(value, key, chance, whole)
    if isinstance(value, list) and value and chance.random() < 0.85:
        place = chance.randrange(len(value))
        return _changed_list(value, place, chance, whole)
    return _other(value, chance, whole)


def _changed_entry(value: dict[str, Any], key: str, chance: Random, whole: Any) -> dict[str, Any]:
    way = chance.random()
    if way < 0.06:
        return {name: one for name, one in value.items() if name != key}
    if way < 0.1:
        return {**value, chance.choice(WORDS): value[key]}
    return {**value, key: _changed_once(value[key], chance, whole)}


def _changed_list(value: list[Any], place: int, chance: Random, whole: Any) -> list[Any]:
    way = chance.random()
    if way < 0.08:
        return [*value[:place], *value[place + 1 :]]
    if way < 0.16:
        return [*value, value[place]]
    return [*value[:place], _changed_once(value[place], chance, whole), *value[place + 1 :]]


def _other(value: Any, chance: Random, whole: Any) -> Any:
    """Return a value in place of another: a near one, an odd one, or a part of the document."""
    way = chance.random()
    if way < 0.35 and _is_small(value):
        return chance.choice((value + 1, value - 1, -value, value * 2, value // 2, value * 0.5))
    if way < 0.35 and isinstance(value, str) and value.isascii():
        return changed(value.encode(), chance).decode("utf-8", "surrogateescape")
    if way < 0.8:
        return chance.choice(ODD)
    return _part(whole, chance)


def _is_small(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and -1e300 < value < 1e300


def _part(whole: Any, chance: Random) -> Any:
    while isinstance(whole, dict | list) and whole and chance.random() < 0.7:
        whole = chance.choice(list(whole.values()) if isinstance(whole, dict) else whole)
    return whole
