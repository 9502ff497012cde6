"""Which format goes by which suffix, and the one way to render a report."""

from pathlib import Path

from auditkit import reports
from auditkit.core import plugins
from auditkit.reports.base import Report, Screen

SUFFIXES = {
    ".cdx.json": "cyclonedx",
    ".sarif.json": "sarif",
    ".csv": "csv",
    ".htm": "html",
    ".html": "html",
    ".json": "json",
    ".md": "markdown",
    ".pdf": "pdf",
    ".sarif": "sarif",
    ".txt": "terminal",
    ".xml": "junit",
}
"""Format by the end of a file's name; longer ends first."""
DEFAULT = "terminal"
"""The format where nothing is said, and of files without a suffix."""


def format_of(output: Path) -> str | None:
    """Return the format that goes by a file's name; None if its suffix stands for none."""
    name = output.name.lower()
    found = (one for suffix, one in SUFFIXES.items() if name.endswith(suffix))
    return next(found, None if output.suffix else DEFAULT)


def render(report: Report, name: str, screen: Screen = Screen()) -> bytes:
    """Return the whole report in a format.

    Args:
        report: The verdicts and refusals that were reached with one bundle.
        name: The name of a plug-in of `auditkit.reports`: `html`, `json`, …
        screen: What it is shown on; a file by default.

    Raises:
        UnknownPluginError: There is no such format.
        MissingRuntimeError: The format needs a package that is not installed.
    """
    renderer = plugins.load(reports, name)
    shown: bytes = renderer(report, screen)
    return shown
