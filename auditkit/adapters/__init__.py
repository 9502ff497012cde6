"""One file per kind of suspect; this page finds the kind that a name belongs to, and opens it.

Each file says itself which suffixes and addresses belong to it, and loads its runtime (onnxruntime,
torch, an HTTP client) only when a suspect is opened.
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

SHARED = ("base", "runtime")
"""Files of this folder that are no plug-ins."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A suspect as the user named it, before it is opened."""

    adapter: str
    """Name of the plug-in."""
    source: str
    """What the plug-in opens."""
    kind: Kind


def identified(name: str) -> Suspect:
    """The kind that a suspect's name belongs to, by its prefix, its address or its suffix.

    Plug-ins of other packages are looked at only where no built-in one fits.

    Raises:
        SuspectLoadError: Nothing tells how to ask it.
    """
    rooms = sys.modules[__name__]
    own = built_in(rooms)
    found = _among(own, name) or _among([one for one in names(rooms) if one not in own], name)
    if found is not None:
        return found
    if "://" in name:
        parsed(name)
        raise SuspectLoadError(
            f"{shown(name)!r} does not tell its protocol; wanted "
            "https://…/v2/models/NAME, https://…/NAME:predict or grpcs://HOST/NAME; ask with "
            "auditkit probe, or describe the API in a file.toml"
        )
    known = {suffix: None for one in own for suffix in _kind(one).suffixes}
    raise SuspectLoadError(
        f"{name!r} does not tell how to ask it; wanted a name that ends in {', '.join(known)}, or "
        f"begins with {', '.join(f'{one}:' for one in own)} or python:"
    )


def _among(plugins: Sequence[str], name: str) -> Suspect | None:
    scheme, colon, rest = name.partition(":")
    for plugin in plugins:
        kind = _kind(plugin)
        if colon and scheme in (plugin, kind.alias) and not rest.startswith("//"):
            return Suspect(plugin, rest, kind)
    for plugin in plugins:
        kind = _kind(plugin)
        if any(re.match(form, name) for form in kind.addresses):
            parsed(name)
            return Suspect(plugin, name, kind)
        if "://" not in name and PurePath(name).suffix.lower() in kind.suffixes:
            return Suspect(plugin, name, kind)
    return None


def _kind(plugin: str) -> Kind:
    kind = load(sys.modules[__name__], plugin)
    if not isinstance(kind, Kind):
        raise PluginError(f"the adapter {plugin!r} is {type(kind).__name__}, wanted a Kind")
    return kind


def open_suspect(suspect: Suspect, options: Options) -> Adapter:
    """Open a suspect with the adapter of its kind.

    Whatever a stranger's file or server makes an adapter raise becomes one line here, so that no
    adapter has to.

    Raises:
        SuspectError: It can't be opened, or is out of reach for the moment (TransientError).
        MissingRuntimeError: Its runtime is not installed.
    """
    try:
        return suspect.kind.open(suspect.source, options)
    except (SuspectError, PluginError):
        raise
    except ModuleNotFoundError as error:
        raise missing_package(suspect.adapter, error) from error
    except (Exception, SystemExit) as error:
        raise SuspectLoadError(
            f"{shown(suspect.source)!r} can't be opened as {suspect.adapter}: {first_line(error)}"
        ) from error
