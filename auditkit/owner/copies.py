"""Quick data-free copies of the owner: what a fingerprint must survive, made in milliseconds.

Each copy is a change of the weights in place that is undone afterwards, so that models which can't
be deep-copied (TorchScript, exported programs) are served too.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from auditkit.owner.domain import Owner

Change = Callable[[Tensor, torch.Generator], Tensor]


def _pruned(share: float) -> Change:
    def change(weight: Tensor, _generator: torch.Generator) -> Tensor:
        size = weight.abs()
        cut = size.flatten().kthvalue(max(int(share * size.numel()), 1)).values
        kept: Tensor = weight * (size > cut)
        return kept

    return change


def _quantised(bits: int) -> Change:
    def change(weight: Tensor, _generator: torch.Generator) -> Tensor:
        step = weight.abs().amax().clamp_min(1e-12) / (2 ** (bits - 1) - 1)
        quantised: Tensor = (weight / step).round() * step
        return quantised

    return change


def _noisy(share: float) -> Change:
    def change(weight: Tensor, generator: torch.Generator) -> Tensor:
        noise = torch.randn(weight.shape, generator=generator).to(weight)
        return weight + share * weight.std() * noise

    return change


COPIES: dict[str, Change] = {
    **{f"{share:.0%} pruned": _pruned(share) for share in (0.3, 0.45, 0.6, 0.75)},
    **{f"{bits} bits": _quantised(bits) for bits in (8, 5, 4, 3)},
    **{f"{share:.0%} noise": _noisy(share) for share in (0.05, 0.1, 0.2, 0.3)},
}
"""From mild to harsh: the smallest weights of each tensor set to 0, symmetric quantisation of each
tensor, and Gaussian noise as a share of each tensor's standard deviation."""


@contextmanager
def changed(module: nn.Module, change: Change, seed: int) -> Iterator[None]:
    """Within the block, every weight of two or more axes is changed; afterwards it is as before."""
    generator = torch.Generator().manual_seed(seed)
    weights = [weight for weight in module.parameters() if weight.ndim > 1]
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


def copy_labels(owner: Owner, points: Tensor, names: list[str], seed: int) -> Tensor:
    """(copies, n) int64: what each named copy says of points (n, *shape)."""
    if not names:
        return torch.zeros((0, len(points)), dtype=torch.int64, device=points.device)
    rows = []
    for name in names:
        with changed(owner.model.module, COPIES[name], seed):
            rows.append(owner.answers(points).argmax(1))
    return torch.stack(rows)


def working_copies(owner: Owner, naturals: Tensor, share: float, seed: int) -> list[str]:
    """The copies worth stealing: they keep the owner's label on this share of natural inputs."""
    if not any(weight.ndim > 1 for weight in owner.model.module.parameters()):
        return []
    names = list(COPIES)
    kept = copy_labels(owner, naturals, names, seed) == owner.answers(naturals).argmax(1)
    return [name for name, row in zip(names, kept, strict=True) if row.float().mean() >= share]
