"""A Python function as a suspect: `python:package.module:function`."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditkit.adapters.base import Options, one_line
from auditkit.errors import QueryError, SuspectLoadError
from auditkit.inputs import normalised
from auditkit.types import FloatArray, InputSpec

__all__ = ["CallableAdapter"]


class CallableAdapter:
    """Asks a function with (b, *shape) float32 inputs as the owner's model takes them.

    It returns (b, classes) scores or (b,) labels: anything `numpy.asarray` understands.
    """

    def __init__(self, source: str, spec: InputSpec, options: Options) -> None:  # noqa: ARG002 - every adapter is made alike
        self._function = _imported(source)
        self._spec = spec
        self.digest: str | None = None
        self.runtime = {"function": source}

    def answer(self, points: FloatArray) -> NDArray[Any]:
        """See `Adapter.answer`."""
        try:
            return np.asarray(self._function(normalised(points.copy(), self._spec)))
        except (Exception, SystemExit) as error:  # whoever exits must not choose our exit code
            raise QueryError(
                f"the suspect raised {type(error).__name__}: {one_line(error)}"
            ) from error

    def close(self) -> None:
        """See `Adapter.close`."""


def _imported(source: str) -> Callable[[FloatArray], Any]:
    module_name, colon, name = source.partition(":")
    if not colon or not module_name or not name:
        raise SuspectLoadError(f"wanted python:package.module:function, got {source!r}")
    sys.path.insert(0, str(Path.cwd()))
    try:
        function = getattr(importlib.import_module(module_name), name)
    except (Exception, SystemExit) as error:
        raise SuspectLoadError(
            f"{source!r} can't be imported: {type(error).__name__}: {one_line(error)}"
        ) from error
    finally:
        sys.path.pop(0)
    if not callable(function):
        raise SuspectLoadError(f"{source!r} is {type(function).__name__}, wanted a function")
    return function  # type: ignore[no-any-return]
