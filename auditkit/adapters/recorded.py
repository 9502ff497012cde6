"""Answers that a vendor recorded, as npz or CSV, to the points that `auditkit queries` wrote."""

from auditkit.adapters.base import Kind, Port, Values, read_file
from auditkit.core.arrays import Rows
from auditkit.core.errors import QueryError
from auditkit.core.evidence import IN_ORDER
from auditkit.core.points import point_digest
from auditkit.core.provenance import sha256
from auditkit.core.requests import Options
from auditkit.files.recordings import read_recording

__all__ = ["recorded"]


class RecordedAdapter:
    """Answers each point with its recorded row.

    An npz holds one of `scores`, `logits`, `probabilities` (n, classes) or `labels` (n,), a CSV one
    column `label` or one of scores for each class. Both may hold what binds rows to points:
    `queries`, the points' digests, or their `index`. Without it rows count in the order of
    `auditkit queries`, and acquit nobody.
    """

    def __init__(self, source: str, options: Options) -> None:
        data = read_file(source)
        digest = sha256(data)
        self.port = Port(digest, digest, values=Values.POINTS)
        self._recording = read_recording(source, data, options.classes)
        found = self._recording
        way = "by index" if found.index is not None else IN_ORDER
        self.runtime = {"recorded": source, "rows": "by query" if found.queries else way}
        # Where the bundle's points are not told, new points count in the order of asking.
        self._numbers = {
            point_digest(point): number
            for number, point in enumerate(() if options.points is None else options.points)
        }
        self._counts_itself = not self._numbers

    def answer(self, batch: Rows) -> Rows:
        """See `Adapter.answer`."""
        places = [self._place(point_digest(point)) for point in batch]
        served: Rows = self._recording.rows[places]
        return served

    def _place(self, point: str) -> int:
        """Row of the answer to the point with this digest.

        Raises:
            QueryError: No row answers it.
        """
        found = self._recording
        if found.queries is not None:
            if point not in found.queries:
                raise QueryError(
                    f"no row answers the query {point[:12]}…; record all that `auditkit queries` "
                    "wrote for this bundle"
                )
            return found.queries[point]
        if self._counts_itself:
            self._numbers.setdefault(point, len(self._numbers))
        number = self._numbers[point]
        if found.index is not None:
            if number not in found.index:
                raise QueryError(
                    f"no row has the index {number}; they count from 0, as `auditkit queries` "
                    "wrote them"
                )
            return found.index[number]
        if number >= len(found.rows):
            raise QueryError(
                f"{len(found.rows)} answers are recorded, more points are asked; "
                "record all that `auditkit queries` wrote"
            )
        return number

    def close(self) -> None:
        """See `Adapter.close`."""


recorded = Kind(RecordedAdapter, suffixes=(".npz", ".csv"), recorded=True)
