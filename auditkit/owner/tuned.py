"""Trained copies of the owner, made in seconds: all weights fine-tuned, and a fresh head.

Samples often cover few of the owner's classes. A copy that is tuned on these alone forgets all
others and passes as working on what it was tuned on. So there all weights learn the owner's scores
instead of labels, and are tried on inputs that they did not learn; and there is no fresh head,
which would know nothing of the other classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from auditkit.owner.classifier import Owner
from auditkit.owner.copies import Copy, changed, copy_labels, matrix_weights
from auditkit.owner.lineup import mixtures
from auditkit.owner.room import climbing_at_once

# A few seconds of training. A copy that was pruned by 60 % as well does not work after so little
# (docs/decisions/0001-core-points.md), so these two are the only trained ones.
STEPS, BATCH = 80, 64
TUNING_RATE, HEAD_RATE = 3e-4, 1e-2
"""Adam's learning rates. A fresh head starts from noise and learns alone, so its is larger."""
TRIED = 5
"""Where classes are left out, one of so many samples is not learnt, to try copies on."""


@dataclass(frozen=True, slots=True, eq=False)
class _Lesson:
    """What copies learn."""

    points: Tensor
    """(n, *shape)."""
    wanted: Tensor
    """(n,) int64 classes, or (n, classes) probabilities."""


def tuned_copies(
    owner: Owner, points: Tensor, labels: Tensor, share: float, seed: int
) -> list[Copy]:
    """Make two trained copies: all weights fine-tuned, and a fresh head on the owner's features.

    Args:
        owner: The model that is copied; afterwards it is as before.
        points: (n, *shape) samples in its domain.
        labels: (n,) int64 classes to learn.
        share: Where the samples leave classes out, a copy must keep this share, 0..1, of the
            owner's labels on samples, and mixtures of them, that it did not learn.
        seed: Fixes batches and the head's first weights.

    Returns:
        Both, or fewer if the model has no weights or no linear layer with a row for each class, if
        the samples leave classes out, or if a copy does not work.
    """
    if len(labels.unique()) >= owner.record.classes:
        lesson = _Lesson(points, labels)
        return [*_fine_tuned(owner, lesson, seed), *_with_fresh_head(owner, lesson, seed)]
    tried, learnt = points[::TRIED], points[torch.arange(len(points)) % TRIED > 0]
    if not len(learnt):
        return []
    learnt = torch.cat([learnt, mixtures(learnt, len(learnt), seed)])
    copies = _fine_tuned(owner, _Lesson(learnt, owner.answers(learnt).softmax(1)), seed)
    tried = torch.cat([tried, mixtures(tried, len(tried), seed)])
    kept = copy_labels(owner, tried, copies) == owner.answers(tried).argmax(1)
    return [copy for copy, row in zip(copies, kept, strict=True) if row.float().mean() >= share]


def _fine_tuned(owner: Owner, lesson: _Lesson, seed: int) -> list[Copy]:
    weights = matrix_weights(owner.model.module)
    if not weights:
        return []
    return [_tuned("fine-tuned", owner, weights, TUNING_RATE, lesson, seed)]


def _with_fresh_head(owner: Owner, lesson: _Lesson, seed: int) -> list[Copy]:
    weights = matrix_weights(owner.model.module)
    heads = [w for w in weights if w.ndim == 2 and len(w) == owner.record.classes][-1:]
    if not heads:
        return []
    # A copy that changes nothing: `changed` then puts the old head back, whatever happens.
    with changed(owner, Copy("", lambda before: before)), torch.no_grad():
        generator = torch.Generator().manual_seed(seed)
        fresh = torch.randn(heads[0].shape, generator=generator).to(heads[0])
        heads[0].copy_(fresh * heads[0].std())
        return [_tuned("new head", owner, heads, HEAD_RATE, lesson, seed)]


def _tuned(
    name: str, owner: Owner, chosen: Sequence[Tensor], rate: float, lesson: _Lesson, seed: int
) -> Copy:
    """Train the chosen weights in place, remember the result, and put the old weights back."""
    weights = matrix_weights(owner.model.module)
    before = [weight.detach().clone() for weight in weights]
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(chosen, lr=rate)
    fits = min(BATCH, climbing_at_once(owner.scores, lesson.points))
    # The caller may be within `no_grad`.
    with torch.enable_grad():
        for weight in chosen:
            weight.requires_grad_(True)  # noqa: FBT003
        for _ in range(STEPS):
            rows = torch.randint(len(lesson.points), (fits,), generator=generator)
            rows = rows.to(lesson.points.device)
            optimizer.zero_grad()
            scores = owner.scores(lesson.points[rows])
            functional.cross_entropy(scores, lesson.wanted[rows]).backward()
            optimizer.step()
    with torch.no_grad():
        # Only what was trained: the other weights come from whoever applies the copy.
        after = {i: w.detach().clone() for i, w in enumerate(weights) if w.requires_grad}
        for weight, value in zip(weights, before, strict=True):
            weight.requires_grad_(False)  # noqa: FBT003
            weight.copy_(value)
    return Copy(name, lambda given: [after.get(i, weight) for i, weight in enumerate(given)])
