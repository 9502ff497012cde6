"""A file in a plug-in folder is a name on the command line; so is an entry point of its group.

A folder's `SHARED` lists its files that are no plug-ins. The folder `auditkit/adapters` goes with
the entry-point group `auditkit.adapters`, `auditkit/judging/identification` with
`auditkit.identification`, and so on.
"""

import functools
import importlib
import pkgutil
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

from auditkit.core.errors import MissingRuntimeError, PluginError, UnknownPluginError

EXTRAS = {"torch": "owner", "grpc": "grpc", "fpdf": "pdf"}
"""Third-party modules that only an extra installs, with the extra's name."""


def built_in(package: ModuleType) -> tuple[str, ...]:
    """Return the names of a folder's plug-ins, read from file names: nothing is imported."""
    return _found(tuple(package.__path__), package.SHARED)


@functools.cache
def _found(folders: tuple[str, ...], shared: tuple[str, ...]) -> tuple[str, ...]:
    modules = (module for module in pkgutil.iter_modules(folders) if not module.ispkg)
    return tuple(sorted(module.name for module in modules if module.name not in shared))


def names(package: ModuleType) -> list[str]:
    """Return the names of a folder's plug-ins and of those that other packages installed.

    Raises:
        PluginError: Two plug-ins have one name.
    """
    known = list(built_in(package))
    for point in _installed(package):
        if point.name in known:
            raise PluginError(
                f"two plug-ins are called {point.name!r} in {_group(package)}, one of them in "
                f"{_distribution(point)}; uninstall that package"
            )
        known.append(point.name)
    return sorted(known)


def load(package: ModuleType, name: str) -> Any:
    """Return the one public object of a plug-in file, or the object that an entry point names.

    The folder comes first, so that looking for installed packages costs nothing where a built-in
    plug-in is meant.

    Raises:
        UnknownPluginError: There is no such plug-in.
        MissingRuntimeError: The plug-in needs a package that is not installed.
        PluginError: An installed plug-in fails to load.
    """
    if name in built_in(package):
        return _from_folder(package, name)
    for point in _installed(package):
        if point.name == name:
            return _from_package(point)
    kind = package.__name__.rpartition(".")[2]
    raise UnknownPluginError(f"no {name!r} in {kind}; there are: {', '.join(names(package))}")


def _from_folder(package: ModuleType, name: str) -> Any:
    try:
        module = importlib.import_module(f"{package.__name__}.{name}")
    except ModuleNotFoundError as error:
        raise missing_package(name, error) from error
    [public] = module.__all__
    return getattr(module, public)


def _from_package(point: EntryPoint) -> Any:
    try:
        return point.load()
    except ModuleNotFoundError as error:
        raise missing_package(point.name, error) from error
    except Exception as error:  # a stranger's module may raise anything while it is imported
        raise PluginError(
            f"the plug-in {point.name!r} of {_distribution(point)} can't be loaded: "
            f"{type(error).__name__}: {error}"
        ) from error


def missing_package(what: str, error: ModuleNotFoundError) -> MissingRuntimeError:
    """Return the error for something that needs a package; it says how to install it."""
    missing = str(error.name).partition(".")[0]
    extra = EXTRAS.get(missing)
    install = f"model-auditkit[{extra}]" if extra else missing
    return MissingRuntimeError(
        f"{what!r} needs {missing!r}, which is not installed: pip install '{install}'"
    )


def _group(package: ModuleType) -> str:
    return f"auditkit.{package.__name__.rpartition('.')[2]}"


def _installed(package: ModuleType) -> list[EntryPoint]:
    return list(entry_points(group=_group(package)))


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "an unknown package"
