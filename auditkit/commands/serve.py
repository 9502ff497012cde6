"""The command `auditkit serve`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from auditkit.commands.console import errors, tell
from auditkit.core.access import Access
from auditkit.core.errors import SuspectLoadError


def serve(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="The classifier to serve: an ONNX file.")
    ],
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes any free one.")
    ] = 8000,
    reveal: Annotated[
        Access, typer.Option(help="The most detailed kind of answer that it gives.")
    ] = Access.LOGITS,
    top: Annotated[
        int, typer.Option(min=1, help="Number of classes listed with --reveal top-k.")
    ] = 3,
    decimals: Annotated[
        int | None,
        typer.Option(
            min=0, help="Decimals that probabilities are rounded to; 2 with --reveal rounded."
        ),
    ] = None,
    max_batch: Annotated[
        int | None, typer.Option(min=1, help="Largest number of points in one request.")
    ] = None,
    delay: Annotated[float, typer.Option(min=0, help="Seconds to wait before each reply.")] = 0.0,
    # A variable's name and not the token: other users can read the arguments of a process.
    token_env: Annotated[
        str | None,
        typer.Option(
            help="Name of the environment variable that holds the token which requests must carry."
        ),
    ] = None,
    errors_share: Annotated[
        float,
        typer.Option(
            "--errors", min=0, max=1, help="Share of requests that get status 503 (error)."
        ),
    ] = 0.0,
    busy: Annotated[
        float, typer.Option(min=0, max=1, help="Share of requests that get status 429 (busy).")
    ] = 0.0,
    hang: Annotated[
        float, typer.Option(min=0, max=1, help="Share of requests that get no reply.")
    ] = 0.0,
    drop: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Share of requests whose connection breaks during the reply."
        ),
    ] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="Seed that decides which requests fail.")] = 0,
    swap: Annotated[
        Path | None,
        typer.Option(help="Another ONNX file that secretly replaces the first, for testing."),
    ] = None,
    swap_after: Annotated[
        int | None,
        typer.Option(min=0, help="Number of points answered before --swap replaces the model."),
    ] = None,
    log: Annotated[
        Path | None,
        typer.Option(help="File to which each request is appended, one JSON object a line."),
    ] = None,
) -> None:
    """Serve an ONNX file as an API, for trials.

    The API runs on this machine. It can be made slow, faulty or evasive.
    """
    from auditkit.commands.testserver.behaviour import Behaviour
    from auditkit.commands.testserver.server import Server

    with errors():
        # Two decimals are what access level `rounded` means everywhere else.
        if reveal is Access.ROUNDED and decimals is None:
            decimals = 2
        token = None if token_env is None else os.environ.get(token_env)
        if token_env is not None and not token:
            raise SuspectLoadError(f"the environment has no {token_env!r}; set it")
        try:
            behaviour = Behaviour(
                reveal=reveal,
                top=top,
                decimals=decimals,
                max_batch=max_batch,
                delay=delay,
                token=token,
                errors=errors_share,
                busy=busy,
                hang=hang,
                drop=drop,
                seed=seed,
                swap_after=swap_after,
            )
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
        server = Server(model, behaviour, port=port, other=swap, log=log)
    # After the server is bound: with port 0 only it knows its address.
    tell(f"serving {model} until Ctrl-C: auditkit check BUNDLE {server.url}")
    try:
        server.serve()
    except KeyboardInterrupt:
        tell("ended")
    finally:
        server.close()
