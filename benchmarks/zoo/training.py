"""One training loop for every model of the zoo: seeded, on one-hot or soft targets."""

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import prune


def fit(
    net: nn.Module,
    x: Tensor,
    targets: Tensor,
    *,
    epochs: int,
    seed: int,
    lr: float = 3e-3,
    smoothing: float = 0.0,
    parameters: Iterable[nn.Parameter] | None = None,
    adversarial_eps: float = 0.0,
) -> nn.Module:
    """Train in place with AdamW and one learning-rate cycle.

    Args:
        net: Returns logits.
        x: (n, *shape) float32 in 0..1; images (three axes) are flipped-free shifted by up to
            2 pixels.
        targets: (n,) int64 classes, or (n, classes) float32 probabilities.
        epochs: Passes over `x`.
        seed: Fixes the order and the augmentation.
        lr: Peak learning rate.
        smoothing: Label smoothing, 0..1.
        parameters: What to train; everything unless given.
        adversarial_eps: Train on single-step adversarial inputs of this size, 0..1.
    """
    generator = torch.Generator().manual_seed(seed)
    trained = list(net.parameters() if parameters is None else parameters)
    steps = epochs * (len(x) // 128 + 1)
    optimizer = torch.optim.AdamW(trained, lr=lr, weight_decay=5e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps)
    net.train()
    for _ in range(epochs):
        for batch in torch.randperm(len(x), generator=generator).split(128):
            inputs = _shift(x[batch], generator) if x.ndim == 4 else x[batch]
            if adversarial_eps:
                inputs = _fgsm(net, inputs, targets[batch], adversarial_eps)
            loss = functional.cross_entropy(net(inputs), targets[batch], label_smoothing=smoothing)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return net.eval()


def _shift(images: Tensor, generator: torch.Generator) -> Tensor:
    dy, dx = torch.randint(-2, 3, (2,), generator=generator).tolist()
    padded = functional.pad(images, (2, 2, 2, 2))
    height, width = images.shape[-2:]
    return padded[..., 2 + dy : 2 + dy + height, 2 + dx : 2 + dx + width]


def _fgsm(net: nn.Module, inputs: Tensor, targets: Tensor, eps: float) -> Tensor:
    leaf = inputs.clone().requires_grad_()
    functional.cross_entropy(net(leaf), targets).backward()
    assert leaf.grad is not None
    return (inputs + eps * leaf.grad.sign()).clamp(0, 1)


@torch.inference_mode()
def logits(net: nn.Module, x: Tensor) -> Tensor:
    """(n, *shape) -> (n, classes) float32."""
    return torch.cat([net(batch) for batch in x.split(500)])


def accuracy(net: nn.Module, x: Tensor, y: NDArray[np.int64] | Tensor) -> float:
    """Share of right answers, 0..1."""
    return float((logits(net, x).argmax(1) == torch.as_tensor(y)).float().mean())


def prunable(net: nn.Module) -> list[nn.Module]:
    """The layers whose weights pruning cuts, laid out as torch's pruning wants them."""
    net.to(memory_format=torch.contiguous_format)
    return [module for module in net.modules() if isinstance(module, nn.Conv2d | nn.Linear)]


def pruned(net: nn.Module, share: float) -> nn.Module:
    """Set the smallest weights of each layer to 0, in place; `share` of them, 0..1."""
    for layer in prunable(net):
        prune.l1_unstructured(layer, "weight", share)
        prune.remove(layer, "weight")
    return net
