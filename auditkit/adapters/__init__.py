"""One file per way to ask a suspect; this page picks one and loads only that."""

import sys
from pathlib import PurePath

from auditkit.adapters.base import Adapter, Options
from auditkit.errors import SuspectLoadError
from auditkit.registry import load, names
from auditkit.types import InputSpec

SUFFIXES = {
    ".onnx": "onnx",
    ".pt": "torchscript",
    ".pt2": "torchscript",
    ".npz": "recorded",
    ".csv": "recorded",
}
ALIASES = {"python": "callable"}


def split(suspect: str) -> tuple[str, str]:
    """A suspect as written -> adapter name and source.

    Raises:
        SuspectLoadError: Neither a scheme nor a suffix tells how to ask it.
    """
    known = names(sys.modules[__name__])
    scheme, colon, rest = suspect.partition(":")
    name = ALIASES.get(scheme, scheme)
    if colon and name in known:
        return name, rest
    if rest.startswith("//"):
        raise SuspectLoadError(
            f"{suspect!r} is an address; this version asks files, Python functions and recorded "
            "answers: wrap the API in a function and give python:module:function"
        )
    suffix = PurePath(suspect).suffix.lower()
    if suffix in SUFFIXES:
        return SUFFIXES[suffix], suspect
    raise SuspectLoadError(
        f"{suspect!r} does not tell how to ask it; wanted a name that ends in "
        f"{', '.join(SUFFIXES)}, or begins with {', '.join(f'{n}:' for n in known)} or python:"
    )


def open_suspect(suspect: str, spec: InputSpec, options: Options) -> Adapter:
    """Open a suspect with the adapter its name asks for.

    Raises:
        SuspectLoadError: It can't be opened.
        SuspectMismatchError: It takes other inputs than the points.
        MissingRuntimeError: Its runtime is not installed.
    """
    name, source = split(suspect)
    adapter: Adapter = load(sys.modules[__name__], name)(source, spec, options)
    return adapter
