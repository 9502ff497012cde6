"""All methods on a trained population: `python -m experiments.methods ZOO -o docs/measured`.

Each method runs with its paper's settings; where other settings help it, the tuned one runs too.
The report becomes `benchmark.md`, beside its plots.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

TUNED = (
    "ipguard:k=1",
    "sac:inputs=mixed",
    "sac:inputs=jpeg",
    "uap:eps=0.1",
    "conferrable:surplus=3",
)


def main() -> None:
    """Compare into ZOO/results, then copy report and plots."""
    parser = argparse.ArgumentParser(prog="python -m experiments.methods", description=__doc__)
    parser.add_argument("zoo", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    results = options.zoo / "results"
    chosen = [part for method in ("all", *TUNED) for part in ("--method", method)]
    command = ["bench", str(options.zoo), "-o", str(results), *chosen]
    command += ["--workers", str(options.workers)]
    subprocess.run([sys.executable, "-m", "auditkit", *command], check=True)
    shutil.copy(results / "report.md", options.output / "benchmark.md")
    for plot in results.glob("*.png"):
        shutil.copy(plot, options.output / plot.name)


if __name__ == "__main__":
    main()
