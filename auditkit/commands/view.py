"""The command that shows a ledger as pages in a browser."""

from pathlib import Path
from typing import Annotated

import typer

from auditkit.commands.console import errors, tell


def view(
    ledger: Annotated[
        Path, typer.Argument(metavar="LEDGER", help="The ledger that `auditkit scan` wrote.")
    ],
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the page; 0 for any that is free.")
    ] = 0,
    browser: Annotated[
        bool, typer.Option("--browser", help="Open the page in the browser of this machine.")
    ] = False,
) -> None:
    """Show a ledger as pages in a browser, until it is interrupted.

    The pages are for this machine alone, and nothing can be changed on them. The address holds a
    secret of this run. A scan that goes on meanwhile is seen as it goes.
    """
    from auditkit.commands.viewer.server import Viewer

    with errors():
        try:
            with Viewer(ledger, port) as viewer:
                typer.echo(viewer.url)
                tell("Whoever has this address can read the ledger; Ctrl-C ends it.")
                if browser:
                    import webbrowser

                    webbrowser.open(viewer.url)
                viewer.wait()
        except KeyboardInterrupt:
            raise typer.Exit from None
