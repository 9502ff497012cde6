"""What each command costs on the tutorial's small model: the table of docs/costs.md.

    python -m experiments.costs

Runs in an empty folder that is removed afterwards. Computing time is that of all processes of a
command; the clock also shows what else the machine was doing.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tools.transcript import write_files

PAGE = Path(__file__).parents[1] / "docs/tutorial.md"
COMMANDS = {
    "auditkit twins model.pt --train mycode:train --data train.npz -o twins": "twins",
    "auditkit fingerprint model.pt --samples samples.npz --twins twins": "model.fp",
    "auditkit fingerprint model.pt --samples samples.npz -o without.fp": "without.fp",
    "auditkit check model.fp models/independent.onnx": "",
    "auditkit check model.fp models/independent.onnx --quick": "",
    "auditkit check without.fp models/independent.onnx": "",
    "auditkit check model.fp models --evidence kept": "kept",
    "auditkit report model.fp kept -o dossier.pdf": "dossier.pdf",
    "auditkit scan model.fp models": "audit.db",
    "auditkit plan model.fp": "",
}
"""Command -> what it writes."""


def main() -> None:
    """Print the table."""
    print("| command | computing time | by the clock | writes |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_files(PAGE.read_text(), folder)
        subprocess.run([sys.executable, "mycode.py"], cwd=folder, check=True)
        for command, written in COMMANDS.items():
            used, passed = _timed(command, folder)
            size = _megabytes(folder / written) if written else ""
            print(f"| `{command}` | {used:.0f} s | {passed:.0f} s | {size} |", flush=True)


def _timed(command: str, folder: Path) -> tuple[float, float]:
    """Seconds of computing, and seconds by the clock, that a command takes."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", *command.split()],
        cwd=folder,
        env={**os.environ, "COLUMNS": "80"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode not in {0, 3, 4}:
        raise SystemExit(f"{command}: exit code {done.returncode}\n{done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return used, time.perf_counter() - started


def _megabytes(path: Path) -> str:
    """The size of a file, or of a folder's files."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return f"{sum(file.stat().st_size for file in files) / 1e6:.2f} MB"


if __name__ == "__main__":
    main()
