"""Where core points start: samples, each pushed to classes other than the owner's."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from auditkit.fingerprints.base import Request
from auditkit.owner.ascent import domain
from auditkit.owner.classifier import sample_labels


@dataclass(frozen=True, slots=True, eq=False)
class Naturals:
    """Samples (n, *shape) with labels (n,) int64, or noise without labels in their place."""

    points: Tensor
    labels: Tensor | None


def draw_naturals(request: Request, most: int) -> Naturals:
    """Draw samples in random order; if there are none, make uniform noise."""
    owner = request.owner
    generator = torch.Generator().manual_seed(request.seed)
    if request.samples is not None:
        rows = torch.randperm(len(request.samples.x), generator=generator)[:most]
        labels = sample_labels(owner, request.samples)[rows.to(owner.device)]
        return Naturals(owner.tensor(request.samples.x[rows.numpy()]), labels)
    box = domain(owner)
    noise = torch.rand((most // 2, *owner.spec.shape), generator=generator).to(owner.device)
    return Naturals(box.lower + noise * box.span, None)


@dataclass(frozen=True, slots=True, eq=False)
class Starts:
    """Where points start, and the classes that they are pushed to."""

    samples: Tensor
    """(m, *shape) float32 samples, or noise if there are no samples."""
    rows: Tensor
    """(n,) int64: the sample of each start. Copies of it are made for those that climb alone: all
    starts of large images together would take most of the memory."""
    targets: Tensor
    """(n,) int64 classes."""
    probed: Tensor
    """(k,) int64 classes that the first k starts are pushed to where stand-ins are measured: only
    such that the samples have, since stand-ins never answer with others."""

    def __len__(self) -> int:
        return len(self.rows)

    def points(self, part: slice) -> Tensor:
        """Return some of the starts, (n, *shape)."""
        return self.samples[self.rows[part]]

    def first(self, count: int) -> "Starts":
        """Return the first starts."""
        parts = (self.rows[:count], self.targets[:count], self.probed[:count])
        return Starts(self.samples, *parts)


def draw_starts(
    request: Request, naturals: Naturals, labels: Tensor, count: int, probes: int
) -> Starts:
    """Draw starts in random order, each with a random class other than the owner's label.

    Args:
        request: Has the owner's classes, and the seed.
        naturals: Where points start.
        labels: (n,) int64, the owner's labels of the naturals.
        count: How many starts at most: no sample is pushed to one class twice, since both would
            become the same point.
        probes: How many of them have a second class, for a probe.
    """
    generator = torch.Generator().manual_seed(request.seed)
    classes = request.owner.record.classes
    total, others = len(naturals.points), classes - 1
    # Each sample is used once before any is used again, then with the next class.
    turns = min(math.ceil(count / total), others)
    rows = torch.cat([torch.randperm(total, generator=generator) for _ in range(turns)])[:count]
    drawn = torch.randint(others, (min(count, total),), generator=generator)
    first = torch.zeros(total, dtype=torch.int64)
    first[rows[:total]] = drawn
    shift = 1 + (first[rows] + torch.arange(len(rows)) // total) % others
    rows = rows.to(naturals.points.device)
    own = labels[rows]
    targets = (own + shift.to(own.device)) % classes
    probed = _probed(targets[:probes], own, naturals.labels, classes, generator)
    return Starts(naturals.points, rows, targets, probed)


def _probed(
    targets: Tensor, own: Tensor, labels: Tensor | None, classes: int, generator: torch.Generator
) -> Tensor:
    """Return the targets, (k,), or others where the samples leave classes out.

    Args:
        targets: (k,) classes of the first k starts.
        own: (n,) the owner's labels of the starts.
        labels: The samples' labels.
        classes: Classes that the owner knows.
        generator: Draws the others.
    """
    known = targets.unique() if labels is None else labels.unique()
    if labels is None or not 1 < len(known) < classes:
        return targets
    drawn = torch.randint(len(known), targets.shape, generator=generator).to(known.device)
    own = own[: len(targets)]
    return torch.where(known[drawn] == own, known[(drawn + 1) % len(known)], known[drawn])
