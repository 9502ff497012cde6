"""A small real task: 8-pixel handwritten digits, learnt in two seconds."""

import copy
import functools
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional

from auditkit import api
from auditkit.core.access import Access
from auditkit.core.fingerprint import Discrimination
from auditkit.core.requests import Asking, Options, Order

CLASSES = 10
SHAPE = (1, 8, 8)
SEEDS = 6
torch.set_num_threads(1)


@functools.cache
def digits() -> tuple[np.ndarray, np.ndarray]:
    """(1797, 1, 8, 8) float32 in 0..1 on the 8-bit grid, (1797,) int64, shuffled."""
    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.images))
    pixels = np.rint(data.images[order] * (255 / 16)).astype(np.uint8)
    return (pixels[:, None] / 255).astype(np.float32), data.target[order].astype(np.int64)


class Net(nn.Module):
    """Three normalised convolutions and a head; optionally softmax, optionally channels last."""

    def __init__(self, softmax: bool = False) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Conv2d(32, 32, 3, padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.head = nn.Linear(32, CLASSES)
        self.softmax = softmax

    def forward(self, x):
        """(n, 1, 8, 8) -> (n, 10)."""
        scores = self.head(self.body(x))
        return scores.softmax(1) if self.softmax else scores


def trained(seed: int, softmax: bool = False) -> Net:
    """A net that knows the task; always another object, so that each may be changed."""
    net = copy.deepcopy(_trained_once(seed))
    net.softmax = softmax
    return net


@functools.cache
def _trained_once(seed: int) -> Net:
    return _fitted(Net, seed, 150, digits()[0])


def trained_on_rows(seed: int, steps: int = 300) -> nn.Module:
    """A net for the same digits as rows of 64 numbers: its fingerprint takes a few seconds."""

    def build():
        return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, CLASSES))

    return _fitted(build, seed, steps, digits()[0].reshape(-1, 64))


def _fitted(build, seed, steps, x):
    inputs, targets = torch.from_numpy(x[:1200]), torch.from_numpy(digits()[1][:1200])
    torch.manual_seed(seed)
    net = build().train()
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for step in range(steps):
        rows = torch.arange(64 * step, 64 * step + 64) % len(inputs)
        optimizer.zero_grad()
        functional.cross_entropy(net(inputs[rows]), targets[rows]).backward()
        optimizer.step()
    return net.eval().requires_grad_(False)


def save_script(net: nn.Module, path: Path, extra: dict[str, str] | None = None) -> str:
    """TorchScript on disk."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(net), str(path), _extra_files=extra or {})
    return str(path)


@pytest.fixture(scope="session")
def net() -> Net:
    """The owner."""
    return trained(0)


@pytest.fixture(scope="session")
def samples_file(tmp_path_factory) -> Path:
    """500 labelled samples that no net has seen, as 8-bit images of (n, h, w)."""
    x, y = (part[1250:1750] for part in digits())
    path = tmp_path_factory.mktemp("samples") / "samples.npz"
    np.savez(path, x=np.rint(x[:, 0] * 255).astype(np.uint8), y=y)
    return path


@pytest.fixture(scope="session")
def model_file(net, tmp_path_factory) -> str:
    """The owner as TorchScript."""
    return save_script(net, tmp_path_factory.mktemp("owner") / "model.pt")


@pytest.fixture(scope="session")
def made(model_file, samples_file):
    """The owner's bundle; some seeds find no points that tell it from stand-ins."""
    # A TorchScript file of the same net is another file in each process, and starts depend on it.
    for seed in range(SEEDS):
        order = Order(model_file, samples=samples_file, points=40, siblings=1, seed=seed)
        found = api.fingerprint(order)
        if found.fingerprint.discrimination is Discrimination.DISCRIMINATING:
            return found
    raise AssertionError(f"none of {SEEDS} seeds gave a discriminating bundle")


@pytest.fixture(scope="session")
def rows_file(tmp_path_factory) -> str:
    """An owner of rows, as TorchScript."""
    return save_script(trained_on_rows(0), tmp_path_factory.mktemp("rows") / "rows.pt")


@pytest.fixture(scope="session")
def row_samples(tmp_path_factory) -> Path:
    """500 labelled rows that the owner of rows has not seen."""
    x, y = (part[1250:1750] for part in digits())
    path = tmp_path_factory.mktemp("rows") / "samples.npz"
    np.savez(path, x=x.reshape(-1, 64), y=y)
    return path


def outcomes(bundle, suspects, access=Access.LOGITS):
    """What comes of suspects whose authors may run code here, as TorchScript can."""
    asking = Asking(access, Options())
    return [examined.outcome for examined in api.audit(bundle, suspects, asking)]
