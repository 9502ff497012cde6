"""Quick copies of the owner: what a fingerprint must survive, made in seconds.

Most need no data: pruned, quantised and noisy weights. With samples the two commonest thefts are
tried as well: all weights tuned, and a fresh head trained on the owner's features. A copy is a
change of the weights in place that is undone afterwards, so that models which can't be deep-copied
(TorchScript, exported programs) are served too.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from auditkit.owner.classifier import Owner

Change = Callable[[Tensor, torch.Generator], Tensor]

STEPS, BATCH = 80, 64
TUNING_RATE, HEAD_RATE = 3e-4, 1e-2


@dataclass(frozen=True, slots=True, eq=False)
class Copy:
    """One copy: the owner's matrix weights -> the copy's."""

    name: str
    weights: Callable[[Sequence[Tensor]], Sequence[Tensor]]


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


CHANGES: dict[str, Change] = {
    **{f"{share:.0%} pruned": _pruned(share) for share in (0.3, 0.45, 0.6, 0.75)},
    **{f"{bits} bits": _quantised(bits) for bits in (8, 5, 4, 3)},
    **{f"{share:.0%} noise": _noisy(share) for share in (0.05, 0.1, 0.2, 0.3)},
}
"""From mild to harsh: the smallest weights of each tensor set to 0, symmetric quantisation of each
tensor, and Gaussian noise as a share of each tensor's standard deviation."""


def matrix_weights(module: nn.Module) -> list[Tensor]:
    """The parameters of two or more axes: what copies change."""
    return [weight for weight in module.parameters() if weight.ndim > 1]


@contextmanager
def changed(owner: Owner, copy: Copy) -> Iterator[None]:
    """Within the block the owner is this copy; afterwards it is as before."""
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
    """(copies, n) int64: what each copy says of points (n, *shape)."""
    rows = torch.zeros((len(copies), len(points)), dtype=torch.int64, device=points.device)
    for row, copy in zip(rows, copies, strict=True):
        with changed(owner, copy):
            row[:] = owner.answers(points).argmax(1)
    return rows


def working_copies(owner: Owner, naturals: Tensor, share: float, seed: int) -> list[Copy]:
    """The data-free copies worth stealing: those that keep this share of natural labels."""
    if not matrix_weights(owner.model.module):
        return []
    copies = [_data_free(name, change, seed) for name, change in CHANGES.items()]
    kept = copy_labels(owner, naturals, copies) == owner.answers(naturals).argmax(1)
    return [copy for copy, row in zip(copies, kept, strict=True) if row.float().mean() >= share]


def _data_free(name: str, change: Change, seed: int) -> Copy:
    def weights(before: Sequence[Tensor]) -> Sequence[Tensor]:
        generator = torch.Generator().manual_seed(seed)
        return [change(weight, generator) for weight in before]

    return Copy(name, weights)


def tuned_copies(owner: Owner, points: Tensor, labels: Tensor, seed: int) -> list[Copy]:
    """All weights fine-tuned on these points, and a fresh head trained on the same features."""
    weights = matrix_weights(owner.model.module)
    heads = [w for w in weights if w.ndim == 2 and len(w) == owner.record.classes][-1:]
    copies = []
    if weights:
        copies.append(_tuned("fine-tuned", owner, weights, TUNING_RATE, points, labels, seed))
    if heads:
        keep = Copy("", lambda before: before)
        with changed(owner, keep), torch.no_grad():
            generator = torch.Generator().manual_seed(seed)
            fresh = torch.randn(heads[0].shape, generator=generator).to(heads[0])
            heads[0].copy_(fresh * heads[0].std())
            copies.append(_tuned("new head", owner, heads, HEAD_RATE, points, labels, seed))
    return copies


def _tuned(
    name: str,
    owner: Owner,
    chosen: Sequence[Tensor],
    rate: float,
    points: Tensor,
    labels: Tensor,
    seed: int,
) -> Copy:
    """Train the chosen weights where they lie, remember them, and put the old ones back."""
    weights = matrix_weights(owner.model.module)
    before = [weight.detach().clone() for weight in weights]
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(chosen, lr=rate)
    with torch.enable_grad():
        for weight in chosen:
            weight.requires_grad_(True)  # noqa: FBT003
        for _ in range(STEPS):
            rows = torch.randint(len(points), (BATCH,), generator=generator).to(points.device)
            optimizer.zero_grad()
            functional.cross_entropy(owner.scores(points[rows]), labels[rows]).backward()
            optimizer.step()
    with torch.no_grad():
        after = {i: w.detach().clone() for i, w in enumerate(weights) if w.requires_grad}
        for weight, value in zip(weights, before, strict=True):
            weight.requires_grad_(False)  # noqa: FBT003
            weight.copy_(value)
    return Copy(name, lambda given: [after.get(i, weight) for i, weight in enumerate(given)])
