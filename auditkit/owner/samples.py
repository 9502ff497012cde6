"""The owner's natural samples: read from an npz file or a folder of images, or given as arrays."""

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from auditkit.core.arrays import FloatArray, IntArray, Rows
from auditkit.core.errors import SamplesError
from auditkit.core.provenance import sha256
from auditkit.core.requests import SampleForm
from auditkit.owner import held
from auditkit.owner.sample_folder import read_folder

FEWEST = 50
"""Least number of samples: stand-ins learn four fifths and are measured on the other ten."""


@dataclass(frozen=True, slots=True, eq=False)
class RawSamples:
    """Samples as they are on disk: `x` (n, …) of any number type, `y` (n,) int64 or None."""

    x: Rows
    y: IntArray | None
    guessed: int = 0
    """How many classes a model must know for the labels to be right; 0: any number, since they were
    not guessed from the order of folders."""


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Samples in the owner's domain: `x` (n, *shape) float32, `y` (n,) int64 classes or None."""

    x: FloatArray
    y: IntArray | None

    @property
    def digest(self) -> str:
        """`sha256:…` of both, in little-endian bytes."""
        labels = np.zeros(0, "<i8") if self.y is None else self.y.astype("<i8")
        return sha256(np.ascontiguousarray(self.x, "<f4").tobytes() + labels.tobytes())

    def rows(self) -> IntArray:
        """Return (n,) int64: a digest of each input, the same in whatever file it lay."""
        found = np.empty(len(self.x), np.int64)
        for number, row in enumerate(self.x):
            digest = hashlib.sha256(np.ascontiguousarray(row, "<f4").tobytes()).digest()
            found[number] = int.from_bytes(digest[:8], "little", signed=True)
        return found


def read_samples(given: object, form: SampleForm = SampleForm()) -> RawSamples:
    """Read an npz with `x` and optionally `y`, or a folder with one folder of images per class.

    Args:
        given: The path, or what a user of Python has opened: an array (n, …), a pair (x, y), a
            torch Dataset or DataLoader.
        form: What the user says of a folder of images.

    Raises:
        SamplesError: The path doesn't exist or can't be read, or there are fewer than 50 samples.
    """
    is_path = isinstance(given, str | Path)
    name = repr(str(given)) if is_path else f"the {type(given).__name__}"
    samples = _read_path(Path(given), form) if isinstance(given, str | Path) else _held(given, name)
    if len(samples.x) < FEWEST:
        raise SamplesError(
            f"at least {FEWEST} samples are needed to measure uniqueness, "
            f"{name} has {len(samples.x)}"
        )
    return samples


def _held(given: object, name: str) -> RawSamples:
    x, y = held.arrays(given)
    return RawSamples(_numbers(x, name), None if y is None else _classes(y, len(x), name))


def _read_path(path: Path, form: SampleForm) -> RawSamples:
    if path.is_dir():
        return RawSamples(*read_folder(path, form))
    if path.is_file():
        return _read_npz(path)
    raise SamplesError(f"no such file or folder of samples: {str(path)!r}")


def _read_npz(path: Path) -> RawSamples:
    # allow_pickle=False: arrays of objects are pickles, which could run any code. The other
    # exceptions are what numpy raises for files that only look like an npz.
    try:
        with np.load(path, allow_pickle=False) as archive:
            if "x" not in archive:
                raise SamplesError(
                    f"{str(path)!r} has arrays {sorted(archive)}, wanted 'x' and optionally 'y'"
                )
            x = archive["x"]
            y = archive.get("y")
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, AttributeError, TypeError) as error:
        raise SamplesError(
            f"{str(path)!r} is no npz of plain arrays; save one with numpy.savez(path, x=…, y=…)"
        ) from error
    name = repr(str(path))
    return RawSamples(_numbers(x, name), None if y is None else _classes(y, len(x), name))


def _numbers(x: Rows, name: str) -> Rows:
    if x.ndim < 2 or x.dtype.kind not in "fiub":
        raise SamplesError(
            f"'x' in {name} must be numbers (n, …), got {x.dtype} of shape {x.shape}"
        )
    if not np.isfinite(x).all():
        raise SamplesError(f"'x' in {name} holds NaN or infinity; remove those samples")
    return x


def _classes(y: Rows, count: int, name: str) -> IntArray:
    if y.dtype.kind not in "iu" or y.reshape(-1).shape != (count,):
        raise SamplesError(
            f"'y' in {name} must be {count} whole numbers, got {y.dtype} of shape {y.shape}"
        )
    return y.reshape(-1).astype(np.int64)


def arrangements(x: Rows) -> list[Rows]:
    """Return the ways in which samples may enter a model, the likeliest first.

    They are: as on disk, channels first, with one channel, and flat.

    Args:
        x: (n, …) as on disk. Bytes of shape (n, h, w) or (n, h, w, c) are taken for images first,
            other numbers are taken as they are first.
    """
    as_images = []
    if x.ndim == 4 and x.shape[-1] in (1, 3, 4):
        as_images = [np.moveaxis(x, -1, 1)]
    if x.ndim == 3:
        as_images = [x[:, None]]
    ways = [*as_images, x] if x.dtype == np.uint8 else [x, *as_images]
    return [*ways, x.reshape(len(x), -1)] if x.ndim > 2 else ways
