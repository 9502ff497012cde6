"""Tries mutants and prints what came of them.

python -m fuzz [HARNESS ...] [--inputs N] [--seed S] [--first NUMBER]
"""

import argparse
import importlib
import pkgutil
import resource
import tempfile
from pathlib import Path

from fuzz import harnesses
from fuzz.base import Harness, Result, run, watched

MEMORY = 4 << 30
"""Bytes of addresses that the whole run may use beside what it begins with."""


def all_harnesses() -> dict[str, Harness]:
    """Return the harnesses by name."""
    names = [found.name for found in pkgutil.iter_modules(harnesses.__path__)]
    modules = [importlib.import_module(f"fuzz.harnesses.{name}") for name in names]
    return {module.HARNESS.name: module.HARNESS for module in modules}


def main() -> int:
    """Print a row for each harness; 1 if a property does not hold."""
    known = all_harnesses()
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("harness", nargs="*", choices=[*known, []], help="all unless named")
    parser.add_argument("--inputs", type=int, default=100_000, help="for each harness")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    chosen = parser.parse_args()
    print("| harness | seed | inputs | refused | read | inputs/s | slowest | defects |")
    print("|---|---|---|---|---|---|---|---|")
    _limit_memory()
    wrong = 0
    # Journals wait for the disk with each input, which memory does not.
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
    for name in chosen.harness or known:
        with tempfile.TemporaryDirectory(dir=memory) as folder, watched():
            result = run(known[name], Path(folder), chosen.inputs, chosen.seed, chosen.first)
        _show(name, chosen.seed, result)
        wrong += len(result.defects)
    return 1 if wrong else 0


def _limit_memory() -> None:
    # What takes all memory is then seen as MemoryError, and not by the end of the run.
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, resource.RLIM_INFINITY))


def _show(name: str, seed: int, result: Result) -> None:
    rate = result.inputs / max(result.seconds, 1e-9)
    print(
        f"| {name} | {seed} | {result.inputs:,} | {result.refused:,} | {result.read:,} | "
        f"{rate:,.0f} | {1000 * result.slowest:.0f} ms | {len(result.defects):,} |",
        flush=True,
    )
    for defect in result.defects[:20]:
        print(f"  input {defect.number}: {defect.what}", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
