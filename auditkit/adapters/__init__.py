"""One file per way to ask a suspect; this page picks one and loads only that."""

import re
import sys
from pathlib import PurePath

from auditkit.adapters.base import Adapter
from auditkit.adapters.wire.addresses import parsed, shown
from auditkit.core.errors import SuspectLoadError
from auditkit.core.plugins import load, names
from auditkit.core.points import InputSpec
from auditkit.core.requests import Options

SHARED = ("base", "runtime")
"""Files of this folder that are no plug-ins."""
SUFFIXES = {
    ".onnx": "onnx",
    ".pt": "torchscript",
    ".pt2": "torchscript",
    ".npz": "recorded",
    ".csv": "recorded",
    ".toml": "template",
}
ALIASES = {"python": "callable"}
REMOTE = ("oip", "predict", "template")
"""Adapters of what lies behind an address."""
ADDRESSES = (
    (re.compile(r"^grpcs?://[^/]+/.+"), "oip"),
    (re.compile(r"^https?://.+/v2/models/[^/?]+"), "oip"),
    (re.compile(r"^https?://.+:predict(\?|$)"), "predict"),
)


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
        return _protocol(suspect), suspect
    suffix = PurePath(suspect).suffix.lower()
    if suffix in SUFFIXES:
        return SUFFIXES[suffix], suspect
    raise SuspectLoadError(
        f"{suspect!r} does not tell how to ask it; wanted a name that ends in "
        f"{', '.join(SUFFIXES)}, or begins with {', '.join(f'{n}:' for n in known)} or python:"
    )


def _protocol(address: str) -> str:
    parsed(address)
    for form, name in ADDRESSES:
        if form.match(address):
            return name
    raise SuspectLoadError(
        f"{shown(address)!r} does not tell its protocol; wanted https://…/v2/models/NAME, "
        "https://…/NAME:predict or grpcs://HOST/NAME; ask with auditkit probe, or describe the API "
        "in a file.toml"
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
