"""Files of queries for a vendor whose model can't be reached: `auditkit queries`."""

import csv
import io
from pathlib import Path

import numpy as np

from auditkit.core.arrays import FloatArray, Rows
from auditkit.core.errors import EvidenceError
from auditkit.core.points import InputSpec, normalised, pixels, point_digest
from auditkit.files.container import write_whole

MOST_CELLS = 20_000_000
"""Largest number of cells of a CSV, some 200 MB; pictures beyond go into a folder or an npz."""
INSTRUCTIONS = """\
{count} pictures, 0000.png and so on, to be answered by your model. docs/vendor.md says more.

1. Give every picture to the model as any other picture that it gets.
2. Write each answer into answers.csv, in the line of the picture's name: the number of the class,
   counted from 0, as label; or in place of label one column for each class, with its score.
3. Send answers.csv back. Leave out nothing, and change neither names nor pictures.
"""


def write_queries(target: str, points: FloatArray, spec: InputSpec) -> None:
    """Write the points to ask: an npz, a CSV, or a folder of pictures.

    Args:
        target: A name that ends in .npz or .csv; one that ends in a slash, or an existing folder,
            is a folder.
        points: (n, *shape) in the spec's bounds.
        spec: `inputs` are the points as the owner's model takes them; `pixels` are (n, h, w, c)
            uint8; `queries` are the points' digests, which an answer may repeat.

    Raises:
        EvidenceError: The target is something else, or can't hold such points.
    """
    path = Path(target)
    if target.endswith(("/", "\\")) or path.is_dir():
        _write_folder(path, points, spec)
    elif path.suffix.lower() == ".csv":
        _write_csv(path, points, spec)
    elif path.suffix.lower() == ".npz":
        _write_npz(path, points, spec)
    else:
        raise EvidenceError(
            f"{target!r} does not tell what to write; wanted a name that ends in .npz or .csv, or "
            "FOLDER/ for pictures"
        )


def _write_npz(path: Path, points: FloatArray, spec: InputSpec) -> None:
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
    write_whole(path, buffer.getvalue())


def _write_csv(path: Path, points: FloatArray, spec: InputSpec) -> None:
    """Write a row for each point: its index, its digest, and the numbers that the model takes."""
    rows = normalised(points, spec).reshape(len(points), -1)
    if rows.size > MOST_CELLS:
        raise EvidenceError(
            f"a CSV of {len(rows)} points of {rows.shape[1]} numbers is too large; "
            "write an npz, or pictures to FOLDER/"
        )
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(["index", "query", *(f"x{number}" for number in range(rows.shape[1]))])
    for index, (point, row) in enumerate(zip(points, rows, strict=True)):
        table.writerow([index, point_digest(point), *map(repr, row.tolist())])
    write_whole(path, text.getvalue().encode())


def _write_folder(folder: Path, points: FloatArray, spec: InputSpec) -> None:
    """Write pictures, a table to fill in and a page of instructions."""
    if not spec.is_image or spec.shape[0] not in (1, 3):
        raise EvidenceError(
            f"points of shape {spec.shape} are no pictures; write them to a .csv or .npz"
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise EvidenceError(f"{str(folder)!r} is not empty; name a new folder")
    from PIL import Image  # takes long to load, and only folders need it

    folder.mkdir(parents=True, exist_ok=True)
    rows = ["file,query,label"]
    for index, picture in enumerate(np.moveaxis(pixels(points, spec), 1, -1)):
        buffer = io.BytesIO()
        # PNG keeps every pixel as it is.
        Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture).save(buffer, "PNG")
        write_whole(folder / f"{index:04}.png", buffer.getvalue())
        rows.append(f"{index:04}.png,{point_digest(points[index])},")
    write_whole(folder / "answers.csv", ("\n".join(rows) + "\n").encode())
    write_whole(folder / "README.txt", INSTRUCTIONS.format(count=len(points)).encode())
