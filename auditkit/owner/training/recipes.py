"""The nets of reference models, and how they are trained.

Every model, built-in nets included, is an `Owner` with another module in its place, so that all
share the owner's domain and normalisation. Plain modules, TorchScript archives and exported
programs can all be trained.
"""

import copy
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from auditkit.core.access import Access
from auditkit.owner.ascent import Box, signed_step
from auditkit.owner.batches import BATCH
from auditkit.owner.classifier import Owner
from auditkit.owner.opening import LoadedModel
from auditkit.owner.standins import IMAGE_NETS, ROW_NETS
from auditkit.owner.training.augments import Augment, as_they_are
from auditkit.owner.training.normalisation import Statistics

ROWS = 128
"""Inputs in a batch."""
EPOCH = 4000
"""Least number of inputs in an epoch; fewer samples are gone over again. Otherwise 200 samples
would make one step an epoch, and nets get only a few epochs."""
RATES = (3e-3, 6e-4)
"""Peak learning rates that an architecture is tried with, in this order; a model file doesn't tell
at which rate its architecture learns."""
OWN_NET = "owner's architecture"
"""What manifests call the net of a model with the owner's architecture."""
HELD_OUT = 50
"""Least number of samples that are kept to measure accuracy."""
BUILT_IN = {
    True: ("conv 16-32, dense 64", "normalised conv 16-32"),
    False: ("dense 64", "dense 256"),
}
"""Names of the built-in nets: for images (True) and for all other inputs."""

Hold = Callable[[], None]


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Model inputs (n, *shape) float32 and their true classes (n,) int64."""

    inputs: Tensor
    labels: Tensor

    def part(self, number: int, generator: torch.Generator) -> "Labelled":
        """Return a part of the data: all (0), either half (1, 2), or a random three fifths (3)."""
        half = len(self.inputs) // 2
        mixed = torch.randperm(len(self.inputs), generator=generator)[: int(1.2 * half)]
        rows = (slice(None), slice(half), slice(half, None), mixed.to(self.inputs.device))[number]
        return Labelled(self.inputs[rows], self.labels[rows])


def split(data: Labelled, seed: int) -> tuple[Labelled, Labelled]:
    """Shuffle data, and return a part to train on and a part that is held out.

    A tenth is held out to measure accuracy, but at least 50 samples.
    """
    count = len(data.inputs)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    learnt, held_out = order.to(data.inputs.device).tensor_split(
        [count - max(HELD_OUT, count // 10)]
    )
    return (
        Labelled(data.inputs[learnt], data.labels[learnt]),
        Labelled(data.inputs[held_out], data.labels[held_out]),
    )


@dataclass(frozen=True, slots=True)
class Training:
    """How a net is trained: AdamW with one cycle of the learning rate."""

    epochs: int
    generator: torch.Generator
    """Draws the order of the inputs and the augmentation."""
    rate: float
    """Peak learning rate."""
    augment: Augment = as_they_are
    smoothing: float = 0.0
    """Label smoothing, 0..1."""
    eps: float = 0.0
    """Change of adversarial inputs as a share of each input's range; 0: natural inputs."""
    ascents: int = 1
    """Gradient steps that make an adversarial input: 1 is FGSM, more are PGD."""


@dataclass(frozen=True, slots=True, eq=False)
class Untrained:
    """A net that has learnt nothing yet, and the peak learning rate at which it learns."""

    net: Owner
    rate: float


def scores(net: Owner, inputs: Tensor) -> Tensor:
    """Return (n, classes) for model inputs (n, *shape), without gradients."""
    with torch.no_grad():
        return torch.cat([net.model_scores(batch) for batch in inputs.split(BATCH)])


def accuracy(net: Owner, data: Labelled) -> float:
    """Return the share of right answers, 0..1."""
    return float((scores(net, data.inputs).argmax(1) == data.labels).float().mean())


def fit(
    net: Owner,
    inputs: Tensor,
    targets: Tensor,
    how: Training,
    weights: Sequence[Tensor] = (),
    hold: Hold = lambda: None,
) -> Owner:
    """Train a net in place and return it in evaluation mode.

    Args:
        net: The net, whose weights are changed.
        inputs: (n, *shape) float32 as the model takes them.
        targets: (n,) int64 classes, or (n, classes) float32 probabilities.
        how: Length, learning rate, augmentation and adversarial inputs.
        weights: The weights to train; empty: all.
        hold: Called after each step, to restore weights that must not change.
    """
    chosen = list(weights or net.model.module.parameters())
    turns = math.ceil(EPOCH / len(inputs))
    steps = turns * len(inputs) // ROWS
    optimizer = torch.optim.AdamW(chosen, lr=how.rate, weight_decay=5e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, how.rate, how.epochs * steps)
    net.model.module.train()
    for _ in range(how.epochs):
        # Whole batches only: batch normalisation fails on a last batch of one.
        turn = [torch.randperm(len(inputs), generator=how.generator) for _ in range(turns)]
        order = torch.cat(turn)[: steps * ROWS].to(inputs.device)
        for batch in order.split(ROWS):
            seen = _attacked(net, how.augment(inputs[batch], how.generator), targets[batch], how)
            answered = net.model_scores(seen)
            optimizer.zero_grad()
            functional.cross_entropy(
                answered, targets[batch], label_smoothing=how.smoothing
            ).backward()
            optimizer.step()
            schedule.step()
            hold()
    net.model.module.eval()
    return net


def _attacked(net: Owner, inputs: Tensor, targets: Tensor, how: Training) -> Tensor:
    """Return adversarial inputs (n, *shape), if the training wants them; the same otherwise."""
    if not how.eps:
        return inputs
    # The bounds are normalised like the inputs: the share of the range is meant in pixels.
    bounds = [net.tensor(bound)[None] for bound in net.spec.bounds()]
    whole = Box(*(net.inputs(bound.expand(1, *net.spec.shape)) for bound in bounds))
    near, length = whole.near(inputs, how.eps), how.eps * whole.span / how.ascents
    for _ in range(how.ascents):
        inputs = signed_step(
            lambda moved: functional.cross_entropy(net.model_scores(moved), targets),
            inputs,
            length,
            near,
        )
    return inputs


def duplicate(net: Owner) -> Owner:
    """Return the same model with weights of its own that can be trained."""
    # Copying some modules warns of what does not matter here.
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = copy.deepcopy(net.model.module)
    # Integer weights, as of a quantised module, have no gradient.
    for weight in module.parameters():
        weight.requires_grad_(weight.is_floating_point())
    return replace(net, model=replace(net.model, module=module))


@torch.no_grad()
def reinitialised(owner: Owner, inputs: Tensor) -> Owner:
    """Return the owner's architecture with fresh weights, drawn from torch's global generator.

    Modules with `reset_parameters` draw their own weights. Elsewhere, as in TorchScript and
    exported programs, matrices are normal with the standard deviation of He et al. (2015), vectors
    called `weight` are 1, and all other vectors are 0. Batch normalisation starts with the
    statistics of the given inputs, since a traced or exported one keeps them for good.

    Args:
        owner: The model, which is not changed.
        inputs: (n, *shape) float32 as it takes them; the first batch is used.
    """
    net = duplicate(owner)
    drawn: set[int] = set()
    for part in net.model.module.modules():
        if callable(reset := getattr(part, "reset_parameters", None)):
            reset()
            drawn.update(id(weight) for weight in part.parameters(recurse=False))
    for name, weight in net.model.module.named_parameters():
        if id(weight) in drawn:
            continue
        if weight.ndim > 1:
            weight.normal_(0, math.sqrt(2 / weight[0].numel()))
        else:
            weight.fill_(float(name.endswith("weight")))
    with Statistics():
        net.model_scores(inputs[:BATCH])
    return net


@torch.no_grad()
def frozen_normalisation(owner: Owner, inputs: Tensor) -> bool:
    """Tell whether batch normalisation keeps its statistics in training, as in a traced archive.

    Args:
        owner: The model, which is not changed.
        inputs: (n, *shape) float32 as it takes them; the first batch is used.
    """
    # Tried rather than read from the file, which says nothing of it in any common way.
    net = duplicate(owner)
    module = net.model.module.train()
    means = [b for name, b in module.named_buffers() if name.endswith("running_mean")]
    before = [mean.clone() for mean in means]
    net.model_scores(inputs[:BATCH])
    pairs = zip(before, means, strict=True)
    return bool(means) and all(torch.equal(old, new) for old, new in pairs)


def built_in(owner: Owner, name: str, inputs: Tensor) -> Owner:
    """Return one of the stand-ins' nets, untrained, behind a normalisation of its own."""
    image = inputs.ndim == 4
    build = (IMAGE_NETS if image else ROW_NETS)[name]
    # Batch normalisation finds the inputs' scale while the net is trained, so no statistics of data
    # that it was not trained on are needed.
    scale = (
        [nn.BatchNorm2d(inputs.shape[1], affine=False)]
        if image
        else [nn.Flatten(), nn.LazyBatchNorm1d(affine=False)]
    )
    module = nn.Sequential(*scale, build(tuple(inputs.shape[1:]), owner.record.classes))
    module.to(inputs.device)(inputs[:2])
    record = replace(owner.record, output=Access.LOGITS)
    return replace(owner, model=LoadedModel(name, "", module), record=record)
