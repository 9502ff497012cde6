"""Suspects that are a Python function, plain or async: `python:package.module:function`."""

import asyncio
import importlib
import inspect
import sys
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import wait
from pathlib import Path
from typing import Any

from auditkit.adapters.base import CONCURRENT, Kind, Port
from auditkit.core.arrays import FloatArray, Rows
from auditkit.core.errors import QueryError, SuspectLoadError
from auditkit.core.escape import first_line
from auditkit.core.requests import Options

__all__ = ["python"]

LOOP_CHECK = 0.5
"""Seconds between two checks whether the event loop still runs."""
Reply = Any
"""What a user's function returns; nothing is known of it until it is checked."""


class CallableAdapter:
    """Calls a function with a (b, *shape) float32 batch, normalised as for the owner's model.

    The function returns (b, classes) scores or (b,) labels as anything that `numpy.asarray`
    understands. A call that raises ConnectionError or TimeoutError is repeated later. Up to
    `CONCURRENT` calls of an async function run concurrently, all in one event loop.
    """

    def __init__(self, source: str, options: Options) -> None:  # noqa: ARG002 - the interface
        self._function = _imported(source)
        self._loop = _Loop() if inspect.iscoroutinefunction(self._function) else None
        # Nothing says that a plain function is thread-safe, so that one gets one call at a time.
        lanes = 1 if self._loop is None else CONCURRENT
        self.port = Port(f"python:{source}", concurrency=lanes, local=True)
        self.runtime = {"function": source}

    def answer(self, batch: Rows) -> Rows:
        """See `Adapter.answer`."""
        # Whatever the function returns is checked by the caller, like every adapter's reply.
        if self._loop is not None:
            reply: Rows = self._loop.run(self._function(batch))
        else:
            reply = self._function(batch)
        return reply

    def close(self) -> None:
        """See `Adapter.close`."""
        if self._loop is not None:
            self._loop.close()


class _Loop:
    """An event loop in its own thread, shared by all calls of one async function."""

    # One lasting loop and not asyncio.run() for each call: a vendor's client binds its connections
    # to the loop in which it first ran, and fails in any other.

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, call: Coroutine[object, object, Reply]) -> Reply:
        """Run the coroutine in the loop and return its result; callable from any thread.

        Raises:
            QueryError: The coroutine ended the event loop or the interpreter.
        """
        answer = asyncio.run_coroutine_threadsafe(_without_exits(call), self._loop)
        # A stopped loop never completes its futures, so that waiting without limit would hang.
        while not wait([answer], timeout=LOOP_CHECK).done:
            if not self._thread.is_alive():
                raise QueryError("the suspect stopped the event loop that it was asked in")
        return answer.result()

    def close(self) -> None:
        """Stop the loop and end its thread; a second call does nothing."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()


async def _without_exits(call: Coroutine[object, object, Reply]) -> Reply:
    """Await the coroutine, with SystemExit and KeyboardInterrupt turned into QueryError."""
    try:
        return await call
    # asyncio lets these two pass through the loop, which ends it and all calls under way in it.
    except (SystemExit, KeyboardInterrupt) as error:
        raise QueryError(f"the suspect raised {type(error).__name__}") from error


def _imported(source: str) -> Callable[[FloatArray], Any]:
    module_name, colon, name = source.partition(":")
    if not colon or not module_name or not name:
        raise SuspectLoadError(f"wanted python:package.module:function, got {source!r}")
    # An installed command does not search the working folder, where users keep such a module.
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


python = Kind(CallableAdapter, alias="python", own_code=True)
