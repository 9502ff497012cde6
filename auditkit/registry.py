"""A file in a plug-in folder is a name on the command line."""

import functools
import importlib
import pkgutil
from types import ModuleType
from typing import Any

from auditkit.errors import MissingRuntimeError, UnknownPluginError

EXTRAS = {"torch": "owner", "grpc": "grpc"}
"""Third-party modules that only an extra installs, with the extra's name."""


def names(package: ModuleType) -> list[str]:
    """Plug-in names of a folder, from file names alone; nothing is imported."""
    return list(_found(tuple(package.__path__)))


@functools.cache
def _found(folders: tuple[str, ...]) -> tuple[str, ...]:
    found = (module.name for module in pkgutil.iter_modules(folders))
    return tuple(sorted(name for name in found if name != "base"))


def load(package: ModuleType, name: str) -> Any:
    """The one public object of a plug-in file.

    Raises:
        UnknownPluginError: No such file in the folder.
        MissingRuntimeError: The file needs a package that is not installed.
    """
    if name not in names(package):
        kind = package.__name__.rpartition(".")[2]
        raise UnknownPluginError(f"no {name!r} in {kind}; there are: {', '.join(names(package))}")
    try:
        module = importlib.import_module(f"{package.__name__}.{name}")
    except ModuleNotFoundError as error:
        missing = str(error.name).partition(".")[0]
        extra = EXTRAS.get(missing)
        install = f"model-auditkit[{extra}]" if extra else missing
        raise MissingRuntimeError(
            f"{name!r} needs {missing!r}, which is not installed: pip install '{install}'"
        ) from error
    [public] = module.__all__
    return getattr(module, public)
