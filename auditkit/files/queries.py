"""The file of queries for a vendor whose model can't be reached: `auditkit queries`."""

import io
from pathlib import Path

import numpy as np

from auditkit.core.arrays import FloatArray, Rows
from auditkit.core.points import InputSpec, normalised, pixels, point_digest
from auditkit.files.container import write_whole


def write_queries(path: Path, points: FloatArray, spec: InputSpec) -> None:
    """Write the points to ask as an npz of `points`, `inputs`, `queries` and, for images, `pixels`.

    Args:
        path: Written whole or not at all.
        points: (n, *shape) in the spec's bounds.
        spec: `inputs` are the points as the owner's model takes them; `pixels` are (n, h, w, c)
            uint8; `queries` are the points' digests, which an answer may repeat.
    """
    # Vendors differ in what they feed a model, so the same points are written in three forms.
    arrays: dict[str, Rows] = {
        "points": points,
        "inputs": normalised(points, spec),
        "queries": np.array([point_digest(point) for point in points]),
    }
    # Upload services take picture files, which store channels last.
    if spec.is_image:
        arrays["pixels"] = np.moveaxis(pixels(points, spec), 1, -1)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    write_whole(Path(path), buffer.getvalue())
