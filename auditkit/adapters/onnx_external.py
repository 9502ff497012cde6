"""Weights that an ONNX file keeps in other files, as exporters write them today.

The files are read here and handed to onnxruntime as memory: it must not open paths that a stranger
wrote, and the bytes that are hashed must be those that run.
"""

import math
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

import numpy as np

from auditkit.adapters.base import LARGEST_FILE
from auditkit.core.arrays import Rows
from auditkit.core.errors import SuspectLoadError
from auditkit.core.provenance import sha256

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from onnx import ModelProto, TensorProto

PLACE = "weights"
"""Name that a tensor's file gets in the model that onnxruntime is given."""
# Weights within the model can be optimised; those beside it need no second copy in memory.
MOST_INSIDE = 256 << 20
"""Bytes of weights in other files up to which all are put into the model."""
SMALL = 1 << 10
"""Bytes up to which a tensor is always put into the model: it may be a shape."""
BITS = {"FLOAT": 32, "DOUBLE": 64}
"""Sizes of number types whose name does not tell; other names begin with the number of bits."""
LONGEST_NUMBER = 20
"""Digits of an offset or a length; longer ones are no sizes of files."""


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """A large weight of another file."""

    numbers: Rows
    """Of the tensor's shape; bfloat16 and smaller floats as whole numbers of their size."""
    kind: int
    """Number type, as ONNX counts them."""


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """An ONNX file with what it keeps in other files."""

    data: bytes
    """The model, without references to paths of its author."""
    digest: str
    """`sha256:…` over the model and every other file that it reads."""
    beside: Mapping[str, Tensor] = field(default_factory=dict)
    """Large weights by the names of their initialisers; the model holds all others."""


def whole(source: str, data: bytes) -> Model:
    """Return a model's bytes together with the weights that it keeps in other files.

    Raises:
        SuspectLoadError: A file is missing, too short or lies outside the model's folder.
    """
    # The key of every reference to another file; whatever lacks it needs no second parsing.
    if b"location" not in data:
        return Model(data, sha256(data))
    from google.protobuf.message import DecodeError
    from onnx import ModelProto

    model = ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError:
        return Model(data, sha256(data))  # onnxruntime says what is wrong
    tensors = [tensor for tensor in _tensors(model) if _is_outside(tensor)]
    if not tensors:
        return Model(data, sha256(data))
    files = _read(source, [_location(tensor) for tensor in tensors])
    beside = _placed(source, model, tensors, files)
    listed = "\n".join(f"{name} {sha256(files[name].data)}" for name in sorted(files))
    digest = sha256(f"{sha256(data)}\n{listed}".encode())
    return Model(model.SerializeToString(), digest, beside)


def _is_outside(tensor: "TensorProto") -> bool:
    return bool(tensor.data_location == tensor.EXTERNAL)


def _tensors(message: "Message") -> Iterator["TensorProto"]:
    """Yield every tensor within a message: initialisers, attributes, those of inner graphs."""
    from onnx import TensorProto

    for kind, value in message.ListFields():
        if kind.message_type is None:
            continue
        for part in value if isinstance(value, Sequence) or hasattr(value, "add") else (value,):
            if isinstance(part, TensorProto):
                yield part
            else:
                yield from _tensors(part)


def _entries(tensor: "TensorProto") -> dict[str, str]:
    # protobuf hands out what is no UTF-8 as bytes.
    texts = [(entry.key, entry.value) for entry in tensor.external_data]
    if not all(isinstance(text, str) for entry in texts for text in entry):
        raise SuspectLoadError("a place of weights in another file is no text; save it anew")
    return dict(texts)


def _location(tensor: "TensorProto") -> str:
    return _entries(tensor).get("location", "")


def _read(source: str, names: Sequence[str]) -> dict[str, Rows]:
    """Return the contents of the named files in the model's folder.

    Raises:
        SuspectLoadError: One of them can't be used.
    """
    paths = {name: _path(source, name) for name in names}
    total = sum(path.stat().st_size for path in paths.values())
    if total > LARGEST_FILE:
        raise SuspectLoadError(
            f"{source!r} keeps {total:,} bytes of weights in other files; {LARGEST_FILE:,} are "
            "read at most"
        )
    return {name: _contents(source, name, path) for name, path in paths.items()}


def _path(source: str, name: str) -> Path:
    """Return the file that a model names, which must lie in the model's folder or below it."""
    parts = PurePosixPath(name).parts
    is_elsewhere = (
        not parts
        or "\0" in name
        or ".." in parts
        or PurePosixPath(name).is_absolute()
        or PureWindowsPath(name).anchor
        or "\\" in name
    )
    if is_elsewhere:
        raise SuspectLoadError(
            f"{source!r} keeps weights in {name[:100]!r}, which is no file of its own folder; "
            "save it anew with its weights beside it"
        )
    folder = Path(source).resolve().parent
    try:
        path = (Path(source).parent / name).resolve(strict=True)
    except OSError as error:
        raise SuspectLoadError(
            f"{source!r} keeps its weights in {name[:100]!r}, which is not there; put that file "
            "into the same folder"
        ) from error
    if not path.is_relative_to(folder) or not path.is_file():
        raise SuspectLoadError(
            f"{source!r} keeps its weights in {name[:100]!r}, which is a link out of its folder or "
            "no file; copy both into one folder (cp -L)"
        )
    return path


def _contents(source: str, name: str, path: Path) -> Rows:
    # No link is followed any more, in case the file was exchanged since it was looked at.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise SuspectLoadError(f"{source!r} keeps its weights in {name[:100]!r}, no file")
        contents: Rows = np.fromfile(file, np.uint8)
    contents.setflags(write=False)
    return contents


def _placed(
    source: str, model: "ModelProto", tensors: Sequence["TensorProto"], files: Mapping[str, Rows]
) -> dict[str, Tensor]:
    """Put what is small into the model, and return the large initialisers of its main graph."""
    # All sizes are checked before anything is copied.
    parts = [_part(source, tensor, files[_location(tensor)]) for tensor in tensors]
    inside = sum(part.nbytes for part in parts) <= MOST_INSIDE
    main = {id(tensor) for tensor in model.graph.initializer}
    beside: dict[str, Tensor] = {}
    for tensor, part in zip(tensors, parts, strict=True):
        del tensor.external_data[:]
        if inside or part.nbytes <= SMALL or id(tensor) not in main:
            tensor.ClearField("data_location")
            tensor.raw_data = part.tobytes()
        else:
            entry = tensor.external_data.add()
            entry.key, entry.value = "location", PLACE
            beside[str(tensor.name)] = Tensor(_typed(tensor, part), int(tensor.data_type))
    return beside


def _part(source: str, tensor: "TensorProto", contents: Rows) -> Rows:
    """Return a tensor's bytes, after checking that the file holds them."""
    entries, size = _entries(tensor), _bytes(tensor)
    offset, length = (_number(source, entries.get(key)) for key in ("offset", "length"))
    start = offset or 0
    if length not in (None, size) or start + size > len(contents):
        raise SuspectLoadError(
            f"{source!r} wants {size} bytes from {start} of {_location(tensor)[:100]!r}, which has "
            f"{len(contents)}; the files don't belong together, or one is cut off"
        )
    return contents[start : start + size]


def _number(source: str, text: str | None) -> int | None:
    if text is None or text == "":
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > LONGEST_NUMBER:
        raise SuspectLoadError(f"{source!r} names {text[:40]!r} as a place in a file of weights")
    return int(text)


def _bytes(tensor: "TensorProto") -> int:
    """Size in bytes of a tensor's numbers; those below 8 bits are packed.

    Raises:
        SuspectLoadError: The type is none that is known, or a size is negative.
    """
    from onnx import TensorProto

    kinds = {number: name for name, number in TensorProto.DataType.items()}
    name = kinds.get(tensor.data_type)
    if name is None or any(size < 0 for size in tensor.dims):
        raise SuspectLoadError(
            f"weights in another file have the type {tensor.data_type} and sizes "
            f"{[*tensor.dims][:8]}, which can't be read; save it anew"
        )
    bits = BITS.get(name) or int(re.findall(r"\d+", name)[0] if re.search(r"\d", name) else 8)
    size: int = -(-math.prod(tensor.dims) * bits // 8)
    return size


def _typed(tensor: "TensorProto", part: Rows) -> Rows:
    """Return a tensor's numbers in its shape."""
    from onnx import helper

    wanted = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.data_type))
    dtype = wanted if wanted.kind in "iufbc" else np.dtype(f"u{wanted.itemsize}")
    typed: Rows = (
        part.view(dtype)
        if part.ctypes.data % dtype.itemsize == 0
        else (np.frombuffer(part.tobytes(), dtype))
    )
    return typed.reshape(tuple(tensor.dims))
