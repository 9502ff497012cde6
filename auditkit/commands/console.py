"""What a terminal shows while a command runs: a bar, or one line of what went wrong."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from auditkit.core.errors import AuditkitError
from auditkit.core.escape import clean
from auditkit.core.progress import Progress
from auditkit.core.verdicts import Decision, Outcome, Verdict

if TYPE_CHECKING:
    from auditkit.files.bundle import Bundle


COULD_NOT_AUDIT = 5
EXIT_CODES = {Decision.HOMOLOGOUS: 0, Decision.PIRATED: 3, Decision.INCONCLUSIVE: 4}
WORST_FIRST = (3, 5, 4, 0)


@contextmanager
def errors() -> Iterator[None]:
    """What auditkit raises on purpose becomes one line on stderr and exit code 5."""
    try:
        yield
    except AuditkitError as error:
        typer.echo(f"auditkit: {clean(str(error), 400)}", err=True)
        raise typer.Exit(COULD_NOT_AUDIT) from error
    except KeyboardInterrupt:
        typer.echo("auditkit: interrupted before the end; no result was written", err=True)
        raise typer.Exit(COULD_NOT_AUDIT) from None


@contextmanager
def progress_bar(*, quiet: bool) -> Iterator[Progress]:
    """A bar on stderr where that is a terminal; silence elsewhere."""
    if quiet or not sys.stderr.isatty():
        yield lambda _stage, _done, _total: None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda stage, done, total: bar.update(
            task, description=stage, completed=done, total=total
        )


def summary(made: "Bundle") -> str:
    """A bundle in one line."""
    counts = ", ".join(f"{n} {name}" for name, n in made.fingerprint.sheet.counts().items())
    kinds = Counter(reference.kind for reference in made.references)
    known = ", ".join(f"{count} {kind}" for kind, count in kinds.items()) or "no"
    state = f"{made.fingerprint.discrimination}: {made.fingerprint.reason}"
    return clean(f"{counts} points; {known} reference models; {state}", 600)


def tell(line: str) -> None:
    """A remark for people, on stderr."""
    typer.echo(line, err=True)


def exit_code(outcomes: list[Outcome]) -> int:
    """The worst outcome's code: pirated, could not audit, inconclusive, homologous."""
    codes = {
        EXIT_CODES[outcome.decision] if isinstance(outcome, Verdict) else COULD_NOT_AUDIT
        for outcome in outcomes
    }
    return next((code for code in WORST_FIRST if code in codes), COULD_NOT_AUDIT)
