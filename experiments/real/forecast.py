"""What a line-up of a 224-pixel owner would take: `python -m experiments.real.forecast`.

A line-up asks its members the same number of times whatever they are. So the passes are counted
while one is made for a small net, and each is given the time that EfficientNet-Lite0 takes for one,
trained on batches as twins and copies are, on one core. It needs the packages that
`python -m experiments.real` names.
"""

import math
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from auditkit import api
from auditkit.core.requests import Order
from auditkit.fingerprints import lineup
from auditkit.owner.opening import LoadedModel
from examples.recipe import OWNER, SHAPE, digits, trained, twin
from experiments.real.images import SIDE, owner
from experiments.zoo.export import save_torchscript

TWINS, SAMPLES, POINTS = 19, 300, 100
LARGE = (3, SIDE, SIDE)
BATCH, ROUNDS = 16, 3
TUNED = 3 * 10_000
"""Training passes of one twin that is tuned for three epochs on 10,000 images."""
CORES = 2
CARD = 1000
"""Training passes a second of a card that the last column supposes."""


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    passes = _counted()
    train, ask = _seconds(_trained), _seconds(_asked)
    rows = {
        f"{TWINS} twins, each tuned for 3 epochs on 10,000 images": (TWINS * TUNED, 0),
        "the bundle": (passes["slope"], passes["answer"]),
    }
    print(f"A training pass of one image takes {1e3 * train:.0f} ms, an answer {1e3 * ask:.0f} ms.")
    print(f"\n| | training passes | answers | {CORES} cores | {CARD:,} passes a second |")
    print("|---|---|---|---|---|")
    for name, (slopes, answers) in rows.items():
        hours = (slopes * train + answers * ask) / CORES / 3600
        minutes = (slopes + answers * ask / train) / CARD / 60
        print(f"| {name} | {slopes:,} | {answers:,} | {hours:.0f} h | {minutes:.0f} min |")


def _counted() -> Counter[str]:
    """Count the inputs that a line-up's members and copies are given, with and without slopes."""
    passes = Counter[str]()
    real = LoadedModel.__call__

    def counting(model: LoadedModel, inputs: Tensor) -> Tensor:
        passes["slope" if torch.is_grad_enabled() else "answer"] += len(inputs)
        return real(model, inputs)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        x, y = digits()
        (folder / "twins").mkdir()
        for number in range(TWINS):
            save_torchscript(twin(100 + number), SHAPE, folder / "twins" / f"{number}.pt")
        save_torchscript(trained("strided", x[OWNER], y[OWNER], 0), SHAPE, folder / "owner.pt")
        kept = slice(OWNER.stop, OWNER.stop + SAMPLES)
        np.savez(folder / "samples.npz", x=x[kept].numpy(), y=y[kept].numpy())
        order = Order(
            str(folder / "owner.pt"),
            samples=folder / "samples.npz",
            points=POINTS,
            twins=(folder / "twins",),
            device="cpu",
        )
        # As many natural points as a bundle has room for at the large size.
        room = lineup.MOST_BYTES * math.prod(SHAPE) // math.prod(LARGE)
        with (
            mock.patch.object(LoadedModel, "__call__", counting),
            mock.patch.object(lineup, "MOST_BYTES", room),
        ):
            api.fingerprint(order)
    return passes


def _seconds(work: Callable[[torch.nn.Module, Tensor], None]) -> float:
    """Return the seconds of one image, the least of some rounds."""
    net, images = owner(), torch.rand(BATCH, *LARGE)
    taken = []
    for _ in range(ROUNDS):
        started = time.process_time()
        work(net, images)
        taken.append((time.process_time() - started) / BATCH)
    return min(taken)


def _trained(net: torch.nn.Module, images: Tensor) -> None:
    net.train()
    functional.cross_entropy(net(images), torch.zeros(BATCH, dtype=torch.int64)).backward()


@torch.no_grad()
def _asked(net: torch.nn.Module, images: Tensor) -> None:
    net.eval()(images)


if __name__ == "__main__":
    main()
