"""What thieves do to a model: how reference copies are made of the owner and of other models."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from auditkit.files.model_folder import TAUGHT
from auditkit.owner.classifier import Owner
from auditkit.owner.copies import matrix_weights
from auditkit.owner.training.recipes import (
    Labelled,
    Training,
    as_they_are,
    duplicate,
    fit,
    scores,
    shifted,
)


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """What a thief has at hand."""

    parent: Owner
    """The stolen model; it stays as it is."""
    data: Labelled
    student: Callable[[], tuple[Owner, float]]
    """A fresh net and its learning rate, for what is learnt from the parent's answers."""
    epochs: int
    generator: torch.Generator
    turn: int
    """How often this was done before with other seeds: settings vary by it."""
    strength: float
    """1; less for a milder one, after the first did too much harm."""

    def training(self, rate: float, share: float = 1.0, **more: Any) -> Training:
        """A share of the epochs that a net trained from scratch gets."""
        return Training(max(1, round(share * self.epochs)), self.generator, rate, **more)


def head(net: Owner) -> list[Tensor]:
    """Weight and bias of the last linear layer with a row for each class; empty without one."""
    named = dict(net.model.module.named_parameters())
    found = [n for n, w in named.items() if w.ndim == 2 and len(w) == net.record.classes][-1:]
    names = found + [name.removesuffix("weight") + "bias" for name in found]
    return [named[name] for name in names if name in named]


def _fine_tuned(job: Job) -> Owner:
    how = job.training(5e-4 * job.strength, 1 / 3)
    return fit(duplicate(job.parent), job.data.inputs, job.data.labels, how)


def _head_retrained(job: Job) -> Owner:
    net = duplicate(job.parent)
    weights = head(net)
    with torch.no_grad():
        weights[0].normal_(0, float(weights[0].std()))
    how = job.training(1e-2 * job.strength, 1 / 3)
    return fit(net, job.data.inputs, job.data.labels, how, weights)


def _pruned(job: Job, least: float, most: float) -> Owner:
    net = duplicate(job.parent)
    drawn = float(torch.rand(1, generator=job.generator))
    share = job.strength * (least + (most - least) * drawn)
    weights = matrix_weights(net.model.module)
    cuts = [w.abs().flatten().kthvalue(max(1, int(share * w.numel()))).values for w in weights]
    masks = [w.abs() > cut for w, cut in zip(weights, cuts, strict=True)]

    @torch.no_grad()
    def hold() -> None:
        for weight, mask in zip(weights, masks, strict=True):
            weight.mul_(mask)

    hold()
    how = job.training(1e-3, 2 / 3)
    return fit(net, job.data.inputs, job.data.labels, how, hold=hold)


@torch.no_grad()
def _quantised(job: Job) -> Owner:
    """Symmetric, each tensor clipped at 85 to 100 % of its largest weight."""
    net = duplicate(job.parent)
    bits = (8, 5, 6, 4)[job.turn % 4] + (0 if job.strength == 1 else 2)
    levels = 2 ** (bits - 1) - 1
    for weight in matrix_weights(net.model.module):
        clipped = 0.85 + 0.15 * float(torch.rand(1, generator=job.generator))
        step = clipped * weight.abs().amax().clamp_min(1e-12) / levels
        weight.copy_((weight / step).round().clamp(-levels, levels) * step)
    return net


def _distilled(job: Job) -> Owner:
    temperature = (1.0, 4.0)[job.turn % 2]
    targets = (scores(job.parent, job.data.inputs) / temperature).softmax(1)
    return _taught(job, targets)


def _extracted(job: Job) -> Owner:
    return _taught(job, scores(job.parent, job.data.inputs).argmax(1))


def _taught(job: Job, targets: Tensor) -> Owner:
    net, rate = job.student()
    augment = shifted if job.data.inputs.ndim == 4 else as_they_are
    how = job.training(rate, 1 / job.strength, augment=augment)
    return fit(net, job.data.inputs, targets, how)


def _adversarially_tuned(job: Job) -> Owner:
    eps, ascents = job.strength * (8, 4)[job.turn % 2] / 255, 1 + job.turn % 2
    how = job.training(5e-4, 1 / 3, eps=eps, ascents=ascents)
    return fit(duplicate(job.parent), job.data.inputs, job.data.labels, how)


ATTACKS: dict[str, Callable[[Job], Owner]] = {
    "fine-tuned": _fine_tuned,
    "distilled": _distilled,
    "pruned and tuned": lambda job: _pruned(job, 0.3, 0.6),
    "extracted by labels": _extracted,
    "adversarially fine-tuned": _adversarially_tuned,
    "quantised": _quantised,
    "head retrained": _head_retrained,
    "heavily pruned and tuned": lambda job: _pruned(job, 0.7, 0.8),
}
"""What thieves do, in the order in which it is done again and again."""
MODIFYING = ("heavily pruned and tuned", "adversarially fine-tuned", "pruned and tuned")
"""Of the others, those whose copies are hardest to tell from independent models."""


def possible(owner: Owner) -> tuple[str, ...]:
    """The attacks that this owner's weights allow."""
    if not matrix_weights(owner.model.module):
        return TAUGHT
    return tuple(how for how in ATTACKS if how != "head retrained" or head(owner))
