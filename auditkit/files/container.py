"""The file format of bundles and evidence: safetensors with a JSON manifest as its only metadata.

docs/bundle-format.md describes it. The hashes in it show accidents and careless edits, not forgery:
whoever can rewrite the file can rewrite the hashes too.
"""

import json
import math
import os
import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from auditkit.core.arrays import Json, JsonObject, Rows
from auditkit.core.errors import BundleError, BundleFormatError, BundleIntegrityError
from auditkit.core.escape import first_line
from auditkit.core.provenance import canonical, sha256
from auditkit.core.reading import contents
from auditkit.files.temporary import new_file, usual_mode

KEY = "auditkit"


LARGEST_FILE = 1 << 30


LARGEST_HEADER = 1 << 24


ODD = (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError)
"""What headers that no auditkit wrote lead to; 1e999 is infinite, and no size."""
DTYPES = {"U8": 1, "F16": 2, "F32": 4, "I64": 8}


UNSEALED = ("versions", "seal")
"""Keys that a digest leaves out: they say nothing of what is asked and judged."""


Tensors = Mapping[str, Rows]


Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """What goes into a file."""

    manifest: JsonObject
    tensors: Tensors


@dataclass(frozen=True, slots=True, eq=False)
class Contents:
    """What was read from a file and checked: manifest, tensors, and the digest of both."""

    manifest: JsonObject
    tensors: Tensors
    digest: str


def digest(manifest: Mapping[str, Json]) -> str:
    """Return the digest of a manifest with its tensors' hashes, without the tools' versions."""
    return sha256(canonical({k: v for k, v in manifest.items() if k not in UNSEALED}))


def described(packed: Packed) -> JsonObject:
    """Return the manifest with each tensor's hash."""
    hashes = {
        name: sha256(np.ascontiguousarray(array).tobytes())
        for name, array in packed.tensors.items()
    }
    return {**packed.manifest, "tensors": hashes}


def write(path: Path, packed: Packed) -> None:
    """Write the file whole or not at all.

    Raises:
        BundleError: The place can't be written.
    """
    write_whole(path, contained(packed))


def contained(packed: Packed) -> bytes:
    """Return the bytes of a file."""
    # The seal covers the manifest, which holds the hashes of all tensors: every byte is covered.
    return _serialised(Packed(_sealed(described(packed)), packed.tensors))


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file by these bytes in one step: a killed run leaves the old file or the new.

    Raises:
        BundleError: The place can't be written, or there is something that is no file, such as a
            pipe, a device or a link.
    """
    # Replacing a name is not writing to what it stands for: a pipe's reader would wait for ever,
    # and /dev/stdout would be an ordinary file from then on.
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise BundleError(f"{str(path)!r} is a link, a folder or a device; name a new file")
    try:
        handle, name = new_file(path)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())  # or a power cut could leave an empty file after the rename
            Path(name).chmod(usual_mode())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise BundleError(f"{str(path)!r} can't be written: {error.strerror or error}") from error


def _sealed(manifest: Mapping[str, Json]) -> JsonObject:
    body = {key: value for key, value in manifest.items() if key != "seal"}
    return {**body, "seal": sha256(canonical(body))}


def _serialised(packed: Packed) -> bytes:
    arrays = {name: np.ascontiguousarray(array) for name, array in sorted(packed.tensors.items())}
    data: bytes = save_tensors(arrays, metadata={KEY: canonical(packed.manifest).decode()})
    return data


def read(path: Path, kind: str, version: int, data: bytes | None = None) -> Contents:
    """Read a file of the format `auditkit.<kind>/<version>` and check every byte of it.

    Args:
        path: The file.
        kind: What it holds.
        version: Of its format.
        data: The file's bytes if they are kept elsewhere; the path then names them in errors.

    Raises:
        BundleFormatError: Not such a file, or another version.
        BundleIntegrityError: It was changed after it was written.
    """
    data = _bytes(path) if data is None else data
    manifest = _manifest(path, data)
    _check_format(path, manifest, kind, version)
    try:
        tensors = load_tensors(data)
        found = Packed(manifest, tensors)
        same = _sealed(described(found)) == manifest and _serialised(found) == data
    except (SafetensorError, ValueError, TypeError, KeyError, OverflowError) as error:
        # A number of the manifest that is too large to be finite is a ValueError, since JSON has
        # none.
        raise BundleIntegrityError(f"{str(path)!r} was damaged: {first_line(error)}") from error
    # Writing what was read must give the same bytes again: a tensor outside the manifest, padding
    # or another order of keys would be bytes that no hash covers.
    if not same:
        raise BundleIntegrityError(
            f"{str(path)!r} was changed after it was written; get it again from its maker"
        )
    return Contents(manifest, tensors, digest(manifest))


def _bytes(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise BundleFormatError(f"{str(path)!r} is a folder, wanted a file")
        return contents(path, LARGEST_FILE)
    except FileNotFoundError as error:
        raise BundleFormatError(f"no such file: {str(path)!r}") from error
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or first_line(error)
        raise BundleFormatError(f"{str(path)!r} can't be read: {why}") from error


def _manifest(path: Path, data: bytes) -> JsonObject:
    """Return the manifest, after the header around it was seen to fit the file."""
    stranger = BundleFormatError(
        f"{str(path)!r} is no auditkit file; make one with: auditkit fingerprint MODEL"
    )
    if len(data) < 8:
        raise stranger
    # The header is checked by hand before safetensors sees the file, so that sizes it claims are
    # never set aside in memory.
    (length,) = struct.unpack("<Q", data[:8])
    if not 2 <= length <= min(LARGEST_HEADER, len(data) - 8):
        raise stranger
    try:
        header = json.loads(data[8 : 8 + length])
        manifest = json.loads(header.pop("__metadata__")[KEY])
        sizes = [_tensor_size(entry) for entry in header.values()]
    except ODD as error:
        raise stranger from error
    if not isinstance(manifest, dict):
        raise stranger
    if sum(sizes) != len(data) - 8 - length:
        raise BundleIntegrityError(
            f"{str(path)!r} is damaged or cut short: its tensors need {sum(sizes)} bytes, "
            f"{len(data) - 8 - length} are there"
        )
    return manifest


def _tensor_size(entry: Mapping[str, Json]) -> int:
    return DTYPES[entry["dtype"]] * math.prod(int(size) for size in entry["shape"])


def _check_format(path: Path, manifest: Mapping[str, Json], kind: str, version: int) -> None:
    wanted, got = f"auditkit.{kind}/{version}", str(manifest.get("format"))[:64]
    if got == wanted:
        return
    if got.startswith(f"auditkit.{kind}/"):
        older = got in {f"auditkit.{kind}/{number}" for number in range(1, version)}
        cure = "make it anew" if older else "update auditkit"
        raise BundleFormatError(
            f"{str(path)!r} has format {got!r}, this version reads {wanted!r}; {cure}"
        )
    raise BundleFormatError(f"{str(path)!r} has format {got!r}, wanted {wanted!r}")


def take(record: Mapping[str, Json], key: str, kind: type[Value]) -> Value:
    """Return a value of the manifest, checked to be of the wanted type.

    Raises:
        BundleFormatError: It is missing or of another type.
    """
    value = record.get(key) if isinstance(record, Mapping) else None
    # JSON writes 1.0 as 1 in some tools, so whole numbers count as floats, but true is no number.
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        # What no float can hold stays a whole number, and is refused as one.
        value = float(value) if abs(value) <= sys.float_info.max else value
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise BundleFormatError(
            f"the manifest's {key!r} must be {kind.__name__}, got {type(value).__name__}"
        )
    return value


def tensor(tensors: Tensors, name: str) -> Rows:
    """Return the file's tensor of this name.

    Raises:
        BundleFormatError: It is missing.
    """
    if name not in tensors:
        raise BundleFormatError(f"the file has no tensor {name!r}")
    return tensors[name]
