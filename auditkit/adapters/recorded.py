"""Answers that a vendor recorded, as npz or CSV, in the order that `auditkit queries` wrote."""

import csv
import io
import zipfile
from dataclasses import dataclass

import numpy as np

from auditkit.adapters.base import Kind, Port, Values, read_file
from auditkit.core.arrays import Rows
from auditkit.core.errors import QueryError, SuspectLoadError
from auditkit.core.points import point_digest
from auditkit.core.provenance import sha256
from auditkit.core.requests import Options

__all__ = ["recorded"]

NAMES = ("scores", "logits", "probabilities", "labels")
# Bundles hold some hundred points. The limits only keep a malicious file from filling the memory.
MOST_ROWS, MOST_BYTES = 1_000_000, 1 << 30
"""Most lines of a CSV, and most bytes of one array of an npz."""


@dataclass(frozen=True, slots=True, eq=False)
class _Recording:
    """The contents of a file of answers."""

    rows: Rows
    """(n, classes) scores or (n,) labels."""
    queries: Rows | None = None
    """(n,) the points' digests as texts; None if the file does not repeat them."""


class RecordedAdapter:
    """Answers the n-th new point with the n-th recorded row.

    An npz holds one of `scores`, `logits`, `probabilities` (n, classes) or `labels` (n,). It may
    also hold `queries`, the points' digests, so that rows in another order are detected. A CSV has
    a header and either one column `label` or one column of scores for each class.
    """

    def __init__(self, source: str, options: Options) -> None:  # noqa: ARG002 - the interface
        data = read_file(source)
        digest = sha256(data)
        self.port = Port(digest, digest, values=Values.POINTS)
        self.runtime = {"recorded": source}
        reader = _from_csv if source.lower().endswith(".csv") else _from_npz
        self._recording = reader(source, data)
        self._served: dict[str, int] = {}

    def answer(self, batch: Rows) -> Rows:
        """See `Adapter.answer`. New points must come in the order that `auditkit queries` wrote."""
        places = [self._place(point_digest(point)) for point in batch]
        served: Rows = self._recording.rows[places]
        return served

    def _place(self, point: str) -> int:
        """Row of the answer to the point with this digest.

        Raises:
            QueryError: There are too few rows, or the row is known to answer another point.
        """
        # Points are counted by digest, because an audit asks some of them again: controls that
        # reveal the pixel range, for example. The repeated point must get the row it got before.
        rows, queries = self._recording.rows, self._recording.queries
        place = self._served.setdefault(point, len(self._served))
        if place >= len(rows):
            raise QueryError(
                f"{len(rows)} answers are recorded, more points are asked; "
                "record all that `auditkit queries` wrote"
            )
        if queries is not None and queries[place] != point:
            raise QueryError(
                f"recorded row {place} answers another point than the bundle's; "
                "record the answers in the order of `auditkit queries`"
            )
        return place

    def close(self) -> None:
        """See `Adapter.close`."""


def _from_npz(source: str, data: bytes) -> _Recording:
    try:
        _check_sizes(source, data)
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            found = [name for name in NAMES if name in archive]
            if not found:
                raise SuspectLoadError(
                    f"{source!r} has arrays {sorted(archive)}, wanted one of {', '.join(NAMES)}"
                )
            rows = archive[found[0]]
            queries = archive.get("queries")
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, AttributeError, TypeError) as error:
        raise SuspectLoadError(f"{source!r} is not an npz of plain arrays") from error
    if rows.ndim < 1:
        raise SuspectLoadError(f"{source!r} has one number as {found[0]!r}, wanted one row a point")
    if queries is not None and queries.shape != (len(rows),):
        raise SuspectLoadError(f"{source!r} has {queries.shape} queries for {len(rows)} answers")
    return _Recording(rows, queries)


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


def _from_csv(source: str, data: bytes) -> _Recording:
    # Counted before parsing, because the parsed rows take many times the size of the text.
    lines = data.count(b"\n")
    if lines > MOST_ROWS:
        raise SuspectLoadError(
            f"{source!r} has {lines} lines, wanted an answer for each of the points that "
            "`auditkit queries` wrote"
        )
    try:
        # Excel writes a byte order mark, which would become part of the first column's name.
        header, *rows = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""))
        rows = [row for row in rows if row]
        # Tables are often exported with their row numbers, which are no scores.
        kept = [i for i, name in enumerate(header) if name.strip().lower() != "index"]
        table = np.array([[float(row[i]) for i in kept] for row in rows], np.float64)
    except (UnicodeDecodeError, ValueError, IndexError, csv.Error) as error:
        raise SuspectLoadError(
            f"{source!r} must be a CSV of a header and numbers: a column 'label', "
            "or one column of scores for each class"
        ) from error
    if len(kept) > 1:
        return _Recording(table.astype(np.float32))
    if [header[i].strip().lower() for i in kept] not in (["label"], ["labels"]):
        raise SuspectLoadError(
            f"{source!r} has columns {header!r}, wanted 'label', or one of scores for each class"
        )
    if not table.size:
        raise SuspectLoadError(f"{source!r} has a header and no answers; record them all")
    return _Recording(table[:, 0])


recorded = Kind(RecordedAdapter, suffixes=(".npz", ".csv"))
