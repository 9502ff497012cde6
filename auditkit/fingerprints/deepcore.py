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
folder `core_points` has the settings, the starts, the climb to the right depth and the judgement.
"""

import math
from dataclasses import replace

import torch
from torch import Tensor

from auditkit.core.errors import FingerprintError
from auditkit.core.points import FEWEST
from auditkit.fingerprints.base import Findings, Method, Request
from auditkit.fingerprints.core_points.candidates import (
    FIRST,
    Candidates,
    Settings,
    Task,
)
from auditkit.fingerprints.core_points.depth import climbed
from auditkit.fingerprints.core_points.judgement import judged
from auditkit.fingerprints.core_points.starts import draw_naturals, draw_starts
from auditkit.owner.copies import working_copies
from auditkit.owner.room import climbing_at_once, operations
from auditkit.owner.tuned import tuned_copies

__all__ = ["deepcore"]

STAGES = 2
"""Of the making of copies: those that need no data, and those that are trained."""


def find_core_points(request: Request, settings: Settings) -> Findings:
    """Find points on which copies of the owner agree with it and independent models don't.

    Raises:
        FingerprintError: Fewer than 20 points reach the least depth.
    """
    task = _task(request, settings)
    # Where stand-ins recognise everything, no point gets away from them. Then points are climbed
    # without pressure, and it is for the judgement below to refuse them with a reason.
    candidates = climbed(task) or climbed(replace(task, strangers=()))
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
        "starts": candidates.starts,
        "cut short": candidates.cut_short,
        "natural margin": round(task.unit, 4),
        "working copies": [copy.name for copy in task.copies],
        "worst copy keeps": None if math.isnan(hold) else round(hold, 4),
        "stand-ins share, unpressed": {
            name: round(share, 4) for name, share in candidates.shares.items()
        },
    }
    points = candidates.points[chosen].cpu().numpy()
    cut = f"; --minutes ended the climb at {len(points)} points" if candidates.cut_short else ""
    return Findings(points, measured, judgement.discrimination, judgement.reason + cut)


def _task(request: Request, settings: Settings) -> Task:
    owner, naturals = request.owner, draw_naturals(request, settings.max_samples)
    best, classes = owner.answers(naturals.points).topk(2, dim=1)
    # An owner that can't decide on natural samples would make every depth infinite.
    unit = max(float((best[:, 0] - best[:, 1]).median()), 1e-3)
    few_fit = climbing_at_once(owner.scores, naturals.points) < FIRST
    is_dear = few_fit or operations(owner.scores, naturals.points) > settings.dear_operations
    asked = naturals.points[: settings.dear_samples if is_dear else None]
    least = settings.working_agreement
    request.progress("making copies", 0, STAGES)
    copies = working_copies(owner, asked, least, request.seed)
    # Pruned, quantised and noisy weights say little about fine-tuning, so that is tried as well.
    if naturals.labels is not None:
        request.progress("making copies", 1, STAGES)
        copies += tuned_copies(owner, naturals.points, naturals.labels, least, request.seed)
    count = math.ceil(settings.starts_per_point * request.count)
    starts = draw_starts(request, naturals, classes[:, 0], count, settings.probe_points)
    return Task(
        request=request,
        settings=settings,
        strangers=request.strangers,
        starts=starts,
        unit=unit,
        copies=copies,
        wanted=math.ceil(settings.candidates_per_point * request.count),
        is_dear=is_dear,
    )


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
