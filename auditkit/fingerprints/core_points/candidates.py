"""DeepCore's settings, its task, and the candidates of each depth."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from auditkit.core.fingerprint import VETO
from auditkit.core.points import FEWEST, point_digest
from auditkit.fingerprints.base import Request
from auditkit.fingerprints.core_points.starts import Starts
from auditkit.owner.ascent import Climb, Gait
from auditkit.owner.copies import Copy
from auditkit.owner.standins import StandIn
from auditkit.owner.transports import Transport

FIRST = 40
"""Starts that find the depth where passes are dear; elsewhere all starts find it."""


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
    # A forward pass of more floating-point operations is dear: with these, a level of 300 starts
    # takes a core about a minute. So is one of which fewer than `FIRST` fit into memory at once.
    dear_operations: int = 1 << 26
    dear_samples: int = 100  # in place of `max_samples` where passes are dear
    # The copies' share there at which points go no deeper, and which levels are tried.
    dear_kept: float = 0.95
    dear_levels: int = 3  # each third one, from that of natural samples on
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
    veto_shared: float = VETO
    # The same for everything but images: on eight tables stand-ins shared 0.47 to 1.00.
    veto_shared_rows: float = 0.35
    probe_points: int = 64  # points climbed without pressure to measure uniqueness
    # Least mean skill of the stand-ins, from guessing (0) to always right (1). Stand-ins that
    # learnt less share nothing because they know nothing.
    min_skill: float = 0.03


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """What every climb of one fingerprint has in common.

    Attributes:
        request: The request.
        settings: The settings.
        strangers: Stand-ins that the climb avoids.
        starts: Where points start, and where they are pushed to.
        unit: The owner's median margin at natural samples, in its scores.
        copies: Quick copies that points must survive.
        wanted: Candidates that are enough.
        is_dear: Whether passes are dear (`Settings.dear_operations`).
        fewest: Candidates without which there are no points.
    """

    request: Request
    settings: Settings
    strangers: tuple[StandIn, ...]
    starts: Starts
    unit: float
    copies: list[Copy]
    wanted: int
    is_dear: bool
    fewest: int = FEWEST

    def levels(self) -> tuple[float, ...]:
        """Return the depths that are tried one after the other."""
        every = self.settings.dear_levels
        return self.settings.levels[every::every] if self.is_dear else self.settings.levels

    def climb(self, bound: float, rows: slice) -> Climb:
        """Return a climb of these starts that avoids stand-ins."""
        targets = self.starts.targets[rows]
        return self._climb(rows, targets, bound, self.strangers, self.request.ways)

    def probe(self, bound: float) -> Climb:
        """Return a climb of the first starts that stand-ins don't hinder."""
        return self._climb(slice(len(self.starts.probed)), self.starts.probed, bound, (), ())

    def _climb(
        self,
        rows: slice,
        targets: Tensor,
        bound: float,
        strangers: tuple[StandIn, ...],
        ways: tuple[Transport, ...],
    ) -> Climb:
        return Climb(
            owner=self.request.owner,
            starts=self.starts.points(rows),
            targets=targets,
            strangers=strangers,
            bound=bound,
            unit=self.unit,
            gait=Gait(self.settings.steps, self.settings.rate, self.settings.pressure),
            ways=ways,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """All points that reached one depth, and how copies and stand-ins answer there.

    Attributes:
        level: The depth, in natural margins.
        bound: Greatest change of a start, as a share of the input range.
        points: (n, *shape) float32; images are on the 8-bit grid.
        targets: (n,) int64, the owner's labels.
        kept: (copies, n) bool: where a copy gives the owner's label.
        shares: Stand-in -> share of the *probe's* points of this depth that get the owner's label.
        starts: Starts that were climbed.
        cut_short: Whether time ran out first.
    """

    level: float
    bound: float
    points: Tensor
    targets: Tensor
    kept: Tensor
    shares: dict[str, float]
    starts: int
    cut_short: bool = False

    @staticmethod
    def none(level: float, bound: float, shares: dict[str, float]) -> "Candidates":
        """Return a depth without points."""
        nothing = torch.zeros(0)
        return Candidates(level, bound, nothing, nothing, nothing, shares, 0)

    def joined(self, other: "Candidates") -> "Candidates":
        """Return the points of both, which are of the same depth."""
        points = torch.cat([self.points, other.points])
        rows = first_of_each(points)
        return replace(
            self,
            points=points[rows],
            targets=torch.cat([self.targets, other.targets])[rows],
            kept=torch.cat([self.kept, other.kept], dim=1)[:, rows],
            starts=self.starts + other.starts,
        )

    def hold(self, rows: Tensor | slice = slice(None)) -> float:
        """Return the share of points that the worst working copy keeps; NaN without copies."""
        return float(self.kept[:, rows].float().mean(1).min()) if len(self.kept) else math.nan

    def share(self) -> float:
        """Return the share of the stand-in that shares most; 0 if there are none."""
        return max(self.shares.values(), default=0.0)


def first_of_each(points: Tensor) -> Tensor:
    """Return (n,) bool: which points are unlike all before them.

    Of few features, climbs may end in one corner of the domain.
    """
    digests = [point_digest(point) for point in points.cpu().numpy()]
    first = {digest: row for row, digest in reversed([*enumerate(digests)])}
    mask = torch.zeros(len(points), dtype=torch.bool, device=points.device)
    mask[list(first.values())] = True
    return mask


def share_of(stranger: StandIn, inputs: Tensor, targets: Tensor) -> float:
    """Return the share, 0..1, of model inputs (n, *shape) that a stand-in gives the targets (n,).

    It is 1 if there are no inputs.
    """
    # Without points nothing was shown to be unique, which must not pass for uniqueness.
    if not len(inputs):
        return 1.0
    return float((stranger.answers(inputs).argmax(1) == targets).float().mean())
