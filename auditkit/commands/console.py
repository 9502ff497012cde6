"""Progress bar, error lines, remarks and exit codes of all commands."""

import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from auditkit.core.errors import AuditkitError
from auditkit.core.escape import clean
from auditkit.core.progress import Lines, Progress, silent
from auditkit.core.provenance import now
from auditkit.core.verdicts import Decision, Outcome, Verdict

if TYPE_CHECKING:
    from auditkit.files.bundle import Bundle


# 1 is never a verdict, because Python exits with it after a crash, and 2 is for wrong usage.
COULD_NOT_AUDIT = 5
EXIT_CODES = {Decision.HOMOLOGOUS: 0, Decision.PIRATED: 3, Decision.INCONCLUSIVE: 4}
# A refused suspect beats an inconclusive one: a script must notice that something was not examined.
SOON = 5.0
"""Seconds before work off a terminal is told of: what is over sooner needs no lines in a log."""
WORST_FIRST = (3, 5, 4, 0)
"""The exit codes in the order in which one of several outcomes decides."""


@contextmanager
def errors(
    kept: Callable[[], str] = lambda: "no report or bundle was written",
) -> Iterator[None]:
    """Turn errors that auditkit raises on purpose into one line on stderr and exit code 5.

    Args:
        kept: Says what is left after Ctrl-C, and how to go on.
    """
    # Any other exception is a mistake in auditkit; its traceback is shown, for a bug report.
    listen()
    try:
        now()  # a time that can't be written is noticed before a suspect is asked
        yield
    except AuditkitError as error:
        typer.echo(f"auditkit: {clean(str(error), 400)}", err=True)
        raise typer.Exit(COULD_NOT_AUDIT) from error
    except KeyboardInterrupt:
        typer.echo(f"auditkit: interrupted before the end; {clean(kept(), 400)}", err=True)
        raise typer.Exit(COULD_NOT_AUDIT) from None


def listen() -> None:
    """Let Ctrl-C end a command in an orderly way, from now on; see `auditkit.__main__`."""
    in_main = threading.current_thread() is threading.main_thread()
    if in_main and signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def progress_bar(*, quiet: bool) -> Iterator[Progress]:
    """Show a progress bar on stderr if that is a terminal, otherwise a line now and then."""
    # stderr, so that a report piped from stdout stays clean; lines in logs, where a bar that
    # redraws itself becomes thousands of them.
    if quiet:
        yield silent
        return
    if not sys.stderr.isatty():
        yield Lines(sys.stderr, SOON)
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    # Transient: the bar vanishes at the end, so that only the report stays on the screen.
    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda stage, done, total: bar.update(
            task, description=stage, completed=done, total=total
        )


def summary(made: "Bundle") -> str:
    """Return one line on a bundle's points, models of known kind, and what it can show."""
    counts = ", ".join(f"{n} {name}" for name, n in made.fingerprint.sheet.counts().items())
    kinds = Counter(reference.kind for reference in made.references)
    known = ", ".join(f"{count} {kind}" for kind, count in kinds.items()) or "no"
    state = f"{made.fingerprint.discrimination}: {made.fingerprint.reason}"
    if made.fingerprint.line_up.twins:
        state = _lined_up(made)
    # The owner's name and the reason come from files, so control characters are escaped.
    return clean(f"{counts} points; {known} models; {state}", 600)


def _lined_up(made: "Bundle") -> str:
    """Say whether the line-up may be claimed, and whether it sees students of the owner."""
    from auditkit.core.access import Access
    from auditkit.files.model_folder import TAUGHT
    from auditkit.judging.lineup.copies import powers

    terms = made.fingerprint.line_up
    if terms.doubt:
        return f"no line-up: {terms.doubt}"
    students = [p for p in powers(made, Access.LOGITS, file=True) if p.kind in TAUGHT]
    told = ", ".join(map(str, students))
    return (
        f"a line-up of the owner among {terms.twins} twins; students seen in it: {told or 'none'}"
    )


def tell(line: str) -> None:
    """Print a remark for people on stderr; stdout holds only what was asked for."""
    typer.echo(line, err=True)


def exit_code(outcomes: list[Outcome]) -> int:
    """Return the exit code of the worst outcome, in the order of `WORST_FIRST`."""
    return worst(
        EXIT_CODES[outcome.decision] if isinstance(outcome, Verdict) else COULD_NOT_AUDIT
        for outcome in outcomes
    )


def worst(found: Iterable[int]) -> int:
    """Return the exit code that decides of several; of none, that nothing could be audited."""
    codes = set(found)
    return next((code for code in WORST_FIRST if code in codes), COULD_NOT_AUDIT)
