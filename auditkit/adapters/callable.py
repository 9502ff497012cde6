"""A Python function, plain or async, as a suspect: `python:package.module:function`."""

import asyncio
import importlib
import inspect
import sys
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import wait
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditkit.adapters.base import AT_ONCE, LANES, one_line
from auditkit.core.arrays import FloatArray
from auditkit.core.errors import QueryError, SuspectLoadError, TransientError
from auditkit.core.points import InputSpec, normalised
from auditkit.core.requests import Options

__all__ = ["CallableAdapter"]

LOOK = 0.5
"""Seconds between looks at whether an event loop still runs."""


class CallableAdapter:
    """Asks a function with (b, *shape) float32 inputs as the owner's model takes them.

    It returns (b, classes) scores or (b,) labels: anything `numpy.asarray` understands. What raises
    ConnectionError or TimeoutError is asked again later; an async function is asked several
    questions at once, all in one event loop.
    """

    def __init__(self, source: str, spec: InputSpec, options: Options) -> None:  # noqa: ARG002 - every adapter is made alike
        self._function = _imported(source)
        self._spec = spec
        self._loop = _Loop() if inspect.iscoroutinefunction(self._function) else None
        self.digest: str | None = None
        self.identity = f"python:{source}"
        self.runtime = {"function": source}
        self.batch, self.lanes = AT_ONCE, 1 if self._loop is None else LANES

    def answer(self, points: FloatArray) -> NDArray[Any]:
        """See `Adapter.answer`."""
        inputs = normalised(points.copy(), self._spec)
        try:
            if self._loop is not None:
                return np.asarray(self._loop.run(self._function(inputs)))
            return np.asarray(self._function(inputs))
        except QueryError:
            raise
        except (ConnectionError, TimeoutError) as error:
            raise TransientError(_raised(error)) from error
        except (Exception, SystemExit) as error:  # whoever exits must not choose our exit code
            raise QueryError(_raised(error)) from error

    def close(self) -> None:
        """See `Adapter.close`."""
        if self._loop is not None:
            self._loop.close()


class _Loop:
    """An event loop in a thread of its own, so that what a function opens in it stays usable."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, question: Coroutine[Any, Any, Any]) -> Any:
        """What the coroutine returns; for any thread."""
        answer = asyncio.run_coroutine_threadsafe(_kept_in(question), self._loop)
        while not wait([answer], timeout=LOOK).done:
            if not self._thread.is_alive():
                raise QueryError("the suspect stopped the event loop that it was asked in")
        return answer.result()

    def close(self) -> None:
        """End the thread; a second call does nothing."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()


async def _kept_in(question: Coroutine[Any, Any, Any]) -> Any:
    """An exit would end the loop, and with it everybody's questions."""
    try:
        return await question
    except (SystemExit, KeyboardInterrupt) as error:
        raise QueryError(_raised(error)) from error


def _raised(error: BaseException) -> str:
    return f"the suspect raised {type(error).__name__}: {one_line(error)}"


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
