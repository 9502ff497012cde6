"""One worker of a scan: examines suspects one after the other, each with all bundles it is told.

Files are opened by processes that it forks (`auditkit.suspects.isolation`), so that it holds no
suspect itself.
"""

import contextlib
import ctypes
import os
import signal
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

from auditkit.adapters import identified
from auditkit.adapters.wire.addresses import shown
from auditkit.core.errors import AuditkitError, BundleIntegrityError
from auditkit.core.provenance import sha256
from auditkit.core.requests import Asking
from auditkit.core.verdicts import Examination, Refusal, Verdict
from auditkit.files import bundle as bundles
from auditkit.files.bundle import Bundle
from auditkit.files.evidence import contained
from auditkit.fleet.book import Judged
from auditkit.fleet.ledger import REFUSED
from auditkit.fleet.tasks import Broken, Bundled, Done, Ready, Said, Setup, Task
from auditkit.reports.base import Screen
from auditkit.reports.build import report
from auditkit.reports.json import render_json
from auditkit.suspects.session import Session

DIE_WITH_PARENT = 1
"""Of prctl(2)."""
MOST_KEPT = 512 << 20
"""Bytes of bundles that a worker keeps in memory; others are read anew for each suspect."""


def serve(end: int) -> None:
    """Examine what is asked for over a socket, until it is closed.

    Args:
        end: File descriptor of this side's end.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the scan decides what an interrupt ends
    line = Connection(end)
    with contextlib.suppress(EOFError, OSError):  # the scan has gone
        setup: Setup = line.recv()
        _end_with(setup.process)
        line.send(Ready())
        shelf = Shelf(setup.bundles)
        while (task := line.recv()) is not None:
            try:
                for said in examined(task, setup, shelf.take):
                    line.send(said)
            except AuditkitError as error:  # the examination itself never raises
                line.send(Broken(str(error)))
                return
            line.send(Done(task.number))


def _end_with(process: int) -> None:
    """End this process when the scan's ends, also in the middle of a suspect."""
    with contextlib.suppress(OSError, AttributeError):  # there is none but on Linux
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != process:
        raise EOFError


class Shelf:
    """The bundles of a scan, read when they are needed."""

    def __init__(self, named: Sequence[Bundled]) -> None:
        self._named = named
        self._kept: OrderedDict[int, tuple[Bundle, int]] = OrderedDict()

    def take(self, place: int) -> Bundle:
        """Return a bundle.

        Raises:
            BundleError: It can't be read any more.
            BundleIntegrityError: It is another than when the scan began.
        """
        if place in self._kept:
            self._kept.move_to_end(place)
            return self._kept[place][0]
        one = self._named[place]
        size = Path(one.path).stat().st_size if Path(one.path).exists() else 0
        found = bundles.read(one.path)
        if found.digest != one.digest:
            raise BundleIntegrityError(f"{one.path!r} was changed while it was scanned with")
        self._kept[place] = found, size
        while len(self._kept) > 1 and sum(size for _, size in self._kept.values()) > MOST_KEPT:
            self._kept.popitem(last=False)
        return found


def examined(task: Task, setup: Setup, take: Callable[[int], Bundle]) -> Iterator[Said]:
    """Examine a suspect, and yield what comes of each bundle.

    Args:
        task: The suspect, and which bundles.
        setup: What all tasks have in common.
        take: Returns a bundle by its place in the setup.

    Raises:
        BundleError: A bundle can't be had any more.
    """
    session = Session(task.suspect, _asking(task.suspect, setup))
    with contextlib.closing(session):
        for place in task.bundles:
            bundle = take(place)
            if task.refusal is None:
                found = session.examine(bundle)
            else:
                name = shown(task.suspect)
                found = Examination(name, Refusal.of(name, task.refusal))
            outcome = found.outcome
            digest = outcome.suspect.digest if isinstance(outcome, Verdict) else None
            judged = _judged(bundle, setup.bundles[place], found)
            yield Said(task.number, place, judged, digest)


def _asking(suspect: str, setup: Setup) -> Asking:
    """Return how a suspect is asked: one behind an address with a journal of its own."""
    with contextlib.suppress(AuditkitError):
        if identified(suspect).kind.remote:
            setup.journals.mkdir(parents=True, exist_ok=True)
            name = sha256(suspect.encode()).removeprefix("sha256:")[:16]
            return replace(setup.asking, journal=setup.journals / f"{name}.journal")
    return setup.asking


def _judged(bundle: Bundle, named: Bundled, found: Examination) -> Judged:
    outcome, evidence = found.outcome, found.evidence
    if isinstance(outcome, Refusal):
        verdict, code = REFUSED, outcome.code
    else:
        verdict, code = str(outcome.decision), str(outcome.reason.code)
    told = render_json(report(bundle, [outcome], named.commitment), Screen())
    return Judged(verdict, code, told, None if evidence is None else contained(evidence, bundle))
