"""The command `auditkit probe`, and the network options that it shares with `auditkit check`."""

from collections.abc import Sequence
from dataclasses import dataclass
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
from auditkit.commands.rehearsal import asked_after, rehearse
from auditkit.core.errors import AuditkitError, SuspectError, SuspectLoadError
from auditkit.core.escape import clean
from auditkit.core.verdicts import Outcome

if TYPE_CHECKING:
    from auditkit.core.requests import Reach

Address = Annotated[
    str,
    typer.Argument(
        metavar="URL",
        help="The address of an API: https://… or grpcs://HOST/MODEL; with --ask also a "
        "description, api.toml.",
    ),
]


def probe(
    url: Address,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Write a description of how to ask the API to this file, for editing.",
        ),
    ] = None,
    ask: Annotated[
        Path | None,
        typer.Option(
            metavar="BUNDLE",
            help="Ask one natural point of this bundle, and show the request, the reply and what "
            "is read in it.",
        ),
    ] = None,
    header: Header = None,
    timeout: Timeout = 30.0,
    allow_http: AllowHttp = False,
    allow_private: AllowPrivate = False,
    proxy: Proxy = None,
    ca: Authorities = None,
    quiet: Quiet = False,
) -> None:
    """Find out what API an address offers.

    Without --ask only metadata is requested, so that nothing is paid for and no point is revealed.
    """
    from dataclasses import replace

    from auditkit.adapters.wire import probing

    with errors():
        reached = reach(header, timeout, proxy, ca)
        reached = replace(reached, allow_http=allow_http, allow_private=allow_private)
        if ask is not None and "://" not in url:
            rehearse(ask, url, reached)
            return
        found = probing.probe(url, reached)
        # The lines quote what a stranger's server said, so control characters are escaped.
        for line in found.lines:
            typer.echo(clean(line, 200))
        if output is not None:
            _write_once(output, found.description)
        if ask is not None:
            rehearse(ask, asked_after(found.suspect, output), reached)
    if not quiet:
        _tell_how(found.suspect, output)


def _write_once(output: Path, description: str) -> None:
    """Write a description, never over one: somebody may have edited it for an hour.

    Raises:
        SuspectLoadError: There is a file of that name.
    """
    from auditkit.files.container import write_whole

    if output.exists():
        raise SuspectLoadError(f"{str(output)!r} is there already; name another with -o")
    write_whole(output, description.encode())


def _tell_how(suspect: str | None, output: Path | None) -> None:
    """Say how the API is asked."""
    if suspect is not None:
        tell(f"ask it with: auditkit check BUNDLE {clean(suspect, 300)}")
    if output is not None:
        tell(f"{output}: edit it, then: auditkit check BUNDLE {output}")
    elif suspect is None:
        tell("write a description to edit with -o api.toml")


def reach(header: list[str] | None, timeout: float, proxy: str | None, ca: Path | None) -> "Reach":
    """Return the network options as one value.

    Raises:
        SuspectError: A header is not of the form `NAME: VALUE`.
    """
    from auditkit.core.requests import Reach

    # partition keeps colons in the value, as in a URL.
    pairs = [line.partition(":") for line in header or []]
    # An empty name would be sent as a broken request and look like a fault of the server.
    if any(not name.strip() or not colon for name, colon, _ in pairs):
        raise SuspectError("--header wants 'NAME: VALUE', with a secret as ${NAME}")
    headers = {name.strip(): value.strip() for name, _, value in pairs}
    return Reach(headers, timeout=timeout, proxy=proxy, authorities=ca)


@dataclass(slots=True)
class Left:
    """What a check leaves when it is interrupted."""

    evidence: Path | None
    """The folder of kept answers, if there is one."""
    outcomes: Sequence[Outcome]
    """What was examined to the end."""
    journal: Path | None = None
    """The journal, if one is kept."""

    def told(self) -> str:
        """Say what is kept, and how to go on."""
        kept = []
        if self.journal is not None and self.journal.exists():
            kept.append(f"answers of suspects behind an address in {str(self.journal)!r}")
        if self.evidence is not None and self.outcomes:
            kept.append(f"those of {len(self.outcomes)} suspects in {str(self.evidence)!r}")
        if not kept:
            return "no report was written"
        again = "" if self.journal is None else "; the same command goes on from there"
        return f"no report was written; kept are {' and '.join(kept)}{again}"


def journal_of(suspects: list[str], named: Path | None, *, quiet: bool) -> Path | None:
    """Return the journal's path, or None if none is kept.

    It is the one that was named. Otherwise it is `auditkit.journal` in the current folder if a
    suspect lies behind an address, because its answers cost money and may not come again.
    """
    from auditkit.adapters import identified

    if named is not None:
        return named
    for suspect in suspects:
        try:
            remote = identified(suspect).kind.remote
        except AuditkitError:
            continue  # the audit reports it, as a refusal of this suspect alone
        if remote:
            path = Path("auditkit.journal")
            if not quiet:
                tell(f"{path}: everything asked and answered; the same command goes on from there")
            return path
    return None
