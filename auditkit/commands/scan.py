"""The command for many: every suspect before every bundle, kept in a ledger."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auditkit.commands import remote, scanning, signing
from auditkit.commands.console import errors, tell
from auditkit.commands.options import (
    AllowHttp,
    AllowPrivate,
    Authorities,
    Budget,
    Concurrency,
    Device,
    Header,
    HowIsolated,
    Longest,
    ModelOutput,
    Proxy,
    PublicKeyPath,
    Quiet,
    Rate,
    Resize,
    StampAuthorities,
    SuspectMemory,
    SuspectSeconds,
    TallyFormat,
    TallyOutput,
    Timeout,
)
from auditkit.commands.output import check_apart
from auditkit.core.access import Access
from auditkit.core.errors import FleetError
from auditkit.core.requests import Isolation, Limits

if TYPE_CHECKING:
    from auditkit.core.requests import Asking
    from auditkit.fleet.finding import Found
    from auditkit.fleet.tasks import Bundled

LEAST_MEMORY = 1 << 30
"""Bytes that each suspect's file may use at least, however many workers there are."""


def scan(
    named: Annotated[
        list[str],
        typer.Argument(
            metavar="BUNDLE... SUSPECT...",
            help="Bundles (.fp) and suspects, in any order: files, folders, which are searched for "
            "both, patterns such as 'models/**/*.onnx', addresses, descriptions of APIs (.toml), "
            "and text files with one suspect a line.",
        ),
    ],
    ledger: Annotated[
        Path, typer.Option(help="SQLite file that keeps every verdict; a scan goes on from it.")
    ] = Path("audit.db"),
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1024,
            help="Suspects that are examined at the same time; otherwise one for each core.",
            show_default=False,
        ),
    ] = None,
    recycle: Annotated[
        int,
        typer.Option(
            min=1, help="Suspects that one worker examines before another takes its place."
        ),
    ] = 200,
    again: Annotated[
        bool, typer.Option("--again", help="Ask those again that an earlier scan refused.")
    ] = False,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch", help="Go on with suspects that come later, until it is interrupted (Ctrl-C)."
        ),
    ] = False,
    every: Annotated[
        float,
        typer.Option(min=0.05, help="Seconds between two looks with --watch."),
    ] = 5.0,
    output_format: TallyFormat = "terminal",
    output: TallyOutput = None,
    access: Annotated[
        Access,
        typer.Option(
            help="The most detailed kind of answer that is used, even if a suspect reveals more."
        ),
    ] = Access.LOGITS,
    sequential: Annotated[
        bool | None,
        typer.Option(
            "--sequential/--whole",
            help="Ask point by point and stop as soon as the answers decide, or ask all points; "
            "as `auditkit check` does it otherwise.",
        ),
    ] = None,
    thorough: Annotated[
        bool | None,
        typer.Option(
            "--thorough/--quick",
            help="Whether the natural points of a line-up are asked as well; otherwise of files, "
            "where it takes less than a minute.",
        ),
    ] = None,
    budget: Budget = None,
    rate: Rate = None,
    concurrency: Concurrency = 8,
    patience: Longest = 120.0,
    header: Header = None,
    timeout: Timeout = 30.0,
    allow_http: AllowHttp = False,
    allow_private: AllowPrivate = False,
    proxy: Proxy = None,
    ca: Authorities = None,
    device: Device = "auto",
    resize: Resize = False,
    model_output: ModelOutput = "",
    isolation: HowIsolated = Isolation.AUTO,
    suspect_seconds: SuspectSeconds = Limits().seconds,
    suspect_memory: SuspectMemory = None,
    public: PublicKeyPath = None,
    authority: StampAuthorities = None,
    quiet: Quiet = False,
) -> None:
    """Give a verdict on every suspect by every bundle.

    Each verdict is kept in the ledger as soon as it is there.
    The same command goes on where a scan was interrupted, and asks nobody twice.
    The exit code is that of `auditkit check` on all of them.
    """
    from auditkit.core.requests import Asking, Options, Patience
    from auditkit.fleet.finding import found
    from auditkit.fleet.scan import Plan
    from auditkit.fleet.workers import cores

    with errors():
        scanning.check_format(output_format)
        check_apart(output, ledger, *named)
        count = workers or cores()
        reach = remote.reach(header, timeout, proxy, ca)
        asking = Asking(
            access=access,
            options=Options(
                device,
                resize,
                output=model_output,
                threads=1,
                isolation=isolation,
                limits=Limits(suspect_seconds, _memory(suspect_memory, count)),
                reach=replace(reach, allow_http=allow_http, allow_private=allow_private),
            ),
            sequential=sequential,
            thorough=thorough,
            patience=Patience(budget=budget, rate=rate, lanes=concurrency, longest=patience),
        )
        there = found(named)
        _check(there, watch=watch)
        if there.left_out and not quiet:
            tell(
                f"{there.left_out} descriptions of APIs in folders were left out: they lead "
                "elsewhere; name each that is meant"
            )
        bundles = _bundles(there, public, authority, asking)
        whole = scanning.Order(
            ledger, bundles, there.suspects, asking, Plan(count, recycle, again=again)
        )
        tally = scanning.carried_out(whole, named if watch else (), every, quiet=quiet)
        scanning.show(whole, tally, output_format, output)
    raise typer.Exit(scanning.exit_code(tally))


def _memory(wanted: float | None, workers: int) -> int:
    """Return the bytes that each suspect's file may use."""
    from auditkit.suspects.isolation.walls import half_of_memory

    if wanted is not None:
        return int(wanted * 1e9)
    return max(half_of_memory() // workers, LEAST_MEMORY)


def _check(there: "Found", *, watch: bool) -> None:
    if not there.bundles:
        raise FleetError("no bundle among what was named; name a bundle (.fp) or its folder")
    if not there.suspects and not watch:
        raise FleetError("no suspect among what was named; name model files or their folder")


def _bundles(
    there: "Found", public: Path | None, authority: list[Path] | None, asking: "Asking"
) -> "tuple[Bundled, ...]":
    """Read and check all bundles before anybody is asked; of two of one content one counts."""
    from auditkit.fleet.tasks import Bundled
    from auditkit.suspects.examiner import check

    found: dict[str, Bundled] = {}
    for path in there.bundles:
        bundle, commitment = signing.opened(Path(path), public, authority)
        check(bundle, asking)
        owner = bundle.fingerprint.owner.name
        found.setdefault(bundle.digest, Bundled(path, bundle.digest, owner, commitment))
    return tuple(found.values())
