"""What a terminal shows while a command runs: a bar, or one line of what went wrong."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from auditkit.errors import AuditkitError
from auditkit.text import clean

if TYPE_CHECKING:
    from auditkit.bundle import Bundle

COULD_NOT_AUDIT = 5
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no remarks.")]
Progress = Callable[[str, int, int], None]


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
    families = made.fingerprint.families
    counts = ", ".join(f"{len(family)} {name}" for name, family in families.items())
    kinds = Counter(reference.kind for reference in made.references)
    known = ", ".join(f"{count} {kind}" for kind, count in kinds.items()) or "no"
    state = f"{made.fingerprint.discrimination}: {made.fingerprint.reason}"
    return clean(f"{counts} points; {known} reference models; {state}", 600)


def tell(line: str) -> None:
    """A remark for people, on stderr."""
    typer.echo(line, err=True)
