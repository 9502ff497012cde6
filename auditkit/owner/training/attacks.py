"""What thieves do to a model: makes reference copies of the owner and of other models.

Settings vary with the turn and the generator, because thieves differ too, and because copies made
alike would be one model to the statistics.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from auditkit.files.model_folder import TAUGHT
from auditkit.owner.classifier import Owner
from auditkit.owner.copies import matrix_weights, quantised, unpruned
from auditkit.owner.training.augments import as_they_are, shifted
from auditkit.owner.training.recipes import (
    Labelled,
    Training,
    Untrained,
    duplicate,
    fit,
    scores,
)


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One simulated theft: the stolen model, the thief's own data, and how the copy is trained."""

    parent: Owner
    """The stolen model, which is not changed."""
    data: Labelled
    """The thief's own labelled data."""
    student: Callable[[], Untrained]
    """Makes a fresh net that is to learn from the parent's answers."""
    epochs: int
    """Epochs that a net trained from scratch gets; attacks take a share of them."""
    generator: torch.Generator
    turn: int
    """How many copies were made by this attack before; its settings vary with it."""
    strength: float
    """1, or less for a milder attack after the first did too much harm."""

    def training(self, rate: float, share: float = 1.0) -> Training:
        """Return a training at this peak learning rate, for a share of the epochs."""
        return Training(max(1, round(share * self.epochs)), self.generator, rate)


def head(net: Owner) -> list[Tensor]:
    """Return weight and bias of the last linear layer with a row for each class; empty without."""
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
    # Noise as large as the old weights, because TorchScript modules can't be reset to their own.
    with torch.no_grad():
        weights[0].normal_(0, float(weights[0].std()))
    how = job.training(1e-2 * job.strength, 1 / 3)
    return fit(net, job.data.inputs, job.data.labels, how, weights)


def _pruned(job: Job, least: float, most: float) -> Owner:
    """Prune a random share between `least` and `most` of each weight, and train on."""
    net = duplicate(job.parent)
    drawn = float(torch.rand(1, generator=job.generator))
    share = job.strength * (least + (most - least) * drawn)
    weights = matrix_weights(net.model.module)
    masks = [unpruned(weight, share) for weight in weights]

    # Without this after each step, the optimizer would bring the pruned weights back.
    @torch.no_grad()
    def hold() -> None:
        for weight, mask in zip(weights, masks, strict=True):
            weight.mul_(mask)

    hold()
    how = job.training(1e-3, 2 / 3)
    return fit(net, job.data.inputs, job.data.labels, how, hold=hold)


@torch.no_grad()
def _quantised(job: Job) -> Owner:
    """Quantise each weight to 4 to 8 bits, clipped at 85 to 100 % of its largest magnitude."""
    net = duplicate(job.parent)
    bits = (8, 5, 6, 4)[job.turn % 4] + (0 if job.strength == 1 else 2)
    for weight in matrix_weights(net.model.module):
        # Quantising has no seed of its own: without a random clip, two copies of equal bits would
        # be one and the same model.
        clip = 0.85 + 0.15 * float(torch.rand(1, generator=job.generator))
        weight.copy_(quantised(weight, bits, clip))
    return net


def _distilled(job: Job) -> Owner:
    """Train a student on the parent's probabilities, plain or softened, in turns."""
    temperature = (1.0, 4.0)[job.turn % 2]
    targets = (scores(job.parent, job.data.inputs) / temperature).softmax(1)
    return _taught(job, targets)


def _extracted(job: Job) -> Owner:
    return _taught(job, scores(job.parent, job.data.inputs).argmax(1))


def _taught(job: Job, targets: Tensor) -> Owner:
    student = job.student()
    augment = shifted if job.data.inputs.ndim == 4 else as_they_are
    # A student that was ruined learnt too little, so a milder attempt trains longer, not less.
    how = replace(job.training(student.rate, 1 / job.strength), augment=augment)
    return fit(student.net, job.data.inputs, targets, how)


def _adversarially_tuned(job: Job) -> Owner:
    eps, ascents = job.strength * (8, 4)[job.turn % 2] / 255, 1 + job.turn % 2
    how = replace(job.training(5e-4, 1 / 3), eps=eps, ascents=ascents)
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
"""Attacks by name, in the order in which they take turns."""
MODIFYING = ("heavily pruned and tuned", "adversarially fine-tuned", "pruned and tuned")
"""The attacks on weights whose copies are hardest to tell from independent models."""


def possible(owner: Owner) -> tuple[str, ...]:
    """Return the names of the attacks that the owner's weights allow."""
    # Weights that are frozen into constants can't be changed, but answers can be learnt from.
    if not matrix_weights(owner.model.module):
        return TAUGHT
    return tuple(how for how in ATTACKS if how != "head retrained" or head(owner))
