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

Depth is the owner's margin at a point, in units of its median margin at natural samples.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from auditkit.core.errors import FingerprintError
from auditkit.core.fingerprint import Discrimination
from auditkit.fingerprints.base import FEWEST, Findings, Method, Request
from auditkit.owner.ascent import Climb, Gait, domain
from auditkit.owner.classifier import sample_labels, snapped
from auditkit.owner.copies import Copy, copy_labels, tuned_copies, working_copies
from auditkit.owner.standins import StandIn
from auditkit.owner.transports import surviving
from auditkit.owner.uniqueness import Judgement

__all__ = ["deepcore"]


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of DeepCore; shares are 0..1.

    The defaults were measured on small owners, with copies and innocents that the method never saw
    (docs/decisions/0001-core-points.md). "Kept" is the share of points on which the worst working
    copy agrees with the owner, "shared" the share on which the closest stand-in does.
    """

    # Depths that are tried one after the other. The steps are fine below 3, where one more can cost
    # much uniqueness (see max_shared_if_ample). The last one is where copies of CIFAR-100 owners
    # that pruning had broken still agreed more than any innocent.
    levels: tuple[float, ...] = (
        *(0.5, 0.7, 0.85, 1.0, 1.2, 1.4, 1.7, 2.0, 2.4, 2.8),
        *(4.0, 5.6, 8.0, 11.2, 16.0),
    )
    # Greatest change of a sample, as a share of the input range. The next one is tried only if the
    # one before gives too few points that are deep enough.
    bounds: tuple[float, ...] = (0.25, 0.5, 1.0)
    steps: int = 60  # Adam steps at most, for each level
    rate: float = 0.05  # Adam's learning rate, as a share of the input range
    # Weight of the stand-ins' mean margin against the owner's. With it the worst innocent of a
    # LeNet-like owner fell from 0.88 to 0.62 at the same depth; copies stayed as they were.
    pressure: float = 2.0
    # Samples at most that copies are tried on, because each of a dozen copies is asked all of them.
    max_samples: int = 1000
    # Starts for each point wanted: some never get deep enough, and the best of the rest are chosen.
    starts_per_point: float = 3.0
    # Candidates for each point wanted; with fewer, a wider bound is tried.
    candidates_per_point: float = 1.1
    # A copy that keeps fewer of the owner's labels on natural samples is too broken to steal, and
    # no reason to go deeper.
    working_agreement: float = 0.8
    min_kept: float = 0.85  # until copies keep this share of the candidates, points go deeper
    ample_kept: float = 0.98  # from this share on, going deeper gains little
    final_kept: float = 0.90  # of the points chosen in the end; with less, the bundle is refused
    # Between min_kept and ample_kept points go deeper while stand-ins share no more than this.
    max_shared: float = 0.20
    # The same beyond ample_kept. Without this rule a residual owner of Fashion-MNIST would go on
    # from 1.7 to 2.4, where the closest innocent rises from 0.46 to 0.69.
    max_shared_if_ample: float = 0.12
    # If a stand-in shares more, the bundle is refused. On images stand-ins shared 0.06 to 0.54
    # where innocents stayed below 0.80, and 0.89 where they reached 1.00.
    veto_shared: float = 0.60
    # The same for everything but images: on eight tables stand-ins shared 0.47 to 1.00.
    veto_shared_rows: float = 0.35
    probe_points: int = 64  # points climbed without pressure to measure uniqueness
    # Least mean skill of the stand-ins, from guessing (0) to always right (1). Stand-ins that
    # learnt less share nothing because they know nothing.
    min_skill: float = 0.03


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    """What every climb of one fingerprint has in common.

    Attributes:
        request: The request.
        settings: The settings.
        strangers: Stand-ins that the climb avoids.
        starts: (n, *shape) float32 samples, or noise if there are no samples.
        targets: (n,) int64 classes that the starts are pushed to.
        unit: The owner's median margin at natural samples, in its scores.
        copies: Quick copies that points must survive.
    """

    request: Request
    settings: Settings
    strangers: tuple[StandIn, ...]
    starts: Tensor
    targets: Tensor
    unit: float
    copies: list[Copy]

    def climb(self, bound: float, *, pressed: bool) -> Climb:
        """Return a climb that avoids stand-ins, or a probe that doesn't."""
        settings = self.settings
        gait = Gait(settings.steps, settings.rate, settings.pressure)
        count = len(self.starts) if pressed else settings.probe_points
        return Climb(
            owner=self.request.owner,
            starts=self.starts[:count],
            targets=self.targets[:count],
            strangers=self.strangers if pressed else (),
            bound=bound,
            unit=self.unit,
            gait=gait,
            ways=self.request.ways if pressed else (),
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Candidates:
    """All points that reached one depth, and how copies and stand-ins answer there.

    Attributes:
        level: The depth, in natural margins.
        bound: Greatest change of a start, as a share of the input range.
        points: (n, *shape) float32; images are on the 8-bit grid.
        targets: (n,) int64, the owner's labels.
        kept: (copies, n) bool: where a copy gives the owner's label.
        shares: Stand-in -> share of the *probe's* points of this depth that get the owner's label.
    """

    level: float
    bound: float
    points: Tensor
    targets: Tensor
    kept: Tensor
    shares: dict[str, float]

    def hold(self, rows: Tensor | slice = slice(None)) -> float:
        """Return the share of points that the worst working copy keeps; NaN without copies."""
        return float(self.kept[:, rows].float().mean(1).min()) if len(self.kept) else math.nan

    def share(self) -> float:
        """Return the share of the stand-in that shares most; 0 if there are none."""
        return max(self.shares.values(), default=0.0)


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
    judged = _judged(task, candidates, chosen)
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
    return Findings(points, measured, judged.discrimination, judged.reason)


def _task(request: Request, settings: Settings) -> _Task:
    owner, naturals = request.owner, _naturals(request, settings.max_samples)
    best = owner.answers(naturals.points).topk(2, dim=1).values
    # An owner that can't decide on natural samples would make every depth infinite.
    unit = max(float((best[:, 0] - best[:, 1]).median()), 1e-3)
    copies = working_copies(owner, naturals.points, settings.working_agreement, request.seed)
    # Pruned, quantised and noisy weights say little about fine-tuning, so that is tried as well.
    if naturals.labels is not None:
        copies += tuned_copies(owner, naturals.points, naturals.labels, request.seed)
    starts = _starts(request, naturals, math.ceil(settings.starts_per_point * request.count))
    return _Task(
        request=request,
        settings=settings,
        strangers=request.strangers,
        starts=starts.points,
        targets=starts.targets,
        unit=unit,
        copies=copies,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Naturals:
    """Samples (n, *shape) with labels (n,) int64, or noise without labels in their place."""

    points: Tensor
    labels: Tensor | None


def _naturals(request: Request, most: int) -> _Naturals:
    """Draw samples in random order; if there are none, make uniform noise."""
    owner = request.owner
    generator = torch.Generator().manual_seed(request.seed)
    if request.samples is not None:
        rows = torch.randperm(len(request.samples.x), generator=generator)[:most]
        labels = sample_labels(owner, request.samples)[rows.to(owner.device)]
        return _Naturals(owner.tensor(request.samples.x[rows.numpy()]), labels)
    box = domain(owner)
    noise = torch.rand((most // 2, *owner.spec.shape), generator=generator).to(owner.device)
    return _Naturals(box.lower + noise * box.span, None)


@dataclass(frozen=True, slots=True, eq=False)
class _Starts:
    """Where points (n, *shape) start, and the classes (n,) int64 that they are pushed to."""

    points: Tensor
    targets: Tensor


def _starts(request: Request, naturals: _Naturals, count: int) -> _Starts:
    """Draw starts in random order, each with a random class other than the owner's label."""
    generator = torch.Generator().manual_seed(request.seed)
    total = len(naturals.points)
    # Each sample is used once before any is used again, then with another class.
    rounds = [torch.randperm(total, generator=generator) for _ in range(math.ceil(count / total))]
    starts = naturals.points[torch.cat(rounds)[:count].to(naturals.points.device)]
    classes = request.owner.record.classes
    shift = torch.randint(1, classes, (count,), generator=generator).to(starts.device)
    return _Starts(starts, (request.owner.answers(starts).argmax(1) + shift) % classes)


def _deep_enough(task: _Task) -> _Candidates | None:
    """Return points as deep as working copies need, and deeper while stand-ins don't follow.

    A wider bound is tried only if the narrower one gives too few points that are deep enough. The
    result is None if no bound gives 20 points at any depth.
    """
    settings, wanted = task.settings, task.request.count
    best: _Candidates | None = None
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


def _allowance(candidates: _Candidates, settings: Settings) -> float:
    """Return the stand-ins' share up to which deeper points are preferred to these."""
    # Robustness comes first: points that copies don't keep are worth nothing, however unique. The
    # less there is to gain by going deeper, the less uniqueness is risked for it.
    if not _robust(candidates, settings):
        return 1.0
    ample = candidates.hold() >= settings.ample_kept
    return settings.max_shared_if_ample if ample else settings.max_shared


def _robust(candidates: _Candidates, settings: Settings) -> bool:
    # Written with "not", because the share is NaN without copies, and then no depth is too small.
    return not candidates.hold() < settings.min_kept


def _deeper_and_deeper(task: _Task, bound: float) -> Iterator[_Candidates]:
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
        yield _Candidates(
            level=level,
            bound=bound,
            points=points,
            targets=targets,
            kept=kept,
            shares=_shares(task, probe, level),
        )


def _shares(task: _Task, probe: Climb, level: float) -> dict[str, float]:
    """Return for each stand-in the share of the probe's points that get the owner's label.

    After a climb that avoids stand-ins they agree on nothing, even on tables where every innocent
    agrees on everything; so only points climbed without that pressure can tell.
    """
    arrived = probe.to(level) if task.request.strangers else slice(0)
    points = snapped(probe.points[arrived], task.request.owner.spec)
    inputs = task.request.owner.inputs(points)
    return {
        stranger.name: _share(stranger, inputs, probe.targets[arrived])
        for stranger in task.request.strangers
    }


def _share(stranger: StandIn, inputs: Tensor, targets: Tensor) -> float:
    # Without points nothing was shown to be unique, which must not pass for uniqueness.
    if not len(inputs):
        return 1.0
    return float((stranger.answers(inputs).argmax(1) == targets).float().mean())


def _skill(task: _Task) -> float:
    """Return the stand-ins' mean accuracy, from guessing (0) to always right (1)."""
    chance = 1 / task.request.owner.record.classes
    accuracies = [stranger.accuracy for stranger in task.request.strangers]
    return (sum(accuracies) / len(accuracies) - chance) / (1 - chance)


def _recognised(task: _Task, points: Tensor, targets: Tensor) -> float:
    """Return the share of the chosen points that the closest stand-in gives the owner's label.

    It is 0 if the climb got away from all stand-ins.
    """
    inputs = task.request.owner.inputs(points)
    return max(_share(stranger, inputs, targets) for stranger in task.request.strangers)


def _chosen(task: _Task, candidates: _Candidates) -> Tensor:
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


def _judged(task: _Task, candidates: _Candidates, chosen: Tensor) -> Judgement:
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


def _judged_by_shares(task: _Task, kept: float, shared: float, closest: float) -> Judgement:
    """Judge by what the worst copy keeps and what stand-ins share.

    Args:
        task: Has the settings, and starts that tell images from rows.
        kept: Share of the chosen points that the worst copy keeps; NaN without copies.
        shared: Share of the probe's points that the closest stand-in shares.
        closest: The greater of that and of its share of the chosen points.
    """
    settings, no = task.settings, Discrimination.NOT_DISCRIMINATING
    veto = settings.veto_shared if task.starts.ndim == 4 else settings.veto_shared_rows
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


deepcore = Method(
    find_core_points,
    Settings,
    "Sun, Zhang, Li: DeepCore (ECML PKDD 2025), arXiv 2411.00380",
    # The climb itself takes transports into account, which no other method does.
    travels=True,
)
