"""A small owner of handwritten digits, a copy, an innocent, and the owner's bundle."""

import contextlib
import copy
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

from auditkit.core.access import Access
from auditkit.core.answers import Answers
from auditkit.core.fingerprint import Discrimination, Fingerprint, Siblings
from auditkit.core.models import OwnerRecord, Reference, ReferenceKind
from auditkit.core.points import CONTROL, CORE, Family, InputSpec, Sheet
from auditkit.files.bundle import Bundle
from tests.conftest import digest_of

SHAPE, CLASSES = (1, 8, 8), 10
CORE_POINTS, CONTROLS_A_CLASS = 60, 4
BOUND = 0.2
"""Largest change of a sample that becomes a core point."""


class Net(nn.Module):
    """Two convolutions and two dense layers; one module alone, which exporters are quick with."""

    def __init__(self) -> None:
        super().__init__()
        layers = (nn.Conv2d(1, 12, 3), nn.Conv2d(12, 24, 3), nn.Linear(96, 24), nn.Linear(24, 10))
        for name, layer in zip(("first", "second", "third", "last"), layers, strict=True):
            self.register_parameter(f"{name}_weight", layer.weight)
            self.register_parameter(f"{name}_bias", layer.bias)

    def features(self, x: Tensor) -> Tensor:
        """(n, 1, 8, 8) in 0..1 -> (n, 24)."""
        x = functional.conv2d(x, self.first_weight, self.first_bias, 2, 1).relu()
        x = functional.conv2d(x, self.second_weight, self.second_bias, 2, 1).relu()
        return functional.linear(x.flatten(1), self.third_weight, self.third_bias).relu()

    def head(self, features: Tensor) -> Tensor:
        """(n, 24) -> (n, 10)."""
        return functional.linear(features, self.last_weight, self.last_bias)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 1, 8, 8) in 0..1 -> (n, 10)."""
        return self.head(self.features(x))


@dataclass(frozen=True)
class Population:
    """What is wrapped, and whose copy is looked for."""

    bundle: Bundle
    copy: Net
    innocent: Net
    decoy: Net
    """Another innocent, whose scores stand beside those that count."""
    told: Mapping[str, "Skill"]
    """What copy and innocent know, by name."""


@dataclass(frozen=True)
class Skill:
    """Shares of points that get the owner's label."""

    knows: float
    """Of the controls."""
    shares: float
    """Of the core points."""


@functools.cache
def digits() -> tuple[Tensor, Tensor]:
    """(1797, 1, 8, 8) in 0..1 on the 8-bit grid, and labels; shuffled."""
    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.images))
    pixels = np.rint(data.images[order] * (255 / 16)) / 255
    return (
        torch.from_numpy(pixels[:, None].astype(np.float32)),
        torch.from_numpy(data.target[order].astype(np.int64)),
    )


@functools.cache
def population() -> Population:
    """Train everything; it takes a few seconds."""
    owner, *innocents = (_trained(_fresh(seed), 250, seed) for seed in range(5))
    tuned = _trained(copy.deepcopy(owner).requires_grad_(), 40, 9, rate=5e-4)
    innocent, decoy, *strangers = innocents
    bundle = _bundle(owner, strangers)
    told = {"copy": _skill(bundle, tuned), "innocent": _skill(bundle, innocent)}
    return Population(bundle, tuned, innocent, decoy, told)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread: for nets this small more of them only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _skill(bundle: Bundle, net: Net) -> Skill:
    sheet = bundle.fingerprint.sheet
    same = net(torch.from_numpy(np.array(sheet.points))).argmax(1).numpy() == sheet.labels
    return Skill(float(same[sheet.rows(CONTROL)].mean()), float(same[sheet.rows(CORE)].mean()))


def _fresh(seed: int) -> Net:
    torch.manual_seed(seed)
    return Net()


def _trained(net: Net, steps: int, seed: int, rate: float = 3e-3) -> Net:
    x, y = (part[:1200] for part in digits())
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(net.parameters(), rate)
    for _ in range(steps):
        rows = torch.randint(len(x), (64,), generator=generator)
        optimizer.zero_grad()
        functional.cross_entropy(net(x[rows]), y[rows]).backward()
        optimizer.step()
    return net.eval().requires_grad_(False)


def _bundle(owner: Net, strangers: list[Net]) -> Bundle:
    """Core points that strangers don't share, and controls that everybody gets right."""
    core, controls = _core(owner, strangers), _controls([owner, *strangers])
    sheet = Sheet.of(
        {
            CORE: Family(core.numpy(), owner(core).numpy()),
            CONTROL: Family(controls.numpy(), owner(controls).numpy()),
        }
    )
    points = torch.from_numpy(np.array(sheet.points))
    references = [_reference(f"stranger {n}", net(points)) for n, net in enumerate(strangers)]
    shares = tuple(float((net(core).argmax(1) == owner(core).argmax(1)).float().mean())
                   for net in strangers)  # fmt: skip
    made = Fingerprint(
        "deepcore",
        {"level": 1.0},
        0,
        InputSpec(SHAPE, (0.0,), (1.0,)),
        OwnerRecord("owner.pt", digest_of("owner"), Access.LOGITS, CLASSES),
        sheet,
        Discrimination.DISCRIMINATING,
        "measured",
        siblings=Siblings(shares, ""),
    )
    return Bundle(made, tuple(references), {"auditkit": "0"}, "2026-01-01T00:00:00Z")


def _core(owner: Net, strangers: list[Net]) -> Tensor:
    """Samples that were led deep into another class of the owner's; strangers share few of them."""
    starts = digits()[0][1200:]
    targets = torch.randint(CLASSES, (len(starts),), generator=torch.Generator().manual_seed(1))
    change = torch.zeros_like(starts, requires_grad=True)
    adam = torch.optim.Adam([change], 0.05)
    for _ in range(40):
        points = (starts + change.clamp(-BOUND, BOUND)).clamp(0, 1)
        adam.zero_grad()
        # A margin that tuning does not undo, and no more: what is deeper is shared by strangers.
        functional.multi_margin_loss(owner(points), targets, margin=4.0).backward()
        adam.step()
    points = ((starts + change.detach().clamp(-BOUND, BOUND)).clamp(0, 1) * 255).round() / 255
    arrived = owner(points).argmax(1) == targets
    shared = sum((net(points).argmax(1) == targets).int() for net in strangers)
    order = torch.argsort(shared + 9 * (~arrived), stable=True)
    return points[order[:CORE_POINTS]]


def _controls(nets: list[Net]) -> Tensor:
    x, y = (part[1500:] for part in digits())
    right = torch.stack([net(x).argmax(1) == y for net in nets]).all(0)
    places = [torch.nonzero(right & (y == c)).flatten()[:CONTROLS_A_CLASS] for c in range(CLASSES)]
    return x[torch.cat(places)]


def _reference(name: str, scores: Tensor) -> Reference:
    rows = scores.log_softmax(1).numpy()
    answers = Answers(rows.argmax(1), rows, Access.LOGITS)
    return Reference(name, ReferenceKind.SIBLING, digest_of(name), answers, {"steps": 1})
