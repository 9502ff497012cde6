"""The command line: it registers the commands, and decides nothing.

Exit codes: 0 independent (homologous), 3 pirated, 4 inconclusive, 5 could not audit, 2 usage. 1 is
never a verdict, so a crash can't read as an accusation. Of several suspects 3 beats 5 beats 4 beats
0.
"""

import gc
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from auditkit.commands import (
    accusers,
    bench,
    check,
    configuration,
    console,
    doctor,
    judging,
    owner,
    remote,
    scan,
    serve,
    signing,
    streams,
    training,
    view,
)


def _version(*, wanted: bool) -> None:
    if wanted:
        import auditkit

        typer.echo(f"auditkit {auditkit.__version__}")
        raise typer.Exit


app = typer.Typer(
    name="auditkit",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=True,
    help="Find out whether a neural-network classifier was copied.",
    epilog="Exit codes: 0 independent (homologous), 3 pirated, 4 inconclusive, "
    "5 could not audit, 2 usage. Of several suspects, 3 beats 5 beats 4 beats 0.",
)
for command in (
    *(owner.fingerprint, training.twins, training.references),
    *(signing.keygen, signing.sign, signing.verify),
    *(accusers.regenerate, accusers.screen),
    *(check.check, scan.scan, view.view, judging.judge, judging.report, check.queries, check.plan),
    *(remote.probe, serve.serve, owner.methods, bench.bench, doctor.doctor, check.inspect),
):
    app.command()(command)


@app.callback()
def options(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            envvar=configuration.CONFIG,
            show_envvar=False,
            help="TOML file with options (docs/configuration.md); otherwise auditkit.toml of the "
            "working folder, which may set less.",
        ),
    ] = None,
    no_config: Annotated[
        bool, typer.Option("--no-config", help="Read no file with options.")
    ] = False,
    version: Annotated[  # noqa: ARG001 - its callback acts
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Print the version and leave."
        ),
    ] = False,
) -> None:
    """Find out whether a neural-network classifier was copied."""
    configuration.configure(context, config, unread=no_config)


def main() -> NoReturn:
    """Run the command line."""
    streams.make_usable()
    try:
        app()
    except OSError as error:
        if not streams.is_of_output(error):
            raise
        streams.give_up(error)
        raise SystemExit(console.COULD_NOT_AUDIT) from error
    finally:
        # At its end Python would look for garbage in all of torch, which takes up to a second.
        gc.freeze()
    raise SystemExit(0)
