"""Whole commands on a card, started as a user starts them, beside a bare script of onnxruntime.

Both start from nothing, so that CUDA's own start counts in both. Audits from a running process,
which `experiments.gpu` compares too, start CUDA anew for each suspect, and bare sessions don't.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import numpy as np

BARE = """
import sys, numpy as np, onnxruntime as ort
if hasattr(ort, "preload_dlls"):
    ort.preload_dlls()
_, device, file, *models = sys.argv
providers = ["CPUExecutionProvider"] if device == "cpu" else ["CUDAExecutionProvider"]
points = np.load(file)
for model in models:
    session = ort.InferenceSession(model, providers=providers)
    for start in range(0, len(points), 100):
        session.run(None, {"input": points[start : start + 100]})
"""
DOCUMENTATION = 0x32
"""Begins an ONNX model's documentation: field 6, of bytes."""


def told(
    bundle: Path, points: np.ndarray, suspect: Path, count: int, device: str, rounds: int
) -> Iterator[str]:
    """Yield the rows of a table: one suspect and many, checked and scanned.

    Args:
        bundle: Whose points are asked.
        points: (n, *shape) float32, the same.
        suspect: An ONNX file of which copies are made.
        count: How many suspects "many" are.
        device: `cpu`, `cuda` or `cuda:N`.
        rounds: How often each is measured; the median counts.
    """
    folder = suspect.parent / "suspects"
    folder.mkdir(exist_ok=True)
    many = [folder / f"{number}.onnx" for number in range(count)]
    data = suspect.read_bytes()
    for number, path in enumerate(many):
        path.write_bytes(data + bytes([DOCUMENTATION, 1, number]))  # another file of the same model
    asked = suspect.with_suffix(".npy")
    np.save(asked, points)

    def bare(models: list[Path]) -> float:
        return _timed([sys.executable, "-c", BARE, device, str(asked), *map(str, models)], {0})

    def ours(*words: str) -> float:
        command = [sys.executable, "-m", "auditkit", *words, "--device", device]
        return _timed(command, {0, 3, 4})

    # The first bare run reads the libraries from the disk.
    bare(many[:1])
    for models in (many[:1], many):
        alone = _median(lambda models=models: bare(models), rounds)
        yield _row("bare onnxruntime", len(models), alone, alone)
        names = [str(model) for model in models]
        checked = _median(lambda names=names: ours("check", str(bundle), *names), rounds)
        yield _row("auditkit check", len(models), checked, alone)
    for workers in ("1", "4", "8"):
        ledgers = iter(range(rounds))
        scanned = _median(
            lambda workers=workers, ledgers=ledgers: ours(
                *("scan", str(bundle), str(folder), "--workers", workers),
                *("--ledger", str(folder.parent / f"{workers}-{next(ledgers)}.db")),
            ),
            rounds,
        )
        yield _row(f"auditkit scan --workers {workers}", count, scanned, alone)


def _row(what: str, count: int, seconds: float, bare: float) -> str:
    return f"| {what} | {count} | {seconds:.2f} | {seconds / bare:.2f} | {count / seconds:.2f} |"


def _median(work: Callable[[], float], rounds: int) -> float:
    return median(work() for _ in range(rounds))


def _timed(command: list[str], right: set[int]) -> float:
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in right:
        raise RuntimeError(f"{command[:6]} ended with {done.returncode}: {done.stderr[-400:]}")
    return time.perf_counter() - started
