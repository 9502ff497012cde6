"""Whether points may tell copies from strangers: quick copies and stand-ins, by labels.

This can refuse points, never recommend them: the thresholds of a verdict were measured on core
points, and of other points innocents of the owner's own architecture share far more than stand-ins
(IPGuard's on a LeNet: 0.98 where no stand-in shares more than 0.57).
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from auditkit.core.fingerprint import Discrimination
from auditkit.owner.classifier import Owner, sample_labels
from auditkit.owner.copies import copy_labels, tuned_copies, working_copies
from auditkit.owner.samples import Samples
from auditkit.owner.standins import StandIn

WORKING = 0.8  # a copy counts when it keeps so much of the owner's natural labels
HOLD = 0.90  # share of the points that every working copy must keep
VETO = 0.60  # share that no stand-in may reach
NATURALS = 1000


def label_uniqueness(
    owner: Owner,
    samples: Samples | None,
    strangers: Sequence[StandIn],
    points: Tensor,
    seed: int,
) -> tuple[Discrimination, str, dict[str, Any]]:
    """What the worst quick copy keeps of these points, and what the closest stand-in shares.

    Args:
        owner: Whose labels count.
        samples: What copies are tried on; None: nothing can be measured.
        strangers: Stand-ins.
        points: (n, *shape) in the owner's domain.
        seed: Of the copies.

    Returns:
        The judgement, its reason in one line, and the figures as JSON values.
    """
    if samples is None or not strangers:
        return (
            Discrimination.UNMEASURED,
            "made without samples, so what independent models answer was not measured; "
            "add --samples",
            {},
        )
    labels = owner.answers(points).argmax(1)
    inputs = owner.inputs(points)
    shares = {
        stranger.name: _share(stranger.answers(inputs).argmax(1), labels) for stranger in strangers
    }
    naturals = owner.tensor(samples.x[:NATURALS])
    truth = sample_labels(owner, samples)[:NATURALS]
    copies = working_copies(owner, naturals, WORKING, seed)
    copies += tuned_copies(owner, naturals, truth, seed)
    kept = {
        copy.name: _share(row, labels)
        for copy, row in zip(copies, copy_labels(owner, points, copies), strict=True)
    }
    hold, share = min(kept.values(), default=0.0), max(shares.values())
    facts = {"copies keep": kept, "stand-ins share": shares}
    return *_judged(hold, share), facts


def _judged(hold: float, share: float) -> tuple[Discrimination, str]:
    if share > VETO:
        return (
            Discrimination.NOT_DISCRIMINATING,
            f"an independent stand-in shares {share:.0%} of the points (at most {VETO:.0%} may "
            "be): innocent models agree with the owner on them",
        )
    if hold < HOLD:
        return (
            Discrimination.NOT_DISCRIMINATING,
            f"the harshest working copy keeps {hold:.0%} of the points (at least {HOLD:.0%} are "
            "needed)",
        )
    return (
        Discrimination.UNMEASURED,
        f"working copies keep at least {hold:.0%} of the points and no independent stand-in shares "
        f"more than {share:.0%}, but the default thresholds hold for core points alone; compare "
        "the values with those of models of known kind",
    )


def _share(answers: Tensor, labels: Tensor) -> float:
    return round(float((answers == labels).float().mean()), 4) if len(labels) else 0.0
