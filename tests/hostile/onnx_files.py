"""Files that end in .onnx and are something else, or point elsewhere."""

import gzip
import os
import pickle
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper

from tests.conftest import COPY, SHAPE, linear_onnx
from tests.hostile.base import Hostile, bytes_of

CUTS, MUTANTS = 20, 180


def _good(path: Path) -> bytes:
    return linear_onnx(path, weights=COPY).read_bytes()


def cut() -> Iterator[Hostile]:
    """A file that was not downloaded to its end."""
    for n in range(CUTS):
        yield Hostile(f"cut-{n}.onnx", partial(_cut, share=n / CUTS))


def _cut(path: Path, share: float) -> None:
    whole = _good(path)
    path.write_bytes(whole[: int(share * len(whole))])


def mutants() -> Iterator[Hostile]:
    """A good file of which some bytes were changed."""
    for n in range(MUTANTS):
        yield Hostile(f"mutant-{n}.onnx", partial(_mutant, seed=n), honest=True)


def _mutant(path: Path, seed: int) -> None:
    generator = np.random.default_rng(seed)
    data = bytearray(_good(path))
    # Mostly in the structure and not in the weights, which any value suits.
    for _ in range(int(generator.integers(1, 9))):
        where = int(generator.integers(len(data)))
        kind = int(generator.integers(3))
        if kind == 0:
            data[where] = int(generator.integers(256))
        elif kind == 1:
            data[where] ^= 1 << int(generator.integers(8))
        else:
            del data[where]
    path.write_bytes(data)


def others() -> Iterator[Hostile]:
    """Everything that is no ONNX file."""
    contents = {
        "empty": b"",
        "zeros": bytes(4096),
        "random": np.random.default_rng(0).bytes(4096),
        "page": b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
        "pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        "gzip": gzip.compress(b"x" * 1000),
        "json": b'{"error": "no such model"}',
        "picture": b"\x89PNG\r\n\x1a\n" + bytes(100),
        "program": b"\x7fELF" + bytes(100),
        "script": b"#!/bin/sh\necho was here > mark\n",
        "pickle": pickle.dumps({"a": 1}),
        "text": b"model",
        "newlines": b"\n" * 100_000,
        "nesting": b"\x3a\xff\xff\xff\x7f" * 1000,
        "varint": b"\xff" * 1000,
    }
    for name, content in contents.items():
        yield bytes_of(f"other-{name}.onnx", content)


def external() -> Iterator[Hostile]:
    """Weights that lie in a file which is no model's business."""
    places = {
        "above": "../secret",
        "far-above": "../" * 20 + "etc/passwd",
        "root": "/etc/passwd",
        "device": "/dev/zero",
        "process": "/proc/self/environ",
        "missing": "nowhere.bin",
        "nul": "a\x00b",
        "backslash": "..\\secret",
        "address": "file:///etc/passwd",
        "memory": "*/_ORT_MEM_ADDR_/*",
        "nothing": "",
        "folder": ".",
        "link": "link",
        "hidden-above": "a/../../secret",
    }
    for name, place in places.items():
        yield Hostile(f"external-{name}.onnx", partial(_external, place=place))
    for name, offset, length in (
        ("far", str(1 << 62), "320"),
        ("negative", "-1", "320"),
        ("long", "0", str(1 << 62)),
        ("words", "zero", "many"),
    ):
        write = partial(_external, place="secret", offset=offset, length=length)
        yield Hostile(f"external-{name}.onnx", write)


def _external(path: Path, place: str, offset: str = "0", length: str = "320") -> None:
    # Beside and above the file there is something to read.
    for secret in (path.parent / "secret", path.parent.parent / "secret"):
        secret.write_bytes(bytes(320))
    link = path.parent / "link"
    if not os.path.lexists(link):
        link.symlink_to("/etc/passwd")
    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=COPY.shape)
    weights.data_location = TensorProto.EXTERNAL
    for key, text in (("location", place), ("offset", offset), ("length", length)):
        entry = weights.external_data.add()
        entry.key, entry.value = key, text
    made = helper.make_graph(
        [
            helper.make_node("Flatten", ["x"], ["flat"]),
            helper.make_node("MatMul", ["flat", "w"], ["y"]),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["b", *SHAPE])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["b", COPY.shape[1]])],
        [weights],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())


def places() -> Iterator[Hostile]:
    """Names that lead to no file."""
    yield Hostile("folder.onnx", Path.mkdir)
    yield Hostile("pipe.onnx", os.mkfifo)
    yield Hostile("loop.onnx", lambda path: path.symlink_to(path.name))
    yield Hostile("zero.onnx", lambda path: path.symlink_to("/dev/zero"))
    yield Hostile("memory.onnx", lambda path: path.symlink_to("/proc/self/mem"))
    yield Hostile("nowhere.onnx", lambda path: path.symlink_to("nothing"))
    yield Hostile("sparse.onnx", partial(_sparse, size=7 << 30))
    yield Hostile("sparse-large.onnx", partial(_sparse, size=1 << 40))
    yield Hostile("locked.onnx", lambda path: _good(path) and path.chmod(0), honest=True)
    yield Hostile("new\nline.onnx", _good, honest=True)
    yield Hostile("escape\x1b[2J.onnx", _good, honest=True)


def _sparse(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.truncate(size)
