"""What commands about suspects behind an address have in common, and `auditkit probe`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auditkit.commands.console import errors, tell
from auditkit.commands.options import (
    AllowHttp,
    AllowPrivate,
    Authorities,
    Header,
    Proxy,
    Quiet,
    Timeout,
)
from auditkit.core.errors import AuditkitError, SuspectError, SuspectLoadError
from auditkit.core.escape import clean

if TYPE_CHECKING:
    from auditkit.core.requests import Reach

Address = Annotated[str, typer.Argument(metavar="URL", help="https://…, grpcs://HOST/MODEL.")]


def probe(
    url: Address,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write a description to edit there.")
    ] = None,
    header: Header = None,
    timeout: Timeout = 30.0,
    allow_http: AllowHttp = False,
    allow_private: AllowPrivate = False,
    proxy: Proxy = None,
    ca: Authorities = None,
    quiet: Quiet = False,
) -> None:
    """Look at what lies behind an address, without asking its model anything."""
    from dataclasses import replace

    from auditkit.adapters.wire import probing
    from auditkit.files.container import write_whole

    with errors():
        reached = reach(header, timeout, proxy, ca)
        reached = replace(reached, allow_http=allow_http, allow_private=allow_private)
        found = probing.probe(url, reached)
        for line in found.lines:
            typer.echo(clean(line, 200))
        if output is not None:
            if output.exists():
                raise SuspectLoadError(f"{str(output)!r} is there already; name another with -o")
            write_whole(output, found.description.encode())
    if quiet:
        return
    if found.suspect is not None:
        tell(f"ask it with: auditkit check BUNDLE {clean(found.suspect, 300)}")
    if output is not None:
        tell(f"{output}: edit it, then: auditkit check BUNDLE {output}")
    elif found.suspect is None:
        tell("write a description to edit with -o api.toml")


def reach(header: list[str] | None, timeout: float, proxy: str | None, ca: Path | None) -> "Reach":
    """The network options as one.

    Raises:
        SuspectError: A header is none.
    """
    from auditkit.core.requests import Reach

    pairs = [line.partition(":") for line in header or []]
    if any(not name.strip() or not colon for name, colon, _ in pairs):
        raise SuspectError("--header wants 'NAME: VALUE', with a secret as ${NAME}")
    headers = {name.strip(): value.strip() for name, _, value in pairs}
    return Reach(headers, timeout=timeout, proxy=proxy, authorities=ca)


def journal_of(suspects: list[str], named: Path | None, *, quiet: bool) -> Path | None:
    """Where the journal is kept: as named, or beside what runs, once an address is asked."""
    from auditkit.adapters import identified

    if named is not None:
        return named
    for suspect in suspects:
        try:
            remote = identified(suspect).kind.remote
        except AuditkitError:
            continue  # the audit will say so
        if remote:
            path = Path("auditkit.journal")
            if not quiet:
                tell(f"{path}: everything asked and answered; the same command goes on from there")
            return path
    return None
