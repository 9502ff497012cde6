"""One worker: raises the walls around itself, opens one suspect and answers for it.

It runs in a process that was forked for the one suspect, and ends with it.
"""

import contextlib
import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np

from auditkit.adapters import Suspect, adapter_kind, open_suspect
from auditkit.adapters.base import Adapter, HasWeights, Outputs, read_file
from auditkit.core.arrays import JsonObject, Rows
from auditkit.core.errors import AuditkitError, ReplyError, TransientError
from auditkit.core.escape import first_line
from auditkit.core.provenance import sha256
from auditkit.core.requests import Options
from auditkit.suspects.isolation import walls
from auditkit.suspects.isolation.channel import Channel, Frame
from auditkit.suspects.isolation.ports import described

DIE_WITH_PARENT = 1
"""Of prctl(2)."""
LONGEST_MESSAGE = 2000
"""Characters of an error's message."""


def run(reading: int, writing: int) -> None:
    """Serve one suspect over two pipes, until they are closed. Never returns to the caller."""
    ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
    channel = Channel(reading, writing)
    try:
        _serve(channel)
    except (EOFError, OSError):
        pass  # nobody listens any more
    finally:
        os._exit(0)  # a stranger's clean-up code has no business here


def _serve(channel: Channel) -> None:
    asked = channel.receive()
    task = _Task(asked)
    if not _replied(channel, asked, task.shut_in):
        return
    # Whoever asked may not want the suspect opened behind these walls, and then goes away.
    if not _replied(channel, channel.receive(), task.open):
        return
    lanes = task.adapter.port.concurrency
    with ThreadPoolExecutor(lanes) as pool:
        while True:
            asked = channel.receive()
            answer = partial(_replied, channel, asked, partial(_answer, task.adapter, asked.arrays))
            if lanes == 1:
                answer()
            else:
                pool.submit(answer)


SENDING = threading.Lock()


def _replied(channel: Channel, asked: Frame, work: Callable[[], Frame]) -> bool:
    """Do some work and send what comes of it; return whether it succeeded."""
    try:
        said, done = work(), True
    except BaseException as error:  # a stranger's code may raise anything, SystemExit included
        said, done = Frame(_told(error)), False
    with SENDING:
        channel.send(Frame({**said.head, "number": asked.head["number"]}, said.arrays))
    return done


class _Task:
    """A suspect that is to be opened."""

    adapter: Adapter

    def __init__(self, order: Frame) -> None:
        self._head, points = order.head, order.arrays
        name = self._head["adapter"]
        self._suspect = Suspect(name, self._head["source"], adapter_kind(name))
        self._options = Options(**self._head["options"], points=points[0] if points else None)

    def shut_in(self) -> Frame:
        """Raise the walls and tell which of them hold."""
        head, kind = self._head, self._suspect.kind
        if kind.own_code:
            os.dup2(2, 1)  # what it prints is for its author, and no part of a report
            os.environ.clear()
            os.environ.update(head["environment"])
            os.chdir(head["folder"])
            sys.path[:] = head["path"]
            return Frame({"held": [], "digest": None})
        os.dup2(1, 2)  # a stranger's messages are for nobody
        with contextlib.suppress(ImportError):  # opening tells what is missing
            kind.prepare(self._suspect.source)
        card = self._options.device != "cpu" and walls.has_card()
        walls.raise_walls(head["readable"], head["memory"], card=card)
        held = sorted(walls.held(head["memory"]))
        # Before the file is opened: afterwards its author's code could say anything.
        digest = sha256(read_file(self._suspect.source)) if kind.runs_code else None
        return Frame({"held": held, "digest": digest})

    def open(self) -> Frame:
        """Open the suspect and tell what it takes."""
        self.adapter = adapter = open_suspect(self._suspect, self._options)
        port, runtime = described(adapter.port), dict(adapter.runtime)
        return Frame({"port": port, "runtime": runtime, "weights": isinstance(adapter, HasWeights)})


def _answer(adapter: Adapter, arrays: Sequence[Rows]) -> Frame:
    if not arrays:
        return _weights(adapter)
    # Whatever comes is checked by those who asked.
    found: Any = adapter.answer(arrays[0])
    if isinstance(found, Mapping):
        outputs: Outputs = found
        return Frame({"names": [str(name) for name in outputs]}, tuple(outputs.values()))
    return Frame({"names": None}, (np.asarray(found),))


def _weights(adapter: Adapter) -> Frame:
    layers = adapter.weights() if isinstance(adapter, HasWeights) else ()
    told = [[layer.name, layer.inputs] for layer in layers]
    return Frame({"layers": told}, tuple(layer.rows for layer in layers))


def _told(error: BaseException) -> JsonObject:
    """Return what is said of an error: its class, if it is one of auditkit's, and one line."""
    if isinstance(error, ConnectionError | TimeoutError):
        error = TransientError(first_line(error))
    told: JsonObject = {"error": type(error).__name__, "message": first_line(error)}
    if isinstance(error, AuditkitError):
        told["message"] = str(error)[:LONGEST_MESSAGE]
    if isinstance(error, TransientError):
        told["after"] = error.after
    if isinstance(error, ReplyError):
        told["final"] = error.final
    return told
