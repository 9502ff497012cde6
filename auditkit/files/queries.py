"""What to ask a suspect that is out of reach, as a file."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditkit.core.arrays import FloatArray
from auditkit.core.points import InputSpec, normalised, pixels, point_digest
from auditkit.files.container import write_whole


def write_queries(path: Path, points: FloatArray, spec: InputSpec) -> None:
    """Write an npz of what to ask: `points`, `inputs`, `queries`, and `pixels` for images.

    Args:
        path: Written whole or not at all.
        points: (n, *shape) in the spec's bounds.
        spec: `inputs` are the points as the owner's model takes them; `pixels` are (n, h, w, c)
            uint8; `queries` are the points' digests, which an answer may repeat.
    """
    arrays: dict[str, NDArray[Any]] = {
        "points": points,
        "inputs": normalised(points, spec),
        "queries": np.array([point_digest(point) for point in points]),
    }
    if spec.is_image:
        arrays["pixels"] = np.moveaxis(pixels(points, spec), 1, -1)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    write_whole(Path(path), buffer.getvalue())
