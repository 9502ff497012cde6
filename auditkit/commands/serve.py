"""`auditkit serve`: parse, serve, end."""

import os
from pathlib import Path
from typing import Annotated

import typer

from auditkit.commands.console import errors, tell
from auditkit.core.access import Access
from auditkit.core.errors import SuspectLoadError


def serve(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A classifier, model.onnx.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8000,
    reveal: Annotated[Access, typer.Option(help="Show no more than this.")] = Access.LOGITS,
    top: Annotated[int, typer.Option(min=1, help="Classes listed with --reveal top-k.")] = 3,
    decimals: Annotated[
        int | None, typer.Option(min=0, help="Of probabilities; 2 with --reveal rounded.")
    ] = None,
    max_batch: Annotated[int | None, typer.Option(min=1, help="Points in one request.")] = None,
    delay: Annotated[float, typer.Option(min=0, help="Seconds that a request takes.")] = 0.0,
    token_env: Annotated[
        str | None, typer.Option(help="Variable with the token that requests must bring.")
    ] = None,
    errors_share: Annotated[
        float, typer.Option("--errors", min=0, max=1, help="Share of requests that get 503.")
    ] = 0.0,
    busy: Annotated[
        float, typer.Option(min=0, max=1, help="Share of requests that get 429.")
    ] = 0.0,
    hang: Annotated[
        float, typer.Option(min=0, max=1, help="Share of requests that get nothing.")
    ] = 0.0,
    drop: Annotated[
        float, typer.Option(min=0, max=1, help="Share of requests that are cut off.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="Of the faults.")] = 0,
    swap: Annotated[
        Path | None, typer.Option(help="Another model that takes over after --swap-after.")
    ] = None,
    swap_after: Annotated[int | None, typer.Option(min=0, help="Points answered before.")] = None,
    log: Annotated[Path | None, typer.Option(help="Append each request there, as JSON.")] = None,
) -> None:
    """Serve an ONNX file on this machine, as an API to try audits against."""
    from auditkit.testserver.behaviour import Behaviour
    from auditkit.testserver.server import Server

    with errors():
        if reveal is Access.ROUNDED and decimals is None:
            decimals = 2
        token = None if token_env is None else os.environ.get(token_env)
        if token_env is not None and not token:
            raise SuspectLoadError(f"the environment has no {token_env!r}; set it")
        faults = (errors_share, busy, hang, drop, seed)
        try:
            behaviour = Behaviour(reveal, top, decimals, max_batch, delay, token, *faults, swap_after)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
        server = Server(model, behaviour, port=port, other=swap, log=log)
    tell(f"serving {model} until Ctrl-C: auditkit check BUNDLE {server.url}")
    try:
        server.serve()
    except KeyboardInterrupt:
        tell("ended")
    finally:
        server.close()
