"""Answers that a vendor recorded: an npz or a CSV, in the order of `auditkit queries`."""

import csv
import io
import zipfile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditkit.adapters.base import AT_ONCE, read_file
from auditkit.core.arrays import FloatArray
from auditkit.core.errors import QueryError, SuspectLoadError
from auditkit.core.points import InputSpec, point_digest
from auditkit.core.provenance import sha256
from auditkit.core.requests import Options

__all__ = ["RecordedAdapter"]

NAMES = ("scores", "logits", "probabilities", "labels")


class RecordedAdapter:
    """Serves the recorded rows in order.

    An npz holds one of `scores`, `logits`, `probabilities` (n, classes) or `labels` (n,), and may
    repeat `queries`, the points' digests, so that a shuffled file is noticed. A CSV has a header
    and either one column `label` or one column of scores for each class.
    """

    def __init__(self, source: str, spec: InputSpec, options: Options) -> None:  # noqa: ARG002 - every adapter is made alike
        data = read_file(source)
        self.digest: str | None = sha256(data)
        self.identity = self.digest
        self.batch, self.lanes = AT_ONCE, 1
        self.runtime = {"recorded": source}
        reader = _from_csv if source.lower().endswith(".csv") else _from_npz
        self._rows, self._queries = reader(source, data)
        self._served: dict[str, int] = {}

    def answer(self, points: FloatArray) -> NDArray[Any]:
        """See `Adapter.answer`; new points must come in the order of the queries."""
        places = [self._place(point_digest(point)) for point in points]
        return self._rows[places]

    def _place(self, point: str) -> int:
        """A point that was asked before gets the same row."""
        place = self._served.setdefault(point, len(self._served))
        if place >= len(self._rows):
            raise QueryError(
                f"{len(self._rows)} answers are recorded, more points are asked; "
                "record all that `auditkit queries` wrote"
            )
        if self._queries is not None and self._queries[place] != point:
            raise QueryError(
                f"recorded row {place} answers another point than the bundle's; "
                "record the answers in the order of `auditkit queries`"
            )
        return place

    def close(self) -> None:
        """See `Adapter.close`."""


def _from_npz(source: str, data: bytes) -> tuple[NDArray[Any], NDArray[Any] | None]:
    try:
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
    return rows, queries


def _from_csv(source: str, data: bytes) -> tuple[NDArray[Any], None]:
    try:
        header, *lines = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""))
        lines = [line for line in lines if line]
        kept = [i for i, name in enumerate(header) if name.strip().lower() != "index"]
        table = np.array([[float(line[i]) for i in kept] for line in lines], np.float64)
    except (UnicodeDecodeError, ValueError, IndexError, csv.Error) as error:
        raise SuspectLoadError(
            f"{source!r} must be a CSV of a header and numbers: a column 'label', "
            "or one column of scores for each class"
        ) from error
    if len(kept) > 1:
        return table.astype(np.float32), None
    if [header[i].strip().lower() for i in kept] not in (["label"], ["labels"]):
        raise SuspectLoadError(
            f"{source!r} has columns {header!r}, wanted 'label', or one of scores for each class"
        )
    if not table.size:
        raise SuspectLoadError(f"{source!r} has a header and no answers; record them all")
    return table[:, 0], None
