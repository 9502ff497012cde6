"""The models: an owner, its twins, copies, innocents, and the models that a thief asks as well."""

import copy
import functools
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from auditkit.core.requests import InputFacts, Order
from auditkit.files import bundle as bundles
from auditkit.files.bundle import Bundle
from auditkit.fingerprints.making import make_fingerprint
from examples.recipe import SHAPE
from experiments.siblings import digits
from experiments.zoo.export import save_torchscript
from experiments.zoo.nets import new
from experiments.zoo.pruning import finished, mask_smallest
from experiments.zoo.training import Training, fit

CLASSES, EPOCHS, TWINS = 10, 15, 19
NET = "strided"
OWNER, THIEF, SAMPLES, UNSEEN = (
    *(slice(0, 2200), slice(2200, 3400), slice(3400, 4300), slice(4300, 5000)),
)
"""Digits that the owner and its twins learn, those of the thief, those that bundles are made of,
and those that accuracies are measured on."""
FEW = slice(2200, 2500)
"""What the thief's other models learn: a thief with a model as good as the copy needs no copy."""
HELPERS = ((400, NET), (401, "lenet"), (402, NET))
WITH, WITHOUT = "with twins", "without twins"


@dataclass(frozen=True, slots=True, eq=False)
class Models:
    """Everything that suspects are made of."""

    copies: Mapping[str, nn.Module]
    """Made from the owner's weights."""
    innocents: Mapping[str, nn.Module]
    helpers: tuple[nn.Module, ...]
    """Three independent models that stand beside the one that answers."""
    known: Tensor
    """(n, *SHAPE) natural samples that filters learn from."""
    bundles: Mapping[str, Bundle]


@functools.cache
def data() -> tuple[Tensor, Tensor]:
    """(5000, 1, 14, 14) handwritten digits in 0..1 at half their size, and their classes."""
    x, y = digits()
    return x.reshape(-1, 1, 14, 2, 14, 2).mean(dim=(3, 5)), y


def prepared(folder: Path) -> Models:
    """Train what the folder lacks, and make the bundles."""
    torch.set_num_threads(1)
    folder.mkdir(parents=True, exist_ok=True)
    x, y = data()
    owner = _kept(folder, "owner", NET, lambda: trained(0))
    made: dict[str, nn.Module] = {}
    for name, net, build in (
        ("fine-tuned", NET, lambda: _tuned(owner, x[THIEF], y[THIEF])),
        ("pruned", NET, lambda: _pruned(owner, x[THIEF], y[THIEF])),
        ("other seed", NET, lambda: trained(300)),
        ("other data", NET, lambda: trained(302, NET, THIEF, 2 * EPOCHS)),
        *((f"helper {seed}", net, functools.partial(_helper, seed, net)) for seed, net in HELPERS),
    ):
        made[name] = _kept(folder, name, net, build)
    return Models(
        copies={name: made[name] for name in ("fine-tuned", "pruned")},
        innocents={name: made[name] for name in ("other seed", "other data")},
        helpers=tuple(made[f"helper {seed}"] for seed, _ in HELPERS),
        known=x[THIEF],
        bundles=_bundles(folder, owner),
    )


def trained(seed: int, net: str = NET, part: slice = OWNER, epochs: int = EPOCHS) -> nn.Module:
    """A model of its own."""
    x, y = data()
    return fit(new(net, SHAPE, CLASSES, seed), x[part], y[part], Training(epochs, seed))


def _helper(seed: int, net: str) -> nn.Module:
    return trained(seed, net, FEW, 5 * EPOCHS)


def _tuned(owner: nn.Module, x: Tensor, y: Tensor) -> nn.Module:
    return fit(copy.deepcopy(owner), x, y, Training(3, 1, 5e-4))


def _pruned(owner: nn.Module, x: Tensor, y: Tensor) -> nn.Module:
    net = copy.deepcopy(owner)
    mask_smallest(net, 0.4)
    return finished(fit(net, x, y, Training(3, 2, 5e-4)))


def _kept(folder: Path, name: str, net: str, build: Callable[[], nn.Module]) -> nn.Module:
    path = folder / f"{name}.pth"
    if not path.exists():
        torch.save(build().state_dict(), path)
    found = new(net, SHAPE, CLASSES, 0)
    found.load_state_dict(torch.load(path, weights_only=True))
    return found.eval()


def _bundles(folder: Path, owner: nn.Module) -> dict[str, Bundle]:
    x, y = data()
    files, samples = folder / "twins", folder / "samples.npz"
    files.mkdir(exist_ok=True)
    np.savez(samples, x=x[SAMPLES].numpy(), y=y[SAMPLES].numpy())
    model = save_torchscript(owner, SHAPE, folder / "owner.pt")
    for number in range(1, TWINS + 1):
        if not (files / f"{number}.pt").exists():
            save_torchscript(trained(number), SHAPE, files / f"{number}.pt")
    found: dict[str, Bundle] = {}
    for name, twins in ((WITH, (files,)), (WITHOUT, ())):
        path = folder / f"{name}.fp"
        if not path.exists():
            order = Order(
                str(model),
                samples=samples,
                twins=twins,
                device="cpu",
                facts=InputFacts(range=(0, 1)),
                from_scratch=True,
            )
            bundles.write(make_fingerprint(order, _told), path)
        found[name] = bundles.read(path)
    return found


def _told(stage: str, done: int, total: int) -> None:
    if done == 0:
        print(f"{stage} ({total})", file=sys.stderr, flush=True)


def copied(net: nn.Module) -> nn.Module:
    """A copy that may be tuned."""
    return copy.deepcopy(net)
