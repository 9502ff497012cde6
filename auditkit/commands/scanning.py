"""How a scan is shown: its progress, and what came of it."""

import io
import json
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from auditkit.commands.console import tell
from auditkit.commands.failing import REFUSED, Gate, Known, of_report
from auditkit.core.errors import LedgerError
from auditkit.core.escape import clean

if TYPE_CHECKING:
    from rich.table import Table

    from auditkit.core.requests import Asking
    from auditkit.fleet.engines import Place
    from auditkit.fleet.scan import Plan
    from auditkit.fleet.tally import State, Tally
    from auditkit.fleet.tasks import Bundled

SCHEMA = "auditkit.scan/1"
FORMATS = ("terminal", "json")
NAMED = ("pirated", REFUSED)
"""The verdicts of which the summary names suspects."""
ORDER = (*NAMED, "inconclusive", "homologous")
LISTED = 50
"""Suspects of one verdict that the summary names."""
NOW_AND_THEN = 30.0
"""Seconds between two lines where there is no terminal."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a scan is asked to do."""

    ledger: Path
    bundles: "tuple[Bundled, ...]"
    suspects: tuple[str, ...]
    asking: "Asking"
    plan: "Plan"


def check_format(name: str) -> None:
    """Check that a scan can be shown so.

    Raises:
        typer.BadParameter: It can't.
    """
    if name not in FORMATS:
        raise typer.BadParameter(f"--format wants one of {', '.join(FORMATS)}, got {clean(name)!r}")


def carried_out(
    order: Order, place: "Place", watched: Sequence[str], every: float, *, quiet: bool
) -> "Tally":
    """Scan, and show how far it is.

    Args:
        order: What is scanned.
        place: Where suspects are examined.
        watched: Arguments that are looked at again and again; empty: the scan ends by itself.
        every: Seconds between two looks.
        quiet: Whether nothing is shown.

    Raises:
        LedgerError: The ledger can't be used.
        FleetError: No worker can be started, or a bundle was changed.
        KeyboardInterrupt: Somebody ended it, and it was not for that.
    """
    from auditkit.fleet.book import Book
    from auditkit.fleet.scan import Scan
    from auditkit.fleet.sources import Once, Watched
    from auditkit.fleet.tasks import Setup

    journals = order.ledger.with_name(f"{order.ledger.name}.journals")
    setup = Setup(order.bundles, order.asking, journals, os.getpid())
    try:
        with Book.open(order.ledger, fresh=True) as book, _display(quiet=quiet) as told:
            whole = Scan(book, setup, order.plan, place)
            try:
                whole.run(Watched(watched, every) if watched else Once(order.suspects), told)
            except KeyboardInterrupt:
                if not watched:
                    raise
            return whole.tally
    except KeyboardInterrupt:
        tell(f"{order.ledger}: what was judged is kept; the same command goes on from there")
        raise
    except OSError as error:
        raise LedgerError(f"{str(order.ledger)!r} can't be written: {error.strerror}") from error


def known(order: Order, tally: "Tally", gate: Gate) -> Iterator[Known]:
    """Yield the outcomes of a scan as its gate tells them apart.

    Raises:
        LedgerError: The ledger can't be read.
    """
    from auditkit.adapters.wire.addresses import shown
    from auditkit.fleet.ledger import Ledger
    from auditkit.fleet.scan import way

    lines = {
        (order.bundles[one.bundle].digest, shown(one.suspect)): one.verdict for one in tally.lines()
    }
    # Digests are in the reports, which are read only where something depends on them.
    if gate.accepted is None:
        yield from (Known(bundle, name, verdict) for (bundle, name), verdict in lines.items())
        return
    with Ledger.open(order.ledger) as ledger:
        for pair in ledger.pairs(how=way(order.asking)):
            if (pair.bundle, pair.suspect) in lines:
                yield from of_report(ledger.verdict(pair))


def line(state: "State") -> str:
    """Return how far a scan is, in one line."""
    counts = ", ".join(
        f"{state.verdicts[verdict]} {verdict}" for verdict in ORDER if verdict in state.verdicts
    )
    left = ""
    if state.seconds is not None and state.done < state.pairs:
        left = f"; {_lasting(state.seconds)} left"
    elsewhere = f"; {state.elsewhere} suspects with another scan" if state.elsewhere else ""
    return f"{state.done} of {state.pairs} pairs: {counts or 'no verdict yet'}{left}{elsewhere}"


def _lasting(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


@contextmanager
def _display(*, quiet: bool) -> "Iterator[Callable[[State], None]]":
    """Show progress on stderr: a bar on a terminal, else a line now and then."""
    if quiet:
        yield lambda _state: None
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        columns = (BarColumn(), TextColumn("{task.description}", markup=False))
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("", total=None)
            yield lambda state: bar.update(
                task, description=line(state), completed=state.done, total=state.pairs or None
            )
    else:
        yield _Lines().told


class _Lines:
    """Tells how far a scan is where there is no terminal."""

    def __init__(self) -> None:
        self._due = time.monotonic() + NOW_AND_THEN

    def told(self, state: "State") -> None:
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + NOW_AND_THEN
            tell(f"auditkit: {line(state)}")


def show(order: Order, tally: "Tally", output_format: str, output: Path | None) -> None:
    """Print what came of a scan, or write it to a file.

    Raises:
        BundleError: The file can't be written.
    """
    from auditkit.files.container import write_whole

    as_json = output_format == "json"
    if output is not None:
        write_whole(output, _json(order, tally) if as_json else _text(order, tally, "utf-8"))
        return
    encoding = sys.stdout.encoding or "utf-8"
    typer.echo(_json(order, tally) if as_json else _text(order, tally, encoding), nl=False)


def _json(order: Order, tally: "Tally") -> bytes:
    from auditkit.adapters.wire.addresses import shown
    from auditkit.core.provenance import now

    content = {
        "schema": SCHEMA,
        "generated": now(),
        "ledger": str(order.ledger),
        "bundles": [
            {"path": one.path, "digest": one.digest, "owner": one.owner} for one in order.bundles
        ],
        "counts": {verdict: tally.counts.get(verdict, 0) for verdict in ORDER},
        "pairs": [
            {
                "suspect": shown(one.suspect),
                "bundle": order.bundles[one.bundle].digest,
                "verdict": one.verdict,
                "reason_code": one.code,
            }
            for one in tally.lines()
        ],
    }
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=True, allow_nan=False)
    return f"{text}\n".encode()


def _text(order: Order, tally: "Tally", encoding: str) -> bytes:
    from rich.console import Console

    buffer = io.BytesIO()
    stream = io.TextIOWrapper(buffer, encoding=encoding, errors="backslashreplace")
    console = Console(file=stream, highlight=False, markup=False, emoji=False)
    counts = ", ".join(
        f"{tally.counts[verdict]} {verdict}" for verdict in ORDER if tally.counts.get(verdict)
    )
    console.print(f"{sum(tally.counts.values())} pairs: {counts or 'none'}", soft_wrap=True)
    table = _table(order, tally)
    if table.row_count:
        console.print(table)
    console.print(f"Each verdict with its report is in {clean(str(order.ledger))}.", soft_wrap=True)
    stream.flush()
    return buffer.getvalue()


def _table(order: Order, tally: "Tally") -> "Table":
    """Return a row for each suspect and reason: the accused first, then the refused."""
    from rich.table import Table
    from rich.text import Text

    from auditkit.adapters.wire.addresses import shown

    by: defaultdict[tuple[str, str, str], list[int]] = defaultdict(list)
    for one in tally.lines():
        if one.verdict in NAMED:
            by[one.verdict, one.suspect, one.code].append(one.bundle)
    table, rows = Table("verdict", "suspect", "bundle", "reason", box=None), Counter[str]()
    for (verdict, suspect, code), places in by.items():
        rows[verdict] += 1
        if rows[verdict] <= LISTED:
            first = clean(order.bundles[places[0]].path)
            which = first if len(places) == 1 else f"{len(places)} of {len(order.bundles)}"
            cells = (verdict, clean(shown(suspect)), which, clean(code))
            table.add_row(*map(Text, cells))
    for verdict, count in rows.items():
        if count > LISTED:
            table.add_row(*map(Text, (verdict, f"and {count - LISTED} more", "", "")))
    return table
