"""Shows one question to a suspect and its reply: `auditkit probe --ask`."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from auditkit.core.errors import QueryError, SuspectLoadError
from auditkit.core.escape import clean

if TYPE_CHECKING:
    from auditkit.core.requests import Reach

LONGEST, MOST = 600, 1 << 16
"""Characters of a body that are shown, and bytes of it that are looked at."""


def asked_after(suspect: str | None, description: Path | None) -> str:
    """Return what is asked after a probe: the address, or what was written of it.

    Raises:
        SuspectLoadError: The address needs a description, and none was written.
    """
    if suspect is None and description is None:
        raise SuspectLoadError(
            "it can be asked with a description only: write one with -o api.toml, edit it, then "
            "auditkit probe api.toml --ask BUNDLE"
        )
    return suspect or str(description)


def rehearse(bundle_path: Path, suspect: str, reached: "Reach") -> None:
    """Ask one point and show what went out, what came back and what it means.

    Raises:
        QueryError: There was no answer.
    """
    from auditkit.core.requests import Options
    from auditkit.files import bundle
    from auditkit.suspects import rehearsal

    found = rehearsal.rehearse(bundle.read(bundle_path), suspect, Options(reach=reached))
    for one in found.exchanges:
        typer.echo(clean(f"asked  POST {one.address} {one.sent_type}", 300))
        typer.echo(clean(f"       {_shown(one.sent)}", LONGEST))
        typer.echo(clean(f"told   status {one.status} {one.said_type}", 300))
        typer.echo(clean(f"       {_shown(one.said)}", LONGEST))
    if found.error:
        raise QueryError(found.error)
    typer.echo(f"read   {found.read}")


def _shown(body: bytes) -> str:
    """Return a body as text, with files within it as their sizes."""
    shown, packed = list[str](), 0
    for line in body[:MOST].split(b"\n"):
        is_text = all(byte >= 32 or byte in b"\t\r" for byte in line) and _is_utf8(line)
        # A file ends where a form's next part begins, not with its first line that looks like text.
        if is_text and (not packed or line.startswith(b"--")):
            shown += [f"({packed} bytes)"] if packed else []
            shown.append(line.decode().strip())
            packed = 0
        else:
            packed += len(line) + 1
    rest = packed - 1 + max(0, len(body) - MOST) if packed else 0
    return " ".join([*filter(None, shown), *([f"({rest} bytes)"] if rest else [])])


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True
