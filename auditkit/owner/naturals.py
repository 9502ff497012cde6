"""Families of natural points: what any model of the task knows, and what this owner gets wrong."""

from collections.abc import Sequence

import torch
from torch import Tensor

from auditkit.owner.classifier import Owner, sample_labels, snapped
from auditkit.owner.samples import Samples
from auditkit.owner.standins import StandIn

CONTROLS = (30, 100)
"""At least, and at most: two of each class between, so that another class order can be told."""
MISTAKES = 50


def control_points(owner: Owner, samples: Samples, strangers: Sequence[StandIn]) -> Tensor:
    """Samples on which the owner is right and sure, and most stand-ins too; see `CONTROLS`.

    Without labels the owner's own answer stands in for the right one.
    """
    points = snapped(owner.tensor(samples.x), owner.spec)
    scores = owner.answers(points)
    labels = scores.argmax(1)
    truth = sample_labels(owner, samples)
    best = scores.topk(2, dim=1).values
    sureness = best[:, 0] - best[:, 1]
    known = torch.zeros(len(points), device=points.device)
    for stranger in strangers:
        known += (stranger.answers(owner.inputs(points)).argmax(1) == truth).float()
    rank = known + sureness / (sureness.max() + 1)
    rank[labels != truth] = -1
    order = _in_turns(torch.argsort(rank, descending=True, stable=True), labels)
    least, most = CONTROLS
    count = min(max(least, 2 * owner.record.classes), most)
    rows = [row for row in order if rank[row] >= 0][:count]
    return points[rows]


def mistaken_points(owner: Owner, samples: Samples) -> Tensor:
    """Up to 50 samples that the owner gets wrong (AKH), spread evenly; none without labels."""
    points = snapped(owner.tensor(samples.x), owner.spec)
    wrong = owner.answers(points).argmax(1) != sample_labels(owner, samples)
    if samples.y is None:
        return points[:0]
    rows = wrong.nonzero()[:, 0]
    return points[rows[:: max(1, len(rows) // MISTAKES)][:MISTAKES]]


def _in_turns(order: Tensor, labels: Tensor) -> list[int]:
    """The same rows, one of each class at a time."""
    queues: dict[int, list[int]] = {}
    for row in order.tolist():
        queues.setdefault(int(labels[row]), []).append(row)
    longest = max(map(len, queues.values()))
    return [rows[turn] for turn in range(longest) for rows in queues.values() if turn < len(rows)]
