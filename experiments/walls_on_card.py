"""Which wall keeps CUDA from starting, if one does: `python -m experiments.walls_on_card`.

In a fresh process each, some of a worker's walls are raised, then the driver is started, and a
small model is asked. `auditkit doctor` says whether it works behind all of them.
"""

import argparse
import ctypes
import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.connection import Connection

from auditkit.adapters import runtime
from auditkit.commands import diagnosis
from auditkit.suspects.isolation import seccomp, walls
from auditkit.suspects.isolation.walls import half_of_memory

READABLE = [*walls._of_python(), *walls.READ_BY_LIBRARIES]
WALLS: dict[str, Callable[[], object]] = {
    "none": lambda: None,
    "limits": lambda: walls._limit(half_of_memory(), card=True),
    "files": lambda: walls._shut_files(READABLE, card=True),
    "system calls": lambda: seccomp.restrict(card=True),
    "all": lambda: walls.raise_walls([], half_of_memory(), card=True),
    "all, as without a card": lambda: walls.raise_walls([], half_of_memory(), card=False),
}


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    device = parser.parse_args().device
    print("| walls | cuInit | a small model |")
    print("|---|---|---|")
    # As the process does that forks workers.
    runtime.why_no_cuda()
    runtime.empty_folder()
    diagnosis._model(diagnosis.WEIGHTS)
    for name in WALLS:
        print(f"| {name} | {' | '.join(_tried(name, device))} |", flush=True)


def _tried(name: str, device: str) -> tuple[str, str]:
    """Return what came of it, told over a pipe: the process may write no file."""
    fork = multiprocessing.get_context("fork")
    here, there = fork.Pipe(duplex=False)
    process = fork.Process(target=_started, args=(name, device, there))
    process.start()
    there.close()
    try:
        found: tuple[str, str] = here.recv()
    except EOFError:
        process.join()
        return "", f"ended with {process.exitcode}"
    process.join()
    return found


def _started(name: str, device: str, there: Connection) -> None:
    WALLS[name]()
    try:
        started = str(ctypes.CDLL(runtime.DRIVER).cuInit(0))
    except OSError as error:
        started = str(error)
    try:
        found = diagnosis._ran(device)
    except Exception as error:
        found = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    there.send((started, found))
    os._exit(0)


if __name__ == "__main__":
    main()
