"""Quick shadow models: copies of the owner and independent models, trained from its samples.

Methods that learn points from examples need them (CAE, MetaFinger). Their papers train shadow
models for hours on the owner's whole training data. These take a minute, and they learn from the
samples, since that is all that an owner gives to `auditkit fingerprint`
(docs/decisions/0004-benchmark.md). `auditkit shadows` trains better ones, for lineage points.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from auditkit.owner.classifier import Owner
from auditkit.owner.copies import Copy, changed, working_copies
from auditkit.owner.standins import StandIn, train_standins
from auditkit.owner.tuned import tuned_copies

ROUNDS = 3
"""How often each small net is trained, with different seeds, as a copy and as an independent model.
With five nets for images that makes 15 of each."""
# The same as in `uniqueness.py`: shadow copies are those that points are refused by.
NATURALS = 1000
"""Samples at most that copies of the weights are tried and tuned on."""
WORKING = 0.8
"""A copy counts if it keeps this share of the owner's labels on natural samples."""
MIXES = 2
"""How often each sample is mixed with another for the nets that learn from the owner. Nets that
learnt the samples alone equalled independent ones wherever the owner is nearly always right
(docs/decisions/0004-benchmark.md)."""


@dataclass(frozen=True, slots=True, eq=False)
class Shadows:
    """Shadow models by kind. All take the owner's model inputs and have frozen weights."""

    modified: tuple[StandIn, ...]
    """Copies of the owner's weights: pruned, quantised, noisy, fine-tuned, with a new head."""
    extracted: tuple[StandIn, ...]
    """Small nets that learnt the owner's labels for samples and for means of two samples."""
    independent: tuple[StandIn, ...]
    """The same nets after learning the samples' own labels; the stand-ins are the first of them."""


def train_shadows(
    owner: Owner,
    points: Tensor,
    labels: Tensor,
    strangers: Sequence[StandIn],
    seed: int,
    progress: Callable[[str, int, int], None],
) -> Shadows:
    """Train shadow models of all three kinds.

    Args:
        owner: The model that is copied.
        points: (n, *shape) float32 samples in the owner's domain.
        labels: (n,) int64, the samples' own classes.
        strangers: Stand-ins; they count as independent models and are not trained again.
        seed: Fixes everything random.
        progress: Called after each model.
    """
    classes = owner.record.classes
    total = 2 * ROUNDS * len(strangers)
    asked = torch.cat([points, *(means(points, seed + number) for number in range(MIXES))])

    def trained(chosen: Tensor, targets: Tensor, first: int, done: int) -> Iterator[StandIn]:
        inputs = owner.inputs(chosen)
        # Seeds lie 100 apart, since `train_standins` counts upwards from the one it is given.
        for number in range(first, ROUNDS):
            for net in train_standins(inputs, targets, classes, seed + 100 * (number + 1)):
                yield net
                done += 1
                progress("training shadow models", min(done, total), total)

    extracted = tuple(trained(asked, owner.answers(asked).argmax(1), 0, 0))
    independent = (*strangers, *trained(points, labels, 1, len(extracted)))
    return Shadows(_modified(owner, points, labels, seed), extracted, independent)


def means(points: Tensor, seed: int) -> Tensor:
    """Return (n, *shape): the mean of each sample and another one.

    Between two samples nature gives no answer, so the owner's is its own.
    """
    order = torch.randperm(len(points), generator=torch.Generator().manual_seed(seed))
    return (points + points[order.to(points.device)]) / 2


def _modified(owner: Owner, points: Tensor, labels: Tensor, seed: int) -> tuple[StandIn, ...]:
    naturals, truth = points[:NATURALS], labels[:NATURALS]
    copies = working_copies(owner, naturals, WORKING, seed)
    for number in range(ROUNDS):
        copies += tuned_copies(owner, naturals, truth, WORKING, seed + number)
    return tuple(_frozen(owner, naturals, truth, made) for made in copies)


def _frozen(owner: Owner, naturals: Tensor, truth: Tensor, made: Copy) -> StandIn:
    """Turn a quick copy, which is a change of the owner's weights, into a net of its own."""
    with changed(owner, made):
        module = copy.deepcopy(owner.model.module)
        scores = owner.answers(naturals)
    kept = replace(owner, model=replace(owner.model, module=module))
    best = scores.topk(2, dim=1).values
    right = float((scores.argmax(1) == truth).float().mean())
    margin = float((best[:, 0] - best[:, 1]).median())
    # Margins are divided by this one, so it must not be 0.
    return StandIn(made.name, _Scores(kept), right, max(margin, 1e-3))


class _Scores(nn.Module):
    """A copy of the owner as a module: model inputs to logits or log-probabilities."""

    def __init__(self, owner: Owner) -> None:
        super().__init__()
        self.owner = owner

    def forward(self, inputs: Tensor) -> Tensor:
        return self.owner.model_scores(inputs)
