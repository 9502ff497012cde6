"""Runs the commands of pages in an empty folder, and writes what they print into the pages.

    python -m tools.transcript docs/tutorial.md docs/dossier.md --folder build/tutorial

Several pages are run in the same folder, one after the other; without --folder it is removed.
Python blocks with a title (```python title="mycode.py") become files of that folder. In console
blocks each line that begins with "$ " is run by bash, and the lines below it are replaced by what
it prints. Blocks of any other kind stay as they are.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

TITLED = re.compile(r'^```python title="([^"]+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)
CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROGRESS = re.compile(r"^auditkit: .*\(\d+ s\)$")
LONGEST = 28
"""Lines of one command's output that are shown; the rest is cut."""


def main() -> None:
    """Run the commands of pages, and write these anew."""
    parser = argparse.ArgumentParser(prog="python -m tools.transcript", description=__doc__)
    parser.add_argument("pages", type=Path, nargs="+")
    parser.add_argument("--folder", type=Path, help="an empty folder to run them in, and to keep")
    options = parser.parse_args()
    if options.folder:
        options.folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as place:
        folder = options.folder or Path(place)
        for page in options.pages:
            text = page.read_text()
            write_files(text, folder)
            page.write_text(CONSOLE.sub(lambda block: _anew(block[1], folder), text))


def write_files(page: str, folder: Path) -> None:
    """Write each titled Python block of a page into a folder, by its title."""
    for name, code in TITLED.findall(page):
        (folder / name).write_text(code)


def commands(block: str) -> Iterator[str]:
    """The commands of a console block, which begin with "$ "."""
    for line in block.splitlines():
        if line.startswith("$ "):
            yield line[2:]


def _anew(block: str, folder: Path) -> str:
    ran = "".join(f"$ {command}\n{_printed(command, folder)}" for command in commands(block))
    return f"```console\n{ran}```"


def _printed(command: str, folder: Path) -> str:
    """What a command prints to a terminal of 80 columns, with its exit code unless that is 0."""
    here = str(Path(sys.executable).parent)
    path = os.pathsep.join([here, os.environ["PATH"]])
    surroundings = {**os.environ, "PATH": path, "COLUMNS": "80", "NO_COLOR": "1"}
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=surroundings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode not in {0, 3, 4}:
        raise SystemExit(f"{command}: exit code {done.returncode}\n{done.stdout}")
    lines = [line.rstrip() for line in done.stdout.splitlines() if not PROGRESS.match(line)]
    if len(lines) > LONGEST:
        lines = [*lines[:LONGEST], "…"]
    if done.returncode:
        lines.append(f"(exit code {done.returncode})")
    return "".join(f"{line}\n" for line in lines)


if __name__ == "__main__":
    main()
