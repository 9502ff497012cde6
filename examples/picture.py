"""The terminal report as a picture, or how it begins.

python -m examples.picture BUNDLE SUSPECT -o report.svg --lines 24
"""

import argparse
import io
from pathlib import Path

from rich.console import Console, Group
from rich.segment import Segment, Segments

import auditkit
from auditkit.reports import build
from auditkit.reports.terminal import renderables


def main() -> None:
    """Check the suspect and draw what the terminal shows."""
    parser = argparse.ArgumentParser(prog="python -m examples.picture", description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("suspect")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--lines", type=int, help="how many lines are drawn; all unless given")
    options = parser.parse_args()
    bundle = auditkit.read(options.bundle)
    examination = auditkit.examine(bundle, options.suspect)
    console = Console(record=True, width=100, file=io.StringIO(), force_terminal=True)
    whole = Group(*renderables(build.report(bundle, [examination.outcome])))
    for line in console.render_lines(whole)[: options.lines]:
        console.print(Segments([*line, Segment.line()]), end="")
    title = f"auditkit check {options.bundle.name} {Path(options.suspect).name}"
    console.save_svg(str(options.output), title=title)


if __name__ == "__main__":
    main()
