"""Recorded answers that are none, or more than there can be."""

import io
import pickle
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from tests.hostile.base import Hostile, bytes_of

POINTS = 120


def _array(array: np.ndarray, *, pickled: bool = False) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=pickled)
    return file.getvalue()


def _claims(shape: tuple[int, ...], descr: object = "<f4") -> bytes:
    """An array whose head claims a size."""
    file = io.BytesIO()
    head = {"descr": descr, "fortran_order": False, "shape": shape}
    npy.write_array_header_1_0(file, head)  # type: ignore[arg-type]
    return file.getvalue() + bytes(64)


class Evil:
    """Unpickling it runs a command."""

    def __reduce__(self):
        return __import__("os").system, ("touch /tmp/auditkit-was-here",)


def archives() -> Iterator[Hostile]:
    """Archives of arrays."""
    arrays = {
        "terabytes": _claims((1 << 40,)),
        "more": _claims((1 << 62, 1 << 62)),
        "negative": _claims((-1,)),
        "objects": _array(np.array([Evil()], object), pickled=True),
        "void": _claims((4,), "|V1000000000"),
        "fields": _claims((4,), [("a", "<f4"), ("b", "|O")]),
        "text": _array(np.array(["a"] * POINTS)),
        "long-text": _claims((POINTS,), "<U1000000000"),
        "complex": _array(np.zeros((POINTS, 5), complex)),
        "nan": _array(np.full((POINTS, 5), np.nan, np.float32)),
        "few": _array(np.zeros((3, 5), np.float32)),
        "many": _array(np.zeros((50_000, 5), np.float32)),
        "axes": _array(np.zeros((POINTS, 5, 1, 1, 1), np.float32)),
        "none": _array(np.zeros((0, 5), np.float32)),
        "garbage": b"\x93NUMPY\x01\x00\xff\xff{",
        "python": b"\x93NUMPY\x01\x00\x40\x00{'descr': __import__('os').system('touch x'), }",
        "pickle": pickle.dumps(Evil()),
    }
    for name, content in arrays.items():
        yield Hostile(f"array-{name}.npz", partial(_zipped, content=content))
        yield bytes_of(f"bare-{name}.npz", content)
    for name, inner in (("above", "../labels.npy"), ("root", "/labels.npy"), ("nul", "a\x01")):
        yield Hostile(f"member-{name}.npz", partial(_zipped, content=b"", inner=inner))
    yield Hostile("bomb.npz", _bomb)
    yield Hostile("members.npz", _many)


def _zipped(path: Path, content: bytes, inner: str = "scores.npy") -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(inner, content)


def _bomb(path: Path) -> None:
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("scores.npy", "w", force_zip64=True) as file,
    ):
        file.write(_claims((1 << 27, 4)))
        for _ in range(32):
            file.write(bytes(1 << 24))


def _many(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for n in range(20_000):
            archive.writestr(f"a{n}.npy", b"")


def tables() -> Iterator[Hostile]:
    """Tables of answers."""
    numbers = "\n".join("1" for _ in range(POINTS))
    texts: dict[str, bytes] = {
        "no-head": numbers.encode(),
        "nul": b"label\n\x00\n" * POINTS,
        "no-text": b"label\n\xff\xfe\n" * POINTS,
        "wide": b"label\n" + b"1," * 100_000,
        "long": b"label\n" + b"9" * (1 << 22),
        "rows": b"label\n" + b"1\n" * 3_000_000,
        "quotes": b'label\n"1\n' * POINTS,
        "formula": b"label\n=cmd|'/C calc'!A0\n" * POINTS,
        "escape": b"\x1b[2J\n1\n" * POINTS,
        "huge": b"label\n1e400\n" * POINTS,
        "negative": b"label\n-1\n" * POINTS,
        "far": b"label\n99999999999999999999\n" * POINTS,
        "words": b"label\ncat\n" * POINTS,
        "empty": b"",
        "head": b"label\n",
        "twice": b"label,label\n1,2\n" * POINTS,
        "index": b"index,label\n" + b"7,1\n" * POINTS,
        "returns": b"label\r1\r" * POINTS,
    }
    for name, content in texts.items():
        yield bytes_of(f"table-{name}.csv", content)
