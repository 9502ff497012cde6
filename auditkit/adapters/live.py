"""Suspects that are objects of this process: a function, a torch module, an onnxruntime session.

Whoever has opened a model in a notebook asks it as it is. It runs in this process, without walls,
since it is the user's own object already.
"""

from collections.abc import Iterable
from os import PathLike, fspath

from auditkit import adapters as package
from auditkit.adapters import Suspect, adapter_kind, identified
from auditkit.adapters.base import Kind, Object
from auditkit.adapters.wire.addresses import shown
from auditkit.core.errors import SuspectLoadError
from auditkit.core.plugins import built_in

WANTED = (
    "a suspect is a path, an address, a function, a torch.nn.Module or an "
    "onnxruntime.InferenceSession"
)


def suspected(given: Object) -> Suspect:
    """Return a suspect, however the user has it: by its name, or as an object.

    Raises:
        SuspectLoadError: It is none, no adapter claims its name, or its address is malformed.
        PluginError: An installed adapter can't be loaded.
    """
    if isinstance(given, str | PathLike):
        return identified(fspath(given))
    # A torch module can be called as well, so functions come last.
    for plugin in sorted(built_in(package), key=lambda name: name == "callable"):
        kind = adapter_kind(plugin)
        if kind.takes(given):
            return Suspect(plugin, name_of(given), _held(kind, given))
    raise SuspectLoadError(f"{WANTED}, got {type(given).__name__}")


def _held(kind: Kind, given: Object) -> Kind:
    """Return the kind of one object: opening it is to ask it as it is, whatever its name."""
    name = name_of(given)
    return Kind(lambda _source, _options: kind.hold(given, name), live=True)


def is_one(given: Iterable[Object] | Object) -> bool:
    """Return whether this is one suspect and not several; so is a module made of parts."""
    return isinstance(given, str | PathLike) or callable(given) or not isinstance(given, Iterable)


def listed(given: Iterable[Object] | Object) -> list[Object]:
    """Return one suspect or several as a list."""
    return [given] if is_one(given) else list(given)


def name_of(given: Object) -> str:
    """Return what a suspect is called in reports: as the user named it, or its class or function.

    Passwords and queries of an address are left out.
    """
    if isinstance(given, str | PathLike):
        return shown(str(given))
    return str(getattr(given, "__qualname__", type(given).__name__))
