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

from auditkit.adapters.base import CONCURRENT, Kind, Port
from auditkit.core.arrays import FloatArray, Rows
from auditkit.core.errors import QueryError, SuspectLoadError
from auditkit.core.escape import first_line
from auditkit.core.requests import Options

__all__ = ["python"]

LOOK = 0.5
"""Seconds between looks at whether an event loop still runs."""


class CallableAdapter:
    """Asks a function with (b, *shape) float32 inputs as the owner's model takes them.

    It returns (b, classes) scores or (b,) labels: anything `numpy.asarray` understands. What raises
    ConnectionError or TimeoutError is asked again later; an async function is asked several
    questions at once, all in one event loop.
    """

    def __init__(self, source: str, options: Options) -> None:  # noqa: ARG002 - all are made alike
        self._function = _imported(source)
        self._loop = _Loop() if inspect.iscoroutinefunction(self._function) else None
        self.port = Port(f"python:{source}", concurrency=1 if self._loop is None else CONCURRENT)
        self.runtime = {"function": source}

    def answer(self, batch: Rows) -> Rows:
        """See `Adapter.answer`."""
        if self._loop is not None:
            return np.asarray(self._loop.run(self._function(batch)))
        return np.asarray(self._function(batch))

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
        raise QueryError(f"the suspect raised {type(error).__name__}") from error


def _imported(source: str) -> Callable[[FloatArray], Any]:
    module_name, colon, name = source.partition(":")
    if not colon or not module_name or not name:
        raise SuspectLoadError(f"wanted python:package.module:function, got {source!r}")
    sys.path.insert(0, str(Path.cwd()))
    try:
        function = getattr(importlib.import_module(module_name), name)
    except (Exception, SystemExit) as error:
        raise SuspectLoadError(
            f"{source!r} can't be imported: {type(error).__name__}: {first_line(error)}"
        ) from error
    finally:
        sys.path.pop(0)
    if not callable(function):
        raise SuspectLoadError(f"{source!r} is {type(function).__name__}, wanted a function")
    return function  # type: ignore[no-any-return]


python = Kind(CallableAdapter, alias="python")
