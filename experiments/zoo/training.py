"""One training loop for every model of the zoo: seeded, on one-hot or soft targets."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

Augment = Callable[[Tensor, torch.Generator], Tensor]


def shifted(images: Tensor, generator: torch.Generator) -> Tensor:
    """A batch moved by up to 2 pixels each way; rows stay as they are."""
    if images.ndim != 4:
        return images
    dy, dx = torch.randint(-2, 3, (2,), generator=generator).tolist()
    padded = functional.pad(images, (2, 2, 2, 2))
    height, width = images.shape[-2:]
    return padded[..., 2 + dy : 2 + dy + height, 2 + dx : 2 + dx + width]


def flipped_and_cut(images: Tensor, generator: torch.Generator) -> Tensor:
    """Half the batch mirrored, a square of a third of the side blanked (cutout), then noise."""
    if images.ndim != 4:
        return images
    mirror = torch.rand(len(images), generator=generator).to(images.device) < 0.5
    result = torch.where(mirror[:, None, None, None], images.flip(3), images)
    side = images.shape[-1] // 3
    top, left = torch.randint(0, images.shape[-1] - side, (2,), generator=generator).tolist()
    result[..., top : top + side, left : left + side] = 0
    noise = torch.randn(result.shape, generator=generator).to(images.device)
    return (result + 0.02 * noise).clamp(0, 1)


@dataclass(frozen=True, slots=True)
class Training:
    """How a model is trained: AdamW, one learning-rate cycle."""

    epochs: int
    seed: int
    """Fixes the order and the augmentation."""
    lr: float = 3e-3
    smoothing: float = 0.0
    """Label smoothing, 0..1."""
    adversarial_eps: float = 0.0
    """Train on adversarial inputs of this size, 0..1."""
    adversarial_steps: int = 1
    augment: Augment = shifted


def fit(
    net: nn.Module,
    x: Tensor,
    targets: Tensor,
    how: Training,
    parameters: Iterable[nn.Parameter] | None = None,
) -> nn.Module:
    """Train in place.

    Args:
        net: Returns logits.
        x: (n, *shape) float32 in 0..1, on the net's device.
        targets: (n,) int64 classes, or (n, classes) float32 probabilities.
        how: Length, rate and disturbances.
        parameters: What to train; everything unless given.
    """
    generator = torch.Generator().manual_seed(how.seed)
    trained = list(net.parameters() if parameters is None else parameters)
    steps = how.epochs * (len(x) // 128 + 1)
    optimizer = torch.optim.AdamW(trained, lr=how.lr, weight_decay=5e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, how.lr, total_steps=steps)
    net.train()
    for _ in range(how.epochs):
        for batch in torch.randperm(len(x), generator=generator).split(128):
            rows = batch.to(x.device)
            inputs = how.augment(x[rows], generator)
            if how.adversarial_eps:
                inputs = _adversarial(net, inputs, targets[rows], how)
            loss = functional.cross_entropy(
                net(inputs), targets[rows], label_smoothing=how.smoothing
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return net.eval()


def _adversarial(net: nn.Module, inputs: Tensor, targets: Tensor, how: Training) -> Tensor:
    """FGSM for one step, PGD for more."""
    eps, moved = how.adversarial_eps, inputs
    rate = eps if how.adversarial_steps == 1 else eps / 3
    for _ in range(how.adversarial_steps):
        leaf = moved.detach().clone().requires_grad_()
        (slope,) = torch.autograd.grad(functional.cross_entropy(net(leaf), targets), leaf)
        moved = (leaf + rate * slope.sign()).detach()
        moved = torch.minimum(torch.maximum(moved, inputs - eps), inputs + eps).clamp(0, 1)
    return moved


@torch.inference_mode()
def logits(net: nn.Module, x: Tensor) -> Tensor:
    """(n, *shape) -> (n, classes) float32."""
    return torch.cat([net(batch) for batch in x.split(500)])


def accuracy(net: nn.Module, x: Tensor, y: NDArray[np.int64] | Tensor) -> float:
    """Share of right answers, 0..1."""
    return float((logits(net, x).argmax(1) == torch.as_tensor(y, device=x.device)).float().mean())
