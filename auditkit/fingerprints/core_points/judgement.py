"""Whether core points tell copies of the owner from independent models."""

import math

from torch import Tensor

from auditkit.core.fingerprint import Discrimination
from auditkit.fingerprints.core_points.candidates import Candidates, Task, share_of
from auditkit.owner.uniqueness import Judgement


def judged(task: Task, candidates: Candidates, chosen: Tensor) -> Judgement:
    """Say whether the chosen points tell copies from independent models, and why."""
    if not candidates.shares:
        return Judgement(
            Discrimination.UNMEASURED,
            "made without samples, so what independent models answer was not measured; "
            "add --samples",
        )
    skill, least = _skill(task), task.settings.min_skill
    if skill < least:
        return Judgement(
            Discrimination.UNMEASURED,
            f"the stand-ins learnt too little from the samples (skill {skill:.0%}, at least "
            f"{least:.0%} is needed) to tell what independent models answer; "
            "give more samples, with labels",
        )
    shared = candidates.share()
    closest = max(shared, _recognised(task, candidates.points[chosen], candidates.targets[chosen]))
    return _judged_by_shares(task, candidates.hold(chosen), shared, closest)


def _judged_by_shares(task: Task, kept: float, shared: float, closest: float) -> Judgement:
    """Judge by what the worst copy keeps and what stand-ins share.

    Args:
        task: Has the settings, and starts that tell images from rows.
        kept: Share of the chosen points that the worst copy keeps; NaN without copies.
        shared: Share of the probe's points that the closest stand-in shares.
        closest: The greater of that and of its share of the chosen points.
    """
    settings, no = task.settings, Discrimination.NOT_DISCRIMINATING
    veto = settings.veto_shared if task.starts.samples.ndim == 4 else settings.veto_shared_rows
    # Uniqueness is judged first: where innocents share the points, robustness is no news.
    if closest > veto:
        return Judgement(
            no,
            f"an independent stand-in shares {closest:.0%} of such points (at most "
            f"{veto:.0%} may be): on this task innocent models agree with the owner",
        )
    if math.isnan(kept):
        return Judgement(
            no,
            "no changed copy of the model still works (its weights may be frozen into constants), "
            "so what copies keep can't be measured",
        )
    if kept < settings.final_kept:
        return Judgement(
            no,
            f"the harshest working copy keeps {kept:.0%} of the points (at least "
            f"{settings.final_kept:.0%} are needed): no depth is robust enough",
        )
    return Judgement(
        Discrimination.DISCRIMINATING,
        f"working copies keep at least {kept:.0%} of the points; of points made without their "
        f"help, no independent stand-in shares more than {shared:.0%} ({veto:.0%} may be)",
    )


def _skill(task: Task) -> float:
    """Return the stand-ins' mean accuracy, from guessing (0) to always right (1)."""
    chance = 1 / task.request.owner.record.classes
    accuracies = [stranger.accuracy for stranger in task.request.strangers]
    return (sum(accuracies) / len(accuracies) - chance) / (1 - chance)


def _recognised(task: Task, points: Tensor, targets: Tensor) -> float:
    """Return the share of the chosen points that the closest stand-in gives the owner's label.

    It is 0 if the climb got away from all stand-ins.
    """
    inputs = task.request.owner.inputs(points)
    return max(share_of(stranger, inputs, targets) for stranger in task.request.strangers)
