"""Suspects that are a Python function, plain or async: `python:package.module:function`."""

import importlib
import inspect
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import wait
from pathlib import Path
from typing import Any

import numpy as np

from auditkit.adapters.base import CONCURRENT, Kind, Object, Outputs, Port
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

    The function returns (b, classes) scores or (b,) labels as a tensor or anything else that
    `numpy.asarray` understands, or several outputs in a dict or a tuple. A call that raises
    ConnectionError or TimeoutError is repeated later. Up to `CONCURRENT` calls of an async function
    run concurrently, all in one event loop.
    """

    def __init__(self, function: Callable[[FloatArray], Any], name: str) -> None:
        self._function = function
        self._loop = _Loop() if inspect.iscoroutinefunction(self._function) else None
        # Nothing says that a plain function is thread-safe, so that one gets one call at a time.
        lanes = 1 if self._loop is None else CONCURRENT
        self.port = Port(f"python:{name}", concurrency=lanes, local=True)
        self.runtime = {"function": name}

    def answer(self, batch: Rows) -> Rows | Outputs:
        """See `Adapter.answer`."""
        if self._loop is not None:
            reply: Reply = self._loop.run(self._function(batch))
        else:
            reply = self._function(batch)
        # What it holds is checked by the caller, like every adapter's reply.
        return _outputs(reply, len(batch))

    def close(self) -> None:
        """See `Adapter.close`."""
        if self._loop is not None:
            self._loop.close()


class _Loop:
    """An event loop in its own thread, shared by all calls of one async function."""

    # One lasting loop and not asyncio.run() for each call: a vendor's client binds its connections
    # to the loop in which it first ran, and fails in any other.

    def __init__(self) -> None:
        import asyncio  # loaded for those alone who need it: it takes longer than to ask a file

        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, call: Coroutine[object, object, Reply]) -> Reply:
        """Run the coroutine in the loop and return its result; callable from any thread.

        Raises:
            QueryError: The coroutine ended the event loop or the interpreter.
        """
        from asyncio import run_coroutine_threadsafe

        answer = run_coroutine_threadsafe(_without_exits(call), self._loop)
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


def _outputs(reply: Reply, count: int) -> Rows | Outputs:
    """Return a reply as arrays by name, where it is several outputs, else as it is."""
    if isinstance(reply, Mapping):
        parts = {str(name): _outputs(part, count) for name, part in reply.items()}
        return {inner: array for name, part in parts.items() for inner, array in _flat(name, part)}
    if isinstance(reply, list | tuple) and reply and all(map(_is_array, reply)):
        shapes = {tuple(part.shape) for part in reply}
        # A loop over points leaves as many rows as points, which are one output.
        if len(reply) != count or len(shapes) > 1 or next(iter(shapes))[:1] == (count,):
            names = getattr(reply, "_fields", range(len(reply)))  # of named tuples
            return _outputs(dict(zip(names, reply, strict=True)), count)
        return np.stack([_array(part) for part in reply])
    return _array(reply)


def _flat(name: str, part: Rows | Outputs) -> Iterator[tuple[str, Rows]]:
    if isinstance(part, Mapping):
        yield from ((f"{name}.{inner}", array) for inner, array in part.items())
        return
    try:
        array = np.asarray(part)
    except ValueError:  # rows of different lengths, which are no answers
        return
    if array.dtype.kind in "iufb":
        yield name, array


def _is_array(part: Reply) -> bool:
    return len(getattr(part, "shape", ())) > 0


def _array(reply: Reply) -> Rows:
    """Return a tensor of torch as an array, and anything else as it is."""
    # Torch is not imported here: whoever returns tensors has done so.
    if hasattr(reply, "detach"):
        reply = reply.detach().cpu()
        # Half precision becomes float32, since numpy knows no bfloat16.
        reply = (reply.float() if reply.is_floating_point() else reply).numpy()
    found: Rows = reply
    return found


def _opened(source: str, _options: Options) -> CallableAdapter:
    return CallableAdapter(_imported(source), source)


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


def _takes(given: Object) -> bool:
    return callable(given) and not isinstance(given, type)


python = Kind(
    _opened,
    alias="python",
    own_code=True,
    same_for_all=True,
    takes=_takes,
    hold=CallableAdapter,
)
