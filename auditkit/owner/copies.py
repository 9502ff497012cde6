"""Quick copies of the owner, made in seconds: what a fingerprint must survive.

These need no data: pruned, quantised and noisy weights; `tuned.py` has the trained ones. A copy
changes the owner's weights in place and the change is undone afterwards, so that models which can't
be deep-copied (TorchScript, exported programs) are served too.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from auditkit.owner.classifier import Owner

Change = Callable[[Tensor, torch.Generator], Tensor]
"""Maps a weight matrix to the copy's."""


@dataclass(frozen=True, slots=True, eq=False)
class Copy:
    """A copy of the owner: its name, and the map from the owner's weight matrices to its own."""

    name: str
    weights: Callable[[Sequence[Tensor]], Sequence[Tensor]]


def unpruned(weight: Tensor, share: float) -> Tensor:
    """Return a bool mask like the weight: false for its smallest `share` (0..1) by magnitude."""
    size = weight.abs()
    cut = size.flatten().kthvalue(max(int(share * size.numel()), 1)).values
    return size > cut


def quantised(weight: Tensor, bits: int, clip: float = 1.0) -> Tensor:
    """Round a weight to 2^bits - 1 levels that lie symmetrically around 0, one scale for all.

    Args:
        weight: Any shape.
        bits: 2 or more.
        clip: Share, 0..1, of the largest magnitude that the levels reach; what is larger is cut.
    """
    levels = 2 ** (bits - 1) - 1
    # A tensor of zeros has no scale; without the floor it would become NaN.
    step = clip * weight.abs().amax().clamp_min(1e-12) / levels
    rounded: Tensor = (weight / step).round().clamp(-levels, levels) * step
    return rounded


def _pruned(share: float) -> Change:
    def change(weight: Tensor, _generator: torch.Generator) -> Tensor:
        return weight * unpruned(weight, share)

    return change


def _quantised(bits: int) -> Change:
    def change(weight: Tensor, _generator: torch.Generator) -> Tensor:
        return quantised(weight, bits)

    return change


def _noisy(share: float) -> Change:
    def change(weight: Tensor, generator: torch.Generator) -> Tensor:
        noise = torch.randn(weight.shape, generator=generator).to(weight)
        return weight + share * weight.std() * noise

    return change


# From mild to harsh, because nobody knows beforehand what an owner survives. The harsh ones that
# break it are left out by `working_copies`, so a long list costs little and excludes nothing.
CHANGES: dict[str, Change] = {
    **{f"{share:.0%} pruned": _pruned(share) for share in (0.3, 0.45, 0.6, 0.75)},
    **{f"{bits} bits": _quantised(bits) for bits in (8, 5, 4, 3)},
    **{f"{share:.0%} noise": _noisy(share) for share in (0.05, 0.1, 0.2, 0.3)},
}
"""Changes that need no data, each applied to one tensor at a time: the smallest weights set to 0,
symmetric quantisation, and Gaussian noise as a share of the tensor's standard deviation."""


def matrix_weights(module: nn.Module) -> list[Tensor]:
    """Return the parameters of two or more axes, which copies change; none without numbers."""
    # Biases and normalisation are so few numbers that nobody gains by pruning or quantising them.
    return [weight for weight in module.parameters() if weight.ndim > 1 and weight.numel()]


@contextmanager
def changed(owner: Owner, copy: Copy) -> Iterator[None]:
    """Turn the owner into this copy within the block; afterwards it is as before."""
    weights = matrix_weights(owner.model.module)
    before = [weight.detach().clone() for weight in weights]
    try:
        with torch.no_grad():
            for weight, value in zip(weights, copy.weights(before), strict=True):
                weight.copy_(value)
        yield
    finally:
        with torch.no_grad():
            for weight, value in zip(weights, before, strict=True):
                weight.copy_(value)


def copy_labels(owner: Owner, points: Tensor, copies: Sequence[Copy]) -> Tensor:
    """Return (copies, n) int64: the labels that each copy gives to points (n, *shape)."""
    rows = torch.zeros((len(copies), len(points)), dtype=torch.int64, device=points.device)
    for row, copy in zip(rows, copies, strict=True):
        with changed(owner, copy):
            row[:] = owner.answers(points).argmax(1)
    return rows


def working_copies(owner: Owner, naturals: Tensor, share: float, seed: int) -> list[Copy]:
    """Return the data-free copies that still work.

    Args:
        owner: The model that is copied.
        naturals: (n, *shape) natural samples in its domain.
        share: A copy works if it keeps this share, 0..1, of the owner's labels on them.
        seed: Fixes the noise.
    """
    if not matrix_weights(owner.model.module):
        return []
    copies = [data_free(name, change, seed) for name, change in CHANGES.items()]
    kept = copy_labels(owner, naturals, copies) == owner.answers(naturals).argmax(1)
    return [copy for copy, row in zip(copies, kept, strict=True) if row.float().mean() >= share]


def data_free(name: str, change: Change, seed: int) -> Copy:
    """Return the copy that one of `CHANGES` makes; the seed fixes its noise."""

    def weights(before: Sequence[Tensor]) -> Sequence[Tensor]:
        # A new generator at each call, so that a copy has the same noise whenever it is made.
        generator = torch.Generator().manual_seed(seed)
        return [change(weight, generator) for weight in before]

    return Copy(name, weights)
