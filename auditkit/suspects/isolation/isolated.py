"""A suspect that answers from a worker, as an adapter like any other."""

import dataclasses
import os
import sys
from collections.abc import Mapping
from pathlib import Path, PurePath

import numpy as np

from auditkit.adapters import Suspect, adapter_kind, open_suspect
from auditkit.adapters.base import Adapter, Outputs, Port
from auditkit.adapters.wire.addresses import shown
from auditkit.core.arrays import JsonObject, Rows
from auditkit.core.errors import (
    CrashError,
    IsolationError,
    QueryError,
    TimeLimitError,
)
from auditkit.core.requests import Isolation, Limits, Options
from auditkit.core.weights import Layer
from auditkit.suspects.isolation import ports
from auditkit.suspects.isolation.channel import Frame
from auditkit.suspects.isolation.exchange import Exchange
from auditkit.suspects.isolation.forks import fork
from auditkit.suspects.isolation.walls import SAFE, Wall, half_of_memory

SUPPORTED = sys.platform == "linux"
"""Whether workers can be forked here; elsewhere suspects run in the auditor's process."""


def opened(suspect: Suspect, options: Options) -> Adapter:
    """Open a suspect: one that is a file in a worker, unless the user says otherwise.

    Raises:
        SuspectError: It can't be opened.
        IsolationError: It must not be opened without walls that this machine does not have.
        MissingRuntimeError: A package that its adapter needs is not installed.
    """
    kind, name = suspect.kind, shown(suspect.source)
    if kind.remote or kind.live:
        return open_suspect(suspect, options)
    if options.isolation is Isolation.OFF or not SUPPORTED:
        if kind.runs_code:
            raise IsolationError(
                f"{name!r} was not opened: such a file can run commands of its author, so it needs "
                "isolation, on Linux; ask for ONNX, or leave out --isolation off"
            )
        if options.isolation is Isolation.REQUIRE:
            raise IsolationError(f"{name!r} was not opened: suspects can be isolated on Linux only")
        return open_suspect(suspect, options)
    worker = fork(suspect.adapter, PurePath(suspect.source).suffix[:16])
    seconds = None if kind.own_code else options.limits.seconds
    exchange = Exchange(worker, seconds, suspect.source, _place(suspect))
    try:
        return _Opening(suspect, options, exchange, name).adapter()
    except BaseException:
        exchange.close()
        raise


def renewed(adapter: Adapter) -> None:
    """Give an open suspect its time anew, before it is asked for another bundle."""
    if isinstance(adapter, _Isolated):
        adapter.renew()


def walls_here() -> frozenset[Wall]:
    """Return the walls that hold on this machine, tried by a worker as for any file.

    Raises:
        SuspectError: No worker can be started.
    """
    if not SUPPORTED:
        return frozenset()
    nobody = Suspect("onnx", os.devnull, adapter_kind("onnx"))
    exchange = Exchange(fork(nobody.adapter, ""), Limits().seconds)
    try:
        return _Opening(nobody, Options("cpu"), exchange, nobody.source).shut_in()[0]
    finally:
        exchange.close()


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Opening:
    """A suspect that is opened in a worker."""

    suspect: Suspect
    options: Options
    exchange: Exchange
    name: str

    def adapter(self) -> Adapter:
        """Return the suspect as an adapter."""
        exchange = self.exchange
        try:
            held, digest = self.shut_in()
            self._check(held)
            found = exchange.ask(Frame({}))
            port, runtime = ports.read(found.head["port"]), ports.texts(found.head["runtime"])
            shows = found.head["weights"] is True
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CrashError("its process did not tell what it takes") from error
        except CrashError as error:
            raise CrashError(f"{self.name!r} can't be opened: {error}") from error
        except TimeLimitError as error:
            raise TimeLimitError(f"{self.name!r}: {error}") from error
        if digest is not None:
            # What the author's code could have changed since is not asked for.
            port = dataclasses.replace(port, identity=str(digest), digest=str(digest))
        walls = ", ".join(sorted(held)) or "a process of its own"
        runtime = {**runtime, "isolation": walls}
        kind = _WithWeights if shows else _Isolated
        return kind(port, runtime, exchange)

    def shut_in(self) -> tuple[frozenset[Wall], str | None]:
        """Return the walls that hold around the worker, and its file's digest if it may change."""
        told = self.exchange.ask(self._order()).head
        return frozenset(map(Wall, told["held"])), told["digest"]

    def _order(self) -> Frame:
        options, kind = self.options, self.suspect.kind
        source = _place(self.suspect)
        head: JsonObject = {
            "adapter": self.suspect.adapter,
            "source": source,
            "options": {
                "device": options.device,
                "resize": options.resize,
                "classes": options.classes,
                "output": options.output,
                "threads": options.threads,
            },
            "memory": options.limits.memory or half_of_memory(),
        }
        if kind.own_code:
            head |= {"environment": dict(os.environ), "folder": str(Path.cwd()), "path": sys.path}
        else:
            real = Path(source).resolve()
            head["readable"] = [str(real.parent if kind.reads_beside else real), source]
        return Frame(head, () if options.points is None else (options.points,))

    def _check(self, held: frozenset[Wall]) -> None:
        kind, strict = self.suspect.kind, self.options.isolation is Isolation.REQUIRE
        if kind.own_code:
            return
        wanted = frozenset(Wall) if strict else SAFE if kind.runs_code else frozenset[Wall]()
        missing = ", ".join(sorted(wanted - held))
        if missing:
            why = "such a file can run commands of its author" if kind.runs_code else "--isolation"
            raise IsolationError(
                f"{self.name!r} was not opened: {why}, and this machine does not keep a process "
                f"from {missing}; auditkit doctor shows what it can do"
            )


def _place(suspect: Suspect) -> str:
    """Return the suspect's name for a worker, which works in a folder of its own."""
    return suspect.source if suspect.kind.own_code else str(Path(suspect.source).absolute())


class _Isolated:
    """An adapter whose suspect answers in a worker."""

    def __init__(self, port: Port, runtime: Mapping[str, str], exchange: Exchange) -> None:
        self.port, self.runtime = port, runtime
        self._exchange = exchange

    def answer(self, batch: Rows) -> Rows | Outputs:
        """See `Adapter.answer`."""
        reply = self._exchange.ask(Frame({}, (batch,)))
        names = reply.head.get("names")
        if names is None:
            if len(reply.arrays) != 1:
                raise QueryError(f"the suspect returned {len(reply.arrays)} arrays")
            return reply.arrays[0]
        if not isinstance(names, list) or len(set(map(str, names))) != len(reply.arrays):
            raise QueryError("the suspect's outputs have no names")
        return dict(zip(map(str, names), reply.arrays, strict=True))

    def renew(self) -> None:
        """Give it its time anew."""
        self._exchange.renew()

    def close(self) -> None:
        """See `Adapter.close`."""
        self._exchange.close()


class _WithWeights(_Isolated):
    """One that shows its weights."""

    _layers: tuple[Layer, ...] | None = None

    def weights(self) -> tuple[Layer, ...]:
        """See `HasWeights.weights`; they are sent once."""
        if self._layers is None:
            self._layers = self._sent()
        return self._layers

    def _sent(self) -> tuple[Layer, ...]:
        reply = self._exchange.ask(Frame({}))
        try:
            return tuple(
                Layer(str(name), rows.astype(np.float32, copy=False), int(inputs))
                for (name, inputs), rows in zip(reply.head["layers"], reply.arrays, strict=True)
            )
        except (KeyError, TypeError, ValueError) as error:
            raise QueryError("the suspect's weights can't be told") from error
