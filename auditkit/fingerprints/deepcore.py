"""DeepCore: core points far from the owner's decision boundary (Sun, Zhang, Li; ECML PKDD 2025).

The paper's idea (arXiv 2411.00380): confidence grows with the distance to the decision boundary,
and copies of a model behave alike where its confidence is extreme. Departures from the paper, each
of them measured (docs/decisions/0001-core-points.md):

- The loss is the logit margin, which does not saturate where confidence does.
- A point starts at a natural sample and is pushed to *another* class, because innocent models agree
  with the owner within the sample's own class.
- Points are as deep as working copies need, and deeper only while stand-ins don't follow. The
  deepest points become prototypes of their class, which every model recognises.
- The climb avoids points that stand-ins recognise, so that the owner's own points remain.
- Uniqueness is measured on other points, climbed *without* that pressure, and can refuse the
  fingerprint.

Depth is the owner's margin at a point, in units of its median margin at natural samples. The
folder `core_points` has the settings, the starts and the judgement.
"""

import math
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from auditkit.core.errors import FingerprintError
from auditkit.core.points import FEWEST
from auditkit.fingerprints.base import Findings, Method, Request
from auditkit.fingerprints.core_points.candidates import (
    Candidates,
    Settings,
    Task,
    draw_naturals,
    draw_starts,
    share_of,
)
from auditkit.fingerprints.core_points.judgement import judged
from auditkit.owner.ascent import Climb
from auditkit.owner.classifier import snapped
from auditkit.owner.copies import copy_labels, tuned_copies, working_copies
from auditkit.owner.transports import surviving

__all__ = ["deepcore"]


def find_core_points(request: Request, settings: Settings) -> Findings:
    """Find points on which copies of the owner agree with it and independent models don't.

    Raises:
        FingerprintError: Fewer than 20 points reach the least depth.
    """
    task = _task(request, settings)
    # Where stand-ins recognise everything, no point gets away from them. Then points are climbed
    # without pressure, and it is for the judgement below to refuse them with a reason.
    candidates = _deep_enough(task) or _deep_enough(replace(task, strangers=()))
    if candidates is None:
        raise FingerprintError(
            f"fewer than {FEWEST} points reach a margin of {task.settings.levels[0]:g} times the "
            "natural one; check --input-range, or give --samples"
        )
    chosen = _chosen(task, candidates)
    hold = candidates.hold(chosen)
    judgement = judged(task, candidates, chosen)
    measured = {
        "level": candidates.level,
        "bound": candidates.bound,
        "natural margin": round(task.unit, 4),
        "working copies": [copy.name for copy in task.copies],
        "worst copy keeps": None if math.isnan(hold) else round(hold, 4),
        "stand-ins share, unpressed": {
            name: round(share, 4) for name, share in candidates.shares.items()
        },
    }
    points = candidates.points[chosen].cpu().numpy()
    return Findings(points, measured, judgement.discrimination, judgement.reason)


def _task(request: Request, settings: Settings) -> Task:
    owner, naturals = request.owner, draw_naturals(request, settings.max_samples)
    best = owner.answers(naturals.points).topk(2, dim=1).values
    # An owner that can't decide on natural samples would make every depth infinite.
    unit = max(float((best[:, 0] - best[:, 1]).median()), 1e-3)
    copies = working_copies(owner, naturals.points, settings.working_agreement, request.seed)
    # Pruned, quantised and noisy weights say little about fine-tuning, so that is tried as well.
    if naturals.labels is not None:
        copies += tuned_copies(owner, naturals.points, naturals.labels, request.seed)
    starts = draw_starts(request, naturals, math.ceil(settings.starts_per_point * request.count))
    return Task(
        request=request,
        settings=settings,
        strangers=request.strangers,
        starts=starts.points,
        targets=starts.targets,
        unit=unit,
        copies=copies,
    )


def _deep_enough(task: Task) -> Candidates | None:
    """Return points as deep as working copies need, and deeper while stand-ins don't follow.

    A wider bound is tried only if the narrower one gives too few points that are deep enough. The
    result is None if no bound gives 20 points at any depth.
    """
    settings, wanted = task.settings, task.request.count
    best: Candidates | None = None
    for bound in settings.bounds:
        widest = bound == settings.bounds[-1]
        for found in _deeper_and_deeper(task, bound):
            # Within the widest bound there is nothing left to try, so fewer points will do.
            if len(found.points) < (FEWEST if widest else settings.candidates_per_point * wanted):
                break
            if best is not None and found.share() > _allowance(best, settings):
                return best
            best = found
        else:  # even the deepest level gave enough points
            break
        if best is not None and _robust(best, settings):
            break
    return best


def _allowance(candidates: Candidates, settings: Settings) -> float:
    """Return the stand-ins' share up to which deeper points are preferred to these."""
    # Robustness comes first: points that copies don't keep are worth nothing, however unique. The
    # less there is to gain by going deeper, the less uniqueness is risked for it.
    if not _robust(candidates, settings):
        return 1.0
    ample = candidates.hold() >= settings.ample_kept
    return settings.max_shared_if_ample if ample else settings.max_shared


def _robust(candidates: Candidates, settings: Settings) -> bool:
    # Written with "not", because the share is NaN without copies, and then no depth is too small.
    return not candidates.hold() < settings.min_kept


def _deeper_and_deeper(task: Task, bound: float) -> Iterator[Candidates]:
    """Yield the points of each level in turn; each climb goes on from where it was."""
    climb, probe = task.climb(bound, pressed=True), task.climb(bound, pressed=False)
    levels = task.settings.levels
    for number, level in enumerate(levels):
        task.request.progress(f"climbing within {bound:.0%}", number, len(levels))
        arrived = climb.to(level)
        points = snapped(climb.points[arrived], task.request.owner.spec)
        targets = climb.targets[arrived]
        # Rounding to 8 bits may undo the label of a point just beyond the boundary.
        still = task.request.owner.answers(points).argmax(1) == targets
        still &= surviving(task.request.owner, points, targets, task.request.ways)
        points, targets = points[still], targets[still]
        kept = copy_labels(task.request.owner, points, task.copies) == targets
        yield Candidates(
            level=level,
            bound=bound,
            points=points,
            targets=targets,
            kept=kept,
            shares=_shares(task, probe, level),
        )


def _shares(task: Task, probe: Climb, level: float) -> dict[str, float]:
    """Return for each stand-in the share of the probe's points that get the owner's label.

    After a climb that avoids stand-ins they agree on nothing, even on tables where every innocent
    agrees on everything; so only points climbed without that pressure can tell.
    """
    arrived = probe.to(level) if task.request.strangers else slice(0)
    points = snapped(probe.points[arrived], task.request.owner.spec)
    inputs = task.request.owner.inputs(points)
    return {
        stranger.name: share_of(stranger, inputs, probe.targets[arrived])
        for stranger in task.request.strangers
    }


def _chosen(task: Task, candidates: Candidates) -> Tensor:
    """Return the row numbers of the points to keep, best first.

    The best points are those that most copies keep and, among these, that stand-ins doubt most. No
    class gets more than 1.5 times its even share while others have points left.
    """
    inputs = task.request.owner.inputs(candidates.points)
    # The stand-ins' probabilities add up to at most their number, so a point that one more copy
    # loses always costs more.
    cost = (~candidates.kept).sum(0) * (len(task.request.strangers) + 1.0)
    for stranger in task.request.strangers:
        trust = stranger.answers(inputs).softmax(1)
        cost = cost + trust.gather(1, candidates.targets[:, None])[:, 0]
    # Points of few classes would let a suspect that favours those classes agree by accident.
    limit = math.ceil(1.5 * task.request.count / task.request.owner.record.classes)
    taken = [0] * task.request.owner.record.classes
    within: list[int] = []
    beyond: list[int] = []
    for row in torch.argsort(cost, stable=True).tolist():
        target = int(candidates.targets[row])
        taken[target] += 1
        (within if taken[target] <= limit else beyond).append(row)
    return torch.tensor((within + beyond)[: task.request.count], device=inputs.device)


deepcore = Method(
    find_core_points,
    Settings,
    "Sun, Zhang, Li: DeepCore (ECML PKDD 2025), arXiv 2411.00380",
    # The climb itself takes transports into account, which no other method does.
    travels=True,
)
