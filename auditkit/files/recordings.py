"""Files of answers that a vendor recorded: npz or CSV, each row bound to its point if it says so.

Rows are found by a point's digest, its index in what `auditkit queries` wrote, or its picture's
file name. A file that tells none of these can only be read in order.
"""

import csv
import io
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PureWindowsPath
from typing import TypeVar

import numpy as np

from auditkit.core.arrays import Rows
from auditkit.core.errors import SuspectLoadError
from auditkit.core.escape import is_number

Key = TypeVar("Key", str, int)
NAMES = ("scores", "logits", "probabilities", "labels")
"""Arrays of an npz that hold answers."""
BINDING = {"query": "query", "queries": "query", "index": "index", "": "index", "file": "file"}
"""Columns that bind a row to its point; pandas writes its row numbers without a name."""
LABELS = ("label", "labels")
INPUT = re.compile(r"x\d+")
"""Columns of inputs, as `auditkit queries` writes them; a vendor may add the answers to them."""
NUMBERED = re.compile(r"(.*?)(\d{1,6})")
# Bundles hold some hundred points. The limits only keep a malicious file from filling the memory.
MOST_ROWS, MOST_BYTES = 1_000_000, 1 << 30
"""Most lines of a CSV, and most bytes of one array of an npz."""
FEWEST_IDS = 20
"""Rows from which on a column of different whole numbers can't be scores."""


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """The contents of a file of answers."""

    rows: Rows
    """(n, classes) scores or (n,) labels."""
    queries: dict[str, int] | None = None
    """Rows by their points' digests; None if the file does not repeat them."""
    index: dict[int, int] | None = None
    """Rows by the index of their points; None if the file does not tell it."""


def read_recording(source: str, data: bytes, classes: int | None) -> Recording:
    """Read recorded answers.

    Args:
        source: The file's name; what ends in .csv is a CSV, everything else an npz.
        data: Its contents.
        classes: How many classes the owner knows, if that is known.

    Raises:
        SuspectLoadError: It is something else, or does not tell what a column means.
    """
    if source.lower().endswith(".csv"):
        return _from_csv(source, data, classes)
    return _from_npz(source, data)


def _from_npz(source: str, data: bytes) -> Recording:
    try:
        _check_sizes(source, data)
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            found = [name for name in NAMES if name in archive]
            if not found:
                raise SuspectLoadError(
                    f"{source!r} has arrays {sorted(archive)}, wanted one of {', '.join(NAMES)}"
                )
            rows = archive[found[0]]
            bound = {name: archive[name] for name in ("queries", "index") if name in archive}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, AttributeError, TypeError) as error:
        raise SuspectLoadError(f"{source!r} is not an npz of plain arrays") from error
    if rows.ndim < 1:
        raise SuspectLoadError(f"{source!r} has one number as {found[0]!r}, wanted one row a point")
    for name, array in bound.items():
        if array.shape != (len(rows),):
            raise SuspectLoadError(f"{source!r} has {array.shape} {name} for {len(rows)} answers")
    return _bound(
        source, rows, {name.replace("queries", "query"): a.tolist() for name, a in bound.items()}
    )


def _check_sizes(source: str, data: bytes) -> None:
    """Refuse arrays that claim to be larger than their bytes or than `MOST_BYTES`.

    Raises:
        SuspectLoadError: An array claims too much.
        ValueError: A member is no array.
    """
    # numpy allocates what an array's header claims before it reads the data, so that a file of a
    # few bytes could take all memory. zipfile's file_size bounds what a member really holds.
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for member in archive.infolist():
            with archive.open(member) as file:
                version = np.lib.format.read_magic(file)
                read = (
                    np.lib.format.read_array_header_1_0
                    if version == (1, 0)
                    else np.lib.format.read_array_header_2_0
                )
                shape, _, dtype = read(file)
            claimed = dtype.itemsize * int(np.prod([float(size) for size in shape]))
            if claimed > min(MOST_BYTES, member.file_size):
                raise SuspectLoadError(
                    f"{source!r} claims {claimed:.2g} bytes as {member.filename!r}, more than it "
                    "holds or than answers need; record the answers anew"
                )


def _from_csv(source: str, data: bytes, classes: int | None) -> Recording:
    # Counted before parsing, because the parsed rows take many times the size of the text.
    lines = data.count(b"\n")
    if lines > MOST_ROWS:
        raise SuspectLoadError(
            f"{source!r} has {lines} lines, wanted an answer for each of the points that "
            "`auditkit queries` wrote"
        )
    wanted = "a column 'label', or one column of scores for each class, and 'index'"
    try:
        # Excel writes a byte order mark, which would become part of the first column's name.
        header, *rows = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""))
        rows = [row for row in rows if any(cell.strip() for cell in row)]
        names = [name.strip().lower() for name in header]
        _check_header(source, names)
        answers = _answer_columns(source, names, classes)
        table = np.array([[_number(row[i]) for i in answers] for row in rows], np.float64)
        binding = [i for i, name in enumerate(names) if name in BINDING]
        bound = {BINDING[names[i]]: [row[i] for row in rows] for i in binding}
    except (UnicodeDecodeError, ValueError, IndexError, csv.Error) as error:
        raise SuspectLoadError(
            f"{source!r} must be a CSV of a header and numbers: {wanted}"
        ) from error
    if not table.size:
        raise SuspectLoadError(f"{source!r} has a header and no answers; record them all")
    _check_scores(source, [header[i] for i in answers], table)
    whole = table[:, 0] if len(answers) == 1 else table.astype(np.float32)
    return _bound(source, whole, bound)


def _number(cell: str) -> float:
    text = cell.strip()
    return float(text) if text else float("nan")  # an empty cell is no answer


def _check_header(source: str, names: list[str]) -> None:
    """Notice where the first row holds answers.

    Raises:
        SuspectLoadError: It does, or it names a column twice.
    """
    counted = names == [str(number) for number in range(len(names))]
    if names and not counted and all(is_number(name) for name in names):
        raise SuspectLoadError(
            f"{source!r} has no header: the first row is {', '.join(names[:4])}…; write one with "
            "'label' or a name for each class, and 'index'"
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SuspectLoadError(f"{source!r} has two columns {twice[0]!r}")


def _answer_columns(source: str, names: list[str], classes: int | None) -> list[int]:
    """Return the places of the columns that hold answers, scores in the order of their classes.

    Raises:
        SuspectLoadError: It can't be told what a column is.
    """
    known = [name in BINDING or INPUT.fullmatch(name) is not None for name in names]
    rest = [place for place, is_known in enumerate(known) if not is_known]
    labels = [place for place in rest if names[place] in LABELS]
    scores = [place for place in rest if place not in labels]
    if not scores and labels:
        return labels[:1]
    if len(scores) > 1 and (numbered := _numbered([names[place] for place in scores])):
        return [scores[place] for place in numbered]
    if len(scores) > 1 and classes in (None, len(scores)):
        return scores
    listed = ", ".join(repr(names[place][:20]) for place in scores[:6]) or "none"
    raise SuspectLoadError(
        f"{source!r} has columns {listed}{', …' if len(scores) > 6 else ''} besides "
        f"{', '.join(sorted({*BINDING.values()}))} and label; wanted 'label', or a score for each "
        f"of the {classes or 'owner’s'} classes; take the others out, or name scores 0, 1, 2, …"
    )


def _numbered(names: Sequence[str]) -> list[int]:
    """Return the order of columns such as `score_0`, `score_1`; none if they are not counted."""
    found = [NUMBERED.fullmatch(name) for name in names]
    if not all(found) or len({one[1] for one in found if one}) > 1:
        return []
    numbers = [int(one[2]) for one in found if one]
    order = sorted(range(len(numbers)), key=lambda place: numbers[place])
    return order if sorted(numbers) == list(range(len(numbers))) else []


def _check_scores(source: str, names: list[str], table: Rows) -> None:
    """Refuse a column of row numbers among scores.

    Raises:
        SuspectLoadError: There is one.
    """
    if len(names) < 2 or len(table) < FEWEST_IDS:
        return
    for name, column in zip(names, table.T, strict=True):
        if len(np.unique(column)) == len(column) and (column == np.round(column)).all():
            raise SuspectLoadError(
                f"{source!r} has row numbers as {name!r}, no scores; call the column 'index' if "
                "they are those of `auditkit queries`, or take it out"
            )


def _bound(source: str, rows: Rows, bound: dict[str, list[str]]) -> Recording:
    """Return the answers with what binds them to their points.

    Raises:
        SuspectLoadError: Two rows answer one point, or an index is none.
    """
    if "query" in bound:
        return Recording(rows, queries=_places(source, "query", list(map(str, bound["query"]))))
    name = next((name for name in ("index", "file") if name in bound), None)
    if name is None:
        return Recording(rows)
    try:
        numbers = [_index(cell) for cell in bound[name]]
    except ValueError as error:
        raise SuspectLoadError(
            f"{source!r} has an {name} that is none: {str(error)[:60]}; repeat those of "
            "`auditkit queries`"
        ) from error
    return Recording(rows, index=_places(source, name, numbers))


def _index(cell: str | float) -> int:
    """Read an index, or the number in a picture's name: `asked/0017.png`."""
    text = PureWindowsPath(str(cell).strip()).name  # takes slashes of both kinds
    number = float(text.rpartition(".")[0] if text.lower().endswith((".png", ".jpg")) else text)
    if number != int(number) or number < 0:
        raise ValueError(repr(cell))
    return int(number)


def _places(source: str, name: str, keys: list[Key]) -> dict[Key, int]:
    places = {key: place for place, key in enumerate(keys)}
    if len(places) < len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        raise SuspectLoadError(f"{source!r} has two rows of {name} {str(twice)[:20]}")
    return places
