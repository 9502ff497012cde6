"""Calls somebody's own code for a model: `package.module:factory`, `file.py:Class(width=8)`."""

import ast
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from torch import nn

from auditkit.core.arrays import Json, JsonObject
from auditkit.core.errors import OwnerLoadError
from auditkit.core.escape import first_line
from auditkit.owner.states import one_line


@dataclass(frozen=True, slots=True)
class _Call:
    """What stands behind the colon: dotted names, and arguments that are plain values."""

    names: tuple[str, ...]
    arguments: list[Json] = field(default_factory=list)
    named: JsonObject = field(default_factory=dict)


def made_by(source: str) -> nn.Module:
    """Make a module: `timm:create_model('resnet18', num_classes=10)`, `net.py:Net`.

    Raises:
        OwnerLoadError: There is no such function, it needs other arguments, or makes no module.
    """
    function, call = _found(source, "a model file or a factory")
    try:
        inspect.signature(function).bind(*call.arguments, **call.named)
    except TypeError as error:
        raise OwnerLoadError(
            f"{source!r}: {error}; give arguments as in package.module:factory(classes=10)"
        ) from error
    except ValueError:
        pass  # a function of C tells no signature; the call itself will
    with one_line(source):
        module = function(*call.arguments, **call.named)
    if not isinstance(module, nn.Module):
        raise OwnerLoadError(
            f"{source!r} returned {type(module).__name__}, wanted a torch.nn.Module"
        )
    return module


def imported(source: str, wanted: str) -> Callable[..., Json]:
    """Import `package.module:function` from the working folder or an installed package.

    Args:
        source: As the user wrote it.
        wanted: What it should have been, for the error.

    Raises:
        OwnerLoadError: There is no such function.
    """
    return _found(source, wanted)[0]


def _found(source: str, wanted: str) -> tuple[Callable[..., Json], _Call]:
    module_name, _, expression = source.partition(":")
    call = _call(source, expression)
    # A console script has its own folder on the path, not the user's, as `python -m` has.
    sys.path.insert(0, str(Path.cwd()))
    try:
        found: Json = _module(module_name)
        for name in call.names:
            found = getattr(found, name)
    except (Exception, SystemExit) as error:
        raise OwnerLoadError(
            f"{wanted} can't be had from {source!r}: {type(error).__name__}: {first_line(error)}"
        ) from error
    finally:
        sys.path.pop(0)
    if not callable(found):
        raise OwnerLoadError(f"{source!r} must be a function, got {type(found).__name__}")
    return found, call


def _module(name: str) -> ModuleType:
    """Import a module by its name, or from its file, whose folder it may import from."""
    if not name.endswith(".py"):
        return importlib.import_module(name)
    path = Path(name).resolve()
    if not path.is_file():
        raise OwnerLoadError(f"no such file: {name!r}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise OwnerLoadError(f"{name!r} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent))
    try:
        # Classes look their module up by name, for dataclasses and copies.
        sys.modules[path.stem] = module
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
    return module


def _call(source: str, expression: str) -> _Call:
    """Read `name`, `Class.method` or either with arguments; nothing is evaluated but literals."""
    try:
        tree = ast.parse(expression, mode="eval").body
        if not isinstance(tree, ast.Call):
            return _Call(_names(tree))
        named = {str(one.arg): ast.literal_eval(one.value) for one in tree.keywords}
        return _Call(_names(tree.func), [ast.literal_eval(one) for one in tree.args], named)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise OwnerLoadError(
            f"{source!r} can't be read; wanted package.module:factory or file.py:Class, with plain "
            "values as arguments: factory('name', classes=10)"
        ) from error


def _names(tree: ast.expr) -> tuple[str, ...]:
    if isinstance(tree, ast.Attribute):
        return (*_names(tree.value), tree.attr)
    if isinstance(tree, ast.Name):
        return (tree.id,)
    raise ValueError("no name")
