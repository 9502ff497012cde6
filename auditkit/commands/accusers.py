"""Who accuses must be checked: regenerate and screen."""

from pathlib import Path
from typing import Annotated

import typer

from auditkit.commands.console import COULD_NOT_AUDIT, errors, progress_bar
from auditkit.commands.options import (
    BundlePath,
    Classes,
    Device,
    Head,
    Model,
    Quiet,
    ResizeSamples,
    Weights,
)
from auditkit.core.escape import clean
from auditkit.core.verdicts import Refusal

UNCHECKED = 4
"""Exit code where nothing contradicts a bundle, but not everything could be checked."""


def regenerate(
    bundle_path: BundlePath,
    model: Model,
    weights: Weights = None,
    head: Head = "",
    samples: Annotated[
        Path | None,
        typer.Option(
            help="The samples that the bundle was made from; without them only the "
            "owner's outputs are checked."
        ),
    ] = None,
    twins: Annotated[
        list[Path] | None,
        typer.Option(help="The twins that the bundle was made with; may be given several times."),
    ] = None,
    classes: Classes = None,
    resize_samples: ResizeSamples = None,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Make a bundle's points again from the owner's model, and compare.

    For whoever judges an accusation: points that nobody but the accuser has seen made prove
    nothing. The exit code is 0 if everything holds, 4 if something could not be checked, 5 if
    something does not hold.
    """
    from auditkit import api
    from auditkit.core.requests import Order, SampleForm
    from auditkit.files import bundle

    order = Order(
        model=model,
        weights=weights,
        head=head,
        samples=samples,
        form=SampleForm(classes, resize_samples),
        device=device,
        twins=tuple(twins or ()),
    )
    with errors(), progress_bar(quiet=quiet) as progress:
        checks = api.regenerate(bundle.read(bundle_path), order, progress)
    words = {True: "holds", False: "DOES NOT HOLD", None: "not checked"}
    for check in checks:
        typer.echo(f"{words[check.holds]:14} {check.claim:20} {clean(check.told, 300)}")
    held = {check.holds for check in checks}
    raise typer.Exit(COULD_NOT_AUDIT if False in held else UNCHECKED if None in held else 0)


def screen(
    bundle_path: BundlePath,
    models: Annotated[
        list[Path],
        typer.Option(
            help="A model file or a folder of them, of the same task and independent of the owner; "
            "may be given several times."
        ),
    ],
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Ask models that are known to be innocent, to see whether a bundle accuses them.

    For whoever judges an accusation: bring models that the accuser could not choose. The exit code
    is 0 if none is accused, 4 if none could be asked, 5 if any is accused.
    """
    from auditkit import api
    from auditkit.core.requests import Asking, Options
    from auditkit.files import bundle
    from auditkit.judging.screening import screened

    with errors(), progress_bar(quiet=quiet) as progress:
        files = sorted(str(file) for one in models for file in _files(one))
        asking = Asking(options=Options(device))
        examined = api.audit(bundle.read(bundle_path), files, asking, progress)
        outcomes = [examination.outcome for examination in examined]
    for outcome in outcomes:
        if isinstance(outcome, Refusal):
            typer.echo(
                f"{'refused':14} {clean(outcome.suspect, 100)}: {clean(outcome.reason, 300)}"
            )
        else:
            typer.echo(f"{outcome.decision:14} {clean(outcome.suspect.name, 100)}")
    found = screened(outcomes)
    typer.echo(found.told())
    raise typer.Exit(COULD_NOT_AUDIT if found.accused else 0 if found.heard else UNCHECKED)


def _files(path: Path) -> list[Path]:
    """Return the files of a folder, without those that are hidden; a file is itself."""
    if not path.is_dir():
        return [path]
    return [file for file in path.iterdir() if file.is_file() and not file.name.startswith(".")]
