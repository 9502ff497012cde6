"""Quick data-free copies of the owner: what a fingerprint must survive, made in milliseconds.

Each copy is a change of the weights in place that is undone afterwards, so that models which can't
be deep-copied (TorchScript, exported programs) are served too.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

Change = Callable[[Tensor, torch.Generator], Tensor]


def _prune(share: float) -> Change:
    def change(weight: Tensor, _generator: torch.Generator) -> Tensor:
        size = weight.abs()
        cut = size.flatten().kthvalue(max(int(share * size.numel()), 1)).values
        return weight * (size > cut)

    return change


def _quantise(bits: int) -> Change:
    def change(weight: Tensor, _generator: torch.Generator) -> Tensor:
        step = weight.abs().amax().clamp_min(1e-12) / (2 ** (bits - 1) - 1)
        return (weight / step).round() * step

    return change


def _noise(share: float) -> Change:
    def change(weight: Tensor, generator: torch.Generator) -> Tensor:
        noise = torch.randn(weight.shape, generator=generator).to(weight)
        return weight + share * weight.std() * noise

    return change


COPIES: dict[str, Change] = {
    "pruned 30 %": _prune(0.3),
    "pruned 60 %": _prune(0.6),
    "8-bit": _quantise(8),
    "5-bit": _quantise(5),
    "noise 5 %": _noise(0.05),
    "noise 10 %": _noise(0.10),
}
"""Weight changes by name: shares of the smallest weights set to 0, symmetric per-tensor
quantisation, and Gaussian noise as a share of each tensor's standard deviation."""


@contextmanager
def changed(module: nn.Module, change: Change, seed: int) -> Iterator[None]:
    """Within the block, every weight of two or more axes is changed; afterwards it is as before."""
    generator = torch.Generator().manual_seed(seed)
    weights = [weight for weight in module.parameters() if weight.ndim > 1 and weight.numel() > 1]
    before = [weight.detach().clone() for weight in weights]
    try:
        with torch.no_grad():
            for weight in weights:
                weight.copy_(change(weight.detach(), generator))
        yield
    finally:
        with torch.no_grad():
            for weight, value in zip(weights, before, strict=True):
                weight.copy_(value)
