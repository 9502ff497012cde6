"""The command for many: every suspect before every bundle, kept in a ledger."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auditkit.commands import scanning, signing
from auditkit.commands.asking import HowAsked
from auditkit.commands.console import errors, tell
from auditkit.commands.failing import Failing
from auditkit.commands.options import (
    LONGEST,
    PublicKeyPath,
    Quiet,
    StampAuthorities,
    TallyFormat,
    TallyOutput,
)
from auditkit.commands.output import check_apart, check_named
from auditkit.commands.sharing import spread
from auditkit.commands.where import Where
from auditkit.core.errors import FleetError

if TYPE_CHECKING:
    from auditkit.core.requests import Asking
    from auditkit.fleet.finding import Found
    from auditkit.fleet.tasks import Bundled


@spread("where", Where)
@spread("how", HowAsked)
@spread("failing", Failing)
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
            help="Suspects that are examined at the same time; otherwise one for each core, four "
            "on a card, or as many as a Ray cluster has room for.",
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
        typer.Option(min=0.05, max=LONGEST, help="Seconds between two looks with --watch."),
    ] = 5.0,
    output_format: TallyFormat = "terminal",
    output: TallyOutput = None,
    where: Where = Where(),
    how: HowAsked = HowAsked(),
    failing: Failing = Failing(),
    public: PublicKeyPath = None,
    authority: StampAuthorities = None,
    quiet: Quiet = False,
) -> None:
    """Give a verdict on every suspect by every bundle.

    Each verdict is kept in the ledger as soon as it is there.
    The same command goes on where a scan was interrupted, and asks nobody twice.
    The exit code is that of `auditkit check` on all of them.
    """
    from auditkit.fleet.engines import opened
    from auditkit.fleet.finding import found
    from auditkit.fleet.scan import Plan

    with errors():
        scanning.check_format(output_format)
        check_named(ledger, "--ledger")
        check_apart(output, ledger, *named, failing.baseline)
        gate = failing.gate()  # read now: the baseline may be the very ledger that is written
        there = found(named)
        _check(there, watch=watch)
        if there.left_out and not quiet:
            tell(there.told())
        with opened(where.machines(how.device), workers, how.device) as place:
            asking = how.asking(threads=1, memory=place.memory)
            bundles = _bundles(there, public, authority, asking)
            plan = Plan(workers or place.slots, recycle, again=again)
            whole = scanning.Order(ledger, bundles, there.suspects, asking, plan)
            later = named if watch else ()
            tally = scanning.carried_out(whole, place, later, every, quiet=quiet)
        scanning.show(whole, tally, output_format, output)
        code = gate.exit_code(scanning.known(whole, tally, gate))
    raise typer.Exit(code)


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
