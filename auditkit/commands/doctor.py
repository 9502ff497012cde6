"""The command `auditkit doctor`."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from auditkit.commands.console import COULD_NOT_AUDIT
from auditkit.commands.options import Device

if TYPE_CHECKING:
    from auditkit.commands.diagnosis import Finding

STYLES = {"works": "green", "absent": "yellow", "broken": "red"}


def doctor(
    device: Device = "auto",
    output_format: Annotated[
        str, typer.Option("--format", "-f", help="How it is shown: terminal or json.")
    ] = ("terminal"),
) -> None:
    """Show what works on this machine.

    Everything is tried, not just looked up. The exit code is 5 if audits can't be made on the
    chosen device.
    """
    from auditkit.commands.diagnosis import examine, fit_for

    # These are not report plug-ins: a list of findings is no report on suspects.
    if output_format not in ("terminal", "json"):
        raise typer.BadParameter(f"wanted terminal or json, got {output_format!r}")
    findings = examine()
    if output_format == "json":
        shown = {"schema": "auditkit.doctor/1", "findings": [asdict(one) for one in findings]}
        typer.echo(json.dumps(shown, indent=2))
    else:
        _show(findings)
    raise typer.Exit(0 if fit_for(findings, device) else COULD_NOT_AUDIT)


def _show(findings: "tuple[Finding, ...]") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=False)
    for finding in findings:
        told = Text(finding.told)
        if finding.advice:
            told.append(f"\n→ {finding.advice}", style="dim")
        state = Text(finding.state, style=STYLES[finding.state])
        table.add_row(Text(finding.subject), state, told)
    Console(highlight=False).print(table)
