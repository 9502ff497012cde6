"""Natural points: controls, which any model of the task knows, and the owner's mistakes."""

from collections.abc import Sequence

import torch
from torch import Tensor

from auditkit.owner.classifier import Owner, sample_labels, snapped
from auditkit.owner.samples import Samples
from auditkit.owner.standins import StandIn

CONTROLS = (30, 100)
"""Least and greatest number of controls. Between these there are two of each class, so that a
suspect's class order can be told. By default there are 100 core points, and no more controls."""
MISTAKES = 50
"""Greatest number of mistakes."""


def control_points(owner: Owner, samples: Samples, strangers: Sequence[StandIn]) -> Tensor:
    """Choose samples on which the owner and most stand-ins are right, the owner's surest first.

    Args:
        owner: Its surest samples come first among those that equally many stand-ins know.
        samples: Samples; if they have no labels, the owner's own count as right.
        strangers: Stand-ins.

    Returns:
        (n, *shape), one of each class in turns, at most as many as `CONTROLS` says.
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
    # The sureness is scaled to less than 1, so that one stand-in more always counts more.
    rank = known + sureness / (sureness.max() + 1)
    rank[labels != truth] = -1
    order = _in_turns(torch.argsort(rank, descending=True, stable=True), labels)
    least, most = CONTROLS
    count = min(max(least, 2 * owner.record.classes), most)
    rows = [row for row in order if rank[row] >= 0][:count]
    return points[rows]


def mistaken_points(owner: Owner, samples: Samples) -> Tensor:
    """Return up to 50 samples that the owner classifies wrongly; none without labels (AKH)."""
    points = snapped(owner.tensor(samples.x), owner.spec)
    wrong = owner.answers(points).argmax(1) != sample_labels(owner, samples)
    if samples.y is None:
        return points[:0]
    rows = wrong.nonzero()[:, 0]
    # Spread evenly over the file, which often goes class by class.
    return points[rows[:: max(1, len(rows) // MISTAKES)][:MISTAKES]]


def _in_turns(order: Tensor, labels: Tensor) -> list[int]:
    """Return the same row numbers: the first of each class, then the second, and so on."""
    queues: dict[int, list[int]] = {}
    for row in order.tolist():
        queues.setdefault(int(labels[row]), []).append(row)
    longest = max(map(len, queues.values()))
    return [rows[turn] for turn in range(longest) for rows in queues.values() if turn < len(rows)]
