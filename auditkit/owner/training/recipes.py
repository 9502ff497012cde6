"""Nets for reference models and how they are trained.

Every model, the built-in nets included, is an `Owner` with another module in its place: the same
domain, the same inputs, scores or log-probabilities alike. TorchScript archives and exported
programs serve as well as plain modules.
"""

import copy
import math
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from auditkit.core.access import Access
from auditkit.owner.classifier import BATCH, Owner
from auditkit.owner.opening import LoadedModel
from auditkit.owner.standins import IMAGE_NETS, ROW_NETS

ROWS, EPOCH = 128, 4000
"""Of a batch; and the fewest that an epoch goes over, by turning to the same samples again."""
RATES = (3e-3, 6e-4)
"""Peak learning rates that an architecture is tried with."""
OWN_NET = "owner's architecture"
BUILT_IN = {
    True: ("conv 16-32, dense 64", "normalised conv 16-32"),
    False: ("dense 64", "dense 256"),
}

Augment = Callable[[Tensor, torch.Generator], Tensor]
Hold = Callable[[], None]


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Model inputs (n, *shape) float32 and their own classes (n,) int64."""

    inputs: Tensor
    labels: Tensor

    def part(self, number: int, generator: torch.Generator) -> "Labelled":
        """0: all of it; 1 and 2: its halves; 3: a random three fifths."""
        half = len(self.inputs) // 2
        mixed = torch.randperm(len(self.inputs), generator=generator)[: int(1.2 * half)]
        rows = (slice(None), slice(half), slice(half, None), mixed.to(self.inputs.device))[number]
        return Labelled(self.inputs[rows], self.labels[rows])


def as_they_are(inputs: Tensor, _generator: torch.Generator) -> Tensor:
    """No augmentation."""
    return inputs


def shifted(images: Tensor, generator: torch.Generator) -> Tensor:
    """A batch moved by up to 2 pixels each way, its edge repeated."""
    down, right = torch.randint(0, 5, (2,), generator=generator).tolist()
    height, width = images.shape[-2:]
    padded = functional.pad(images, (2, 2, 2, 2), mode="replicate")
    return padded[..., down : down + height, right : right + width]


def mirrored(images: Tensor, generator: torch.Generator) -> Tensor:
    """Half the batch mirrored, then noise of a twentieth of the batch's deviation."""
    mirror = torch.rand(len(images), 1, 1, 1, generator=generator) < 0.5
    noise = torch.randn(images.shape, generator=generator).to(images.device)
    flipped = torch.where(mirror.to(images.device), images.flip(3), images)
    return flipped + 0.05 * images.std() * noise


AUGMENTS: tuple[Augment, ...] = (as_they_are, shifted, mirrored)


@dataclass(frozen=True, slots=True)
class Training:
    """AdamW and one learning-rate cycle."""

    epochs: int
    generator: torch.Generator
    rate: float
    augment: Augment = as_they_are
    smoothing: float = 0.0
    eps: float = 0.0
    """Size of adversarial inputs as a share of each input's range; 0: natural ones."""
    ascents: int = 1


def scores(net: Owner, inputs: Tensor) -> Tensor:
    """(n, *shape) model inputs -> (n, classes), without gradients."""
    with torch.no_grad():
        return torch.cat([net.model_scores(batch) for batch in inputs.split(BATCH)])


def accuracy(net: Owner, data: Labelled) -> float:
    """Share of right answers, 0..1."""
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
        net: Its module is changed.
        inputs: (n, *shape) float32 as the model takes them.
        targets: (n,) int64 classes, or (n, classes) float32 probabilities.
        how: Length, rate and disturbances.
        weights: What is trained; everything unless given.
        hold: Called after each step, to keep what must not change.
    """
    chosen = list(weights or net.model.module.parameters())
    turns = math.ceil(EPOCH / len(inputs))
    steps = turns * len(inputs) // ROWS
    optimizer = torch.optim.AdamW(chosen, lr=how.rate, weight_decay=5e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, how.rate, how.epochs * steps)
    net.model.module.train()
    for _ in range(how.epochs):
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
    """FGSM for one ascent, PGD for more."""
    if not how.eps:
        return inputs
    bounds = [net.tensor(bound)[None] for bound in net.spec.bounds()]
    low, high = (net.inputs(bound.expand(1, *net.spec.shape)) for bound in bounds)
    reach, moved = how.eps * (high - low), inputs
    for _ in range(how.ascents):
        leaf = moved.detach().requires_grad_()
        loss = functional.cross_entropy(net.model_scores(leaf), targets)
        (slope,) = torch.autograd.grad(loss, leaf)
        step = moved + reach / how.ascents * slope.sign()
        moved = torch.minimum(torch.maximum(step, inputs - reach), inputs + reach)
        moved = torch.minimum(torch.maximum(moved, low), high)
    return moved


def duplicate(net: Owner) -> Owner:
    """The same model with weights of its own that can be trained."""
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = copy.deepcopy(net.model.module)
    for weight in module.parameters():
        weight.requires_grad_(weight.is_floating_point())
    return replace(net, model=replace(net.model, module=module))


@torch.no_grad()
def reinitialised(owner: Owner, inputs: Tensor) -> Owner:
    """The owner's architecture with fresh weights from torch's global generator.

    Modules draw their own weights where they can; elsewhere, as in TorchScript and exported
    programs, matrices are normal with He et al.'s deviation and vectors 1 (`weight`) or 0. Batch
    normalisation starts from the statistics of these inputs, since a traced or exported one keeps
    them for good.
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
    with _Statistics():
        net.model_scores(inputs[:BATCH])
    return net


@torch.no_grad()
def frozen_normalisation(owner: Owner, inputs: Tensor) -> bool:
    """Whether batch normalisation keeps its statistics in training, as in a traced archive."""
    net = duplicate(owner)
    module = net.model.module.train()
    means = [b for name, b in module.named_buffers() if name.endswith("running_mean")]
    before = [mean.clone() for mean in means]
    net.model_scores(inputs[:BATCH])
    pairs = zip(before, means, strict=True)
    return bool(means) and all(torch.equal(old, new) for old, new in pairs)


class _Statistics(TorchDispatchMode):
    """Batch normalisations take over the mean and variance of what passes through them."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: Counter[int] = Counter()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if "batch_norm" in str(function) and len(args) > 4 and args[3] is not None:
            inputs, mean, variance = args[0], args[3], args[4]
            axes = [axis for axis in range(inputs.ndim) if axis != 1]
            self.seen[mean.data_ptr()] += 1
            share = 1 / self.seen[mean.data_ptr()]
            mean.lerp_(inputs.mean(axes), share)
            variance.lerp_(inputs.var(axes, correction=0), share)
        return function(*args, **(kwargs or {}))


def built_in(owner: Owner, name: str, inputs: Tensor) -> Owner:
    """One of the stand-ins' nets, untrained, behind a scaling of its own."""
    image = inputs.ndim == 4
    build = (IMAGE_NETS if image else ROW_NETS)[name]
    scale = (
        [nn.BatchNorm2d(inputs.shape[1], affine=False)]
        if image
        else [nn.Flatten(), nn.LazyBatchNorm1d(affine=False)]
    )
    module = nn.Sequential(*scale, build(tuple(inputs.shape[1:]), owner.record.classes))
    module.to(inputs.device)(inputs[:2])
    record = replace(owner.record, output=Access.LOGITS)
    return replace(owner, model=LoadedModel(name, "", module), record=record)
