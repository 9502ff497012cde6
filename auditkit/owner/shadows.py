"""Shadow models: copies of the owner and independent models, trained from its samples.

What the peers that learn from examples need (CAE, MetaFinger, UAP). Their papers train theirs on
the owner's whole training data, for hours; these take a minute and learn from the samples, which is
what an owner gives here.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from auditkit.owner.classifier import Owner
from auditkit.owner.copies import Copy, changed, tuned_copies, working_copies
from auditkit.owner.standins import StandIn, train_standins

ROUNDS = 3
"""Times each small net is trained, with another seed, for copies and for independent models."""
NATURALS = 1000
WORKING = 0.8
MIXES = 2
"""Times each sample is mixed with another for the nets that learn from the owner."""


@dataclass(frozen=True, slots=True, eq=False)
class Shadows:
    """Models over the owner's model inputs, all in evaluation mode and without gradients."""

    modified: tuple[StandIn, ...]
    """Copies of the owner's weights: pruned, quantised, noisy, fine-tuned, head retrained."""
    extracted: tuple[StandIn, ...]
    """Small nets that learnt the owner's labels of the samples, and of means of two samples."""
    independent: tuple[StandIn, ...]
    """The same nets that learnt the samples' own labels; the stand-ins are among them."""


def train_shadows(
    owner: Owner,
    points: Tensor,
    labels: Tensor,
    strangers: Sequence[StandIn],
    seed: int,
    progress: Callable[[str, int, int], None],
) -> Shadows:
    """Train them.

    Args:
        owner: Whose copies are made.
        points: (n, *shape) samples in the owner's domain.
        labels: (n,) int64 their own classes.
        strangers: Independent models that are there already.
        seed: Fixes everything random.
        progress: Told after each model.
    """
    classes = owner.record.classes
    total = 2 * ROUNDS * len(strangers)
    asked = torch.cat([points, *(means(points, seed + number) for number in range(MIXES))])

    def trained(chosen: Tensor, targets: Tensor, first: int, done: int) -> Iterator[StandIn]:
        inputs = owner.inputs(chosen)
        for number in range(first, ROUNDS):
            for net in train_standins(inputs, targets, classes, seed + 100 * (number + 1)):
                yield net
                done += 1
                progress("training shadow models", min(done, total), total)

    extracted = tuple(trained(asked, owner.answers(asked).argmax(1), 0, 0))
    independent = (*strangers, *trained(points, labels, 1, len(extracted)))
    return Shadows(_modified(owner, points, labels, seed), extracted, independent)


def means(points: Tensor, seed: int) -> Tensor:
    """Each sample half mixed with another: there the owner's answers are its own."""
    order = torch.randperm(len(points), generator=torch.Generator().manual_seed(seed))
    return (points + points[order.to(points.device)]) / 2


def _modified(owner: Owner, points: Tensor, labels: Tensor, seed: int) -> tuple[StandIn, ...]:
    naturals, truth = points[:NATURALS], labels[:NATURALS]
    copies = working_copies(owner, naturals, WORKING, seed)
    for number in range(ROUNDS):
        copies += tuned_copies(owner, naturals, truth, seed + number)
    return tuple(_frozen(owner, naturals, truth, made) for made in copies)


def _frozen(owner: Owner, naturals: Tensor, truth: Tensor, made: Copy) -> StandIn:
    """A quick copy as a net of its own."""
    with changed(owner, made):
        module = copy.deepcopy(owner.model.module)
        scores = owner.answers(naturals)
    kept = replace(owner, model=replace(owner.model, module=module))
    best = scores.topk(2, dim=1).values
    right = float((scores.argmax(1) == truth).float().mean())
    margin = float((best[:, 0] - best[:, 1]).median())
    return StandIn(made.name, _Scores(kept), right, max(margin, 1e-3))


class _Scores(nn.Module):
    """A copy of the owner over the model's own inputs, as logits or log-probabilities."""

    def __init__(self, owner: Owner) -> None:
        super().__init__()
        self.owner = owner

    def forward(self, inputs: Tensor) -> Tensor:
        return self.owner.model_scores(inputs)
