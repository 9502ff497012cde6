"""Core points after DeepCore (Sun, Zhang, Li; ECML PKDD 2025; arXiv 2411.00380).

The paper's idea: confidence grows with the distance to the decision boundary, and copies of a model
behave alike where its confidence is extreme. Departures, each measured (docs/decisions/):

- The loss is the logit margin, which does not saturate where confidence does.
- A point starts at a natural sample and is pushed to *another* class; within its own class innocent
  models agree.
- A point is as deep as working copies need, and deeper only while stand-ins don't follow: the
  deepest points turn into the class's prototype, which every model recognises.
- The climb keeps away from what stand-ins recognise, so that what remains is the owner's own.
- Uniqueness is measured on points climbed *without* that pressure, and vetoes the fingerprint.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from auditkit.core.errors import FingerprintError
from auditkit.core.fingerprint import Discrimination
from auditkit.fingerprints.base import FEWEST, Findings, Method, Request
from auditkit.owner.ascent import Climb, Gait
from auditkit.owner.classifier import sample_labels, snapped
from auditkit.owner.copies import Copy, copy_labels, tuned_copies, working_copies
from auditkit.owner.standins import StandIn
from auditkit.owner.transports import surviving

__all__ = ["deepcore"]


@dataclass(frozen=True, slots=True)
class Settings:
    """Measured defaults; shares are 0..1, depths in units of the owner's median natural margin."""

    levels: tuple[float, ...] = (
        *(0.5, 0.7, 0.85, 1.0, 1.2, 1.4, 1.7, 2.0, 2.4, 2.8),
        *(4.0, 5.6, 8.0, 11.2, 16.0),
    )
    bounds: tuple[float, ...] = (0.25, 0.5, 1.0)  # greatest change, as a share of the input range
    steps: int = 60
    rate: float = 0.05
    pressure: float = 2.0
    naturals: int = 1000  # samples at most that copies are tried on
    surplus: float = 3.0  # starts for each point wanted
    enough: float = 1.1  # candidates for each point wanted, before the bound is widened
    working: float = 0.8  # a copy counts when it keeps so much of the owner's natural labels
    hold: float = 0.85  # share of candidates that every working copy must keep
    firm: float = 0.98  # the same from where on going deeper gains little
    sure: float = 0.90  # the same of the points that are chosen in the end
    easy: float = 0.20  # worst stand-in's share of unpressed points up to which deeper is better
    free: float = 0.12  # the same where copies hold firmly already
    veto: float = 0.60  # … above which nothing is unique, for images
    row_veto: float = 0.35  # the same for everything else, where strangers follow sooner
    probe: int = 64  # unpressed points
    skill: float = 0.03  # least mean skill of stand-ins that shows anything


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    """What every climb of one fingerprint has in common."""

    request: Request
    settings: Settings
    strangers: tuple[StandIn, ...]  # those to climb away from
    starts: Tensor  # (n, *shape)
    targets: Tensor  # (n,)
    unit: float
    copies: list[Copy]

    def climb(self, bound: float, *, pressed: bool) -> Climb:
        settings = self.settings
        gait = Gait(settings.steps, settings.rate, settings.pressure)
        count = len(self.starts) if pressed else settings.probe
        strangers = self.strangers if pressed else ()
        return Climb(
            self.request.owner,
            self.starts[:count],
            self.targets[:count],
            strangers,
            bound,
            self.unit,
            gait,
            self.request.ways if pressed else (),
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Candidates:
    """Points of one depth, on the 8-bit grid where they are images, and what was seen of them."""

    level: float
    bound: float
    points: Tensor  # (n, *shape)
    targets: Tensor  # (n,)
    kept: Tensor  # (copies, n) bool
    shares: dict[str, float]  # stand-in -> share of unpressed points of this depth

    def hold(self, rows: Tensor | slice = slice(None)) -> float:
        """Share of these points that the worst working copy keeps."""
        return float(self.kept[:, rows].float().mean(1).min()) if len(self.kept) else math.nan

    def share(self) -> float:
        """The share of the stand-in that follows most; 0 without any."""
        return max(self.shares.values(), default=0.0)


def find_core_points(request: Request, settings: Settings) -> Findings:
    """Find points on which copies of the owner agree with it and strangers do not.

    Raises:
        FingerprintError: Fewer than 20 points reach the least depth.
    """
    task = _task(request, settings)
    candidates = _deep_enough(task) or _deep_enough(replace(task, strangers=()))
    if candidates is None:
        raise FingerprintError(
            f"fewer than {FEWEST} points reach a margin of {task.settings.levels[0]:g} times the "
            "natural one; check --input-range, or give --samples"
        )
    chosen = _chosen(task, candidates)
    hold = candidates.hold(chosen)
    discrimination, reason = _judged(task, candidates, chosen)
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
    return Findings(points, measured, discrimination, reason)


def _task(request: Request, settings: Settings) -> _Task:
    naturals, labels = _naturals(request, settings.naturals)
    best = request.owner.answers(naturals).topk(2, dim=1).values
    unit = max(float((best[:, 0] - best[:, 1]).median()), 1e-3)
    copies = working_copies(request.owner, naturals, settings.working, request.seed)
    if labels is not None:
        copies += tuned_copies(request.owner, naturals, labels, request.seed)
    starts, targets = _starts(request, naturals, math.ceil(settings.surplus * request.count))
    return _Task(request, settings, request.strangers, starts, targets, unit, copies)


def _naturals(request: Request, most: int) -> tuple[Tensor, Tensor | None]:
    """Samples in random order with their labels; uniform noise where there are none."""
    owner = request.owner
    generator = torch.Generator().manual_seed(request.seed)
    if request.samples is not None:
        rows = torch.randperm(len(request.samples.x), generator=generator)[:most]
        labels = sample_labels(owner, request.samples)[rows.to(owner.device)]
        return owner.tensor(request.samples.x[rows.numpy()]), labels
    lower, upper = (owner.tensor(edge) for edge in owner.spec.bounds())
    noise = torch.rand((most // 2, *owner.spec.shape), generator=generator).to(owner.device)
    return lower + noise * (upper - lower), None


def _starts(request: Request, naturals: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Naturals drawn in random order, each with a random class that is not the owner's."""
    generator = torch.Generator().manual_seed(request.seed)
    rounds = [
        torch.randperm(len(naturals), generator=generator)
        for _ in range(math.ceil(count / len(naturals)))
    ]
    starts = naturals[torch.cat(rounds)[:count].to(naturals.device)]
    classes = request.owner.record.classes
    shift = torch.randint(1, classes, (count,), generator=generator).to(starts.device)
    return starts, (request.owner.answers(starts).argmax(1) + shift) % classes


def _deep_enough(task: _Task) -> _Candidates | None:
    """As deep as working copies need, and deeper while strangers don't follow.

    A wider bound is tried only where the narrower one gives too few points deep enough.
    """
    settings, wanted = task.settings, task.request.count
    best: _Candidates | None = None
    for bound in settings.bounds:
        widest = bound == settings.bounds[-1]
        for found in _deeper_and_deeper(task, bound):
            if len(found.points) < (FEWEST if widest else settings.enough * wanted):
                break
            if best is not None and found.share() > _allowance(best, settings):
                return best
            best = found
        else:
            break
        if best is not None and _robust(best, settings):
            break
    return best


def _allowance(candidates: _Candidates, settings: Settings) -> float:
    """The stand-ins' share up to which deeper points are better: little to gain, little to risk."""
    if not _robust(candidates, settings):
        return 1.0
    return settings.free if candidates.hold() >= settings.firm else settings.easy


def _robust(candidates: _Candidates, settings: Settings) -> bool:
    return not candidates.hold() < settings.hold


def _deeper_and_deeper(task: _Task, bound: float) -> Iterator[_Candidates]:
    climb, probe = task.climb(bound, pressed=True), task.climb(bound, pressed=False)
    levels = task.settings.levels
    for number, level in enumerate(levels):
        task.request.progress(f"climbing within {bound:.0%}", number, len(levels))
        arrived = climb.to(level)
        points = snapped(climb.points[arrived], task.request.owner.spec)
        targets = climb.targets[arrived]
        still = task.request.owner.answers(points).argmax(1) == targets
        still &= surviving(task.request.owner, points, targets, task.request.ways)
        points, targets = points[still], targets[still]
        kept = copy_labels(task.request.owner, points, task.copies) == targets
        yield _Candidates(level, bound, points, targets, kept, _shares(task, probe, level))


def _shares(task: _Task, probe: Climb, level: float) -> dict[str, float]:
    """Which share of points climbed without pressure each stand-in gives the owner's label."""
    arrived = probe.to(level) if task.request.strangers else slice(0)
    points = snapped(probe.points[arrived], task.request.owner.spec)
    inputs = task.request.owner.inputs(points)
    return {
        stranger.name: _share(stranger, inputs, probe.targets[arrived])
        for stranger in task.request.strangers
    }


def _share(stranger: StandIn, inputs: Tensor, targets: Tensor) -> float:
    """1 where there is no point at all: nothing was shown to be unique."""
    if not len(inputs):
        return 1.0
    return float((stranger.answers(inputs).argmax(1) == targets).float().mean())


def _skill(task: _Task) -> float:
    """The stand-ins' mean accuracy on a scale from guessing, 0, to always right, 1."""
    chance = 1 / task.request.owner.record.classes
    accuracies = [stranger.accuracy for stranger in task.request.strangers]
    return (sum(accuracies) / len(accuracies) - chance) / (1 - chance)


def _recognised(task: _Task, points: Tensor, targets: Tensor) -> float:
    """The worst stand-in's share of the chosen points: 0 where the climb kept away from it."""
    inputs = task.request.owner.inputs(points)
    return max(_share(stranger, inputs, targets) for stranger in task.request.strangers)


def _chosen(task: _Task, candidates: _Candidates) -> Tensor:
    """Rows to keep: what copies keep and strangers doubt most, no class more than its share."""
    inputs = task.request.owner.inputs(candidates.points)
    cost = (~candidates.kept).sum(0) * (len(task.request.strangers) + 1.0)
    for stranger in task.request.strangers:
        trust = stranger.answers(inputs).softmax(1)
        cost = cost + trust.gather(1, candidates.targets[:, None])[:, 0]
    limit = math.ceil(1.5 * task.request.count / task.request.owner.record.classes)
    taken = [0] * task.request.owner.record.classes
    within: list[int] = []
    beyond: list[int] = []
    for row in torch.argsort(cost, stable=True).tolist():
        target = int(candidates.targets[row])
        taken[target] += 1
        (within if taken[target] <= limit else beyond).append(row)
    return torch.tensor((within + beyond)[: task.request.count], device=inputs.device)


def _judged(task: _Task, candidates: _Candidates, chosen: Tensor) -> tuple[Discrimination, str]:
    settings, hold, share = task.settings, candidates.hold(chosen), candidates.share()
    no = Discrimination.NOT_DISCRIMINATING
    if not candidates.shares:
        return (
            Discrimination.UNMEASURED,
            "made without samples, so what independent models answer was not measured; "
            "add --samples",
        )
    skill = _skill(task)
    if skill < settings.skill:
        return Discrimination.UNMEASURED, (
            f"the stand-ins learnt too little from the samples (skill {skill:.0%}, at least "
            f"{settings.skill:.0%} is needed) to tell what independent models answer; "
            "give more samples, with labels"
        )
    recognised = _recognised(task, candidates.points[chosen], candidates.targets[chosen])
    veto = settings.veto if task.starts.ndim == 4 else settings.row_veto
    if max(share, recognised) > veto:
        return no, (
            f"an independent stand-in shares {max(share, recognised):.0%} of such points (at most "
            f"{veto:.0%} may be): on this task innocent models agree with the owner"
        )
    if math.isnan(hold):
        return no, (
            "no changed copy of the model still works (its weights may be frozen into constants), "
            "so what copies keep can't be measured"
        )
    if hold < settings.sure:
        return no, (
            f"the harshest working copy keeps {hold:.0%} of the points (at least "
            f"{settings.sure:.0%} are needed): no depth is robust enough"
        )
    return (
        Discrimination.DISCRIMINATING,
        f"working copies keep at least {hold:.0%} of the points; of points made without their "
        f"help, no independent stand-in shares more than {share:.0%} ({veto:.0%} may be)",
    )


deepcore = Method(
    find_core_points,
    Settings,
    "Sun, Zhang, Li: DeepCore (ECML PKDD 2025), arXiv 2411.00380",
    travels=True,
)
