"""Adapters: one file for each kind of suspect. This module finds the adapter for a suspect's name.

Each adapter declares the file suffixes and address patterns that belong to it. Its runtime
(onnxruntime, torch, an HTTP client) is imported only when a suspect is opened, because `identified`
also runs in commands that open nothing and should start quickly.
"""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from auditkit.adapters.base import Adapter, Kind
from auditkit.adapters.wire.addresses import parsed, shown
from auditkit.core.errors import PluginError, SuspectError, SuspectLoadError
from auditkit.core.escape import first_line
from auditkit.core.plugins import built_in, load, missing_package, names
from auditkit.core.requests import Options

SHARED = (
    "base",
    "live",
    "onnx_computed",
    "onnx_external",
    "onnx_weights",
    "reasons",
    "runtime",
    "torch_calls",
    "torch_module",
    "torch_weights",
    "weights_alone",
)
"""Modules of this folder that are not plug-ins."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A suspect as the user named it, before it is opened."""

    adapter: str
    """Name of the adapter plug-in, e.g. `onnx`."""
    source: str
    """What the adapter opens: a path, an address or `module:function`."""
    kind: Kind


def identified(name: str) -> Suspect:
    """Find the adapter for a suspect's name, by its prefix, its address or its suffix.

    Raises:
        SuspectLoadError: No adapter claims the name, or the address is malformed.
        PluginError: An installed adapter can't be loaded.
    """
    package = sys.modules[__name__]
    own = built_in(package)
    # Built-in adapters are tried first: an installed package can't take over `.onnx`, and listing
    # the installed entry points, which reads the metadata of every package, is mostly not needed.
    found = _match(own, name) or _match([one for one in names(package) if one not in own], name)
    if found is not None:
        return found
    if "://" in name:
        parsed(name)
        raise SuspectLoadError(
            f"{shown(name)!r} does not tell its protocol; wanted "
            "https://…/v2/models/NAME, https://…/NAME:predict or grpcs://HOST/NAME; ask with "
            "auditkit probe, or describe the API in a file.toml"
        )
    known = {suffix: None for one in own for suffix in adapter_kind(one).suffixes}
    raise SuspectLoadError(
        f"{name!r} does not tell how to ask it; wanted a name that ends in {', '.join(known)}, or "
        f"begins with {', '.join(f'{one}:' for one in own)} or python:"
    )


def _match(plugins: Sequence[str], name: str) -> Suspect | None:
    scheme, colon, rest = name.partition(":")
    # An explicit prefix wins over every suffix: `recorded:answers.onnx` is what the user asked for.
    for plugin in plugins:
        kind = adapter_kind(plugin)
        if colon and scheme in (plugin, kind.alias) and not rest.startswith("//"):
            return Suspect(plugin, rest, kind)
    for plugin in plugins:
        kind = adapter_kind(plugin)
        if any(re.match(form, name) for form in kind.addresses):
            parsed(name)  # refuses an address with a password before anything repeats it
            return Suspect(plugin, name, kind)
        if "://" not in name and PurePath(name).suffix.lower() in kind.suffixes:
            return Suspect(plugin, name, kind)
    return None


def adapter_kind(plugin: str) -> Kind:
    """Return an adapter's plug-in by its name.

    Raises:
        PluginError: There is none, or it can't be loaded.
    """
    kind = load(sys.modules[__name__], plugin)
    if not isinstance(kind, Kind):
        raise PluginError(f"the adapter {plugin!r} is {type(kind).__name__}, wanted a Kind")
    return kind


def open_suspect(suspect: Suspect, options: Options) -> Adapter:
    """Open a suspect with its adapter.

    Every exception of an adapter or of the library below it becomes an auditkit error with a
    one-line message here, so that no adapter needs code for that.

    Raises:
        SuspectError: The suspect can't be opened; TransientError if trying again may help.
        MissingRuntimeError: A package that the adapter needs is not installed.
    """
    try:
        return suspect.kind.open(suspect.source, options)
    except (SuspectError, PluginError):
        raise
    except ModuleNotFoundError as error:
        raise missing_package(suspect.adapter, error) from error
    # A plug-in, or a user's module that it imports, may call sys.exit(). Its exit code must not
    # become auditkit's, where 0 and 3 are verdicts.
    except (Exception, SystemExit) as error:
        raise SuspectLoadError(
            f"{shown(suspect.source)!r} can't be opened as {suspect.adapter}: {first_line(error)}"
        ) from error
