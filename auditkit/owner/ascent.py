"""Gradient steps on inputs: the climb away from the boundary, and single signed steps."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from auditkit.owner.classifier import Owner
from auditkit.owner.room import AtOnce, climbing_at_once
from auditkit.owner.standins import StandIn
from auditkit.owner.transports import Transport

KEPT = 0.5
"""Share of its depth that a point must have left after a transport. With 0.5 all robust points of
the measured owners kept their labels (docs/decisions/0006-remote.md)."""


@dataclass(frozen=True, slots=True, eq=False)
class Box:
    """Least and greatest value of each input element, as tensors that broadcast against points."""

    lower: Tensor
    upper: Tensor

    @property
    def span(self) -> Tensor:
        """The distance from the least value to the greatest."""
        return self.upper - self.lower

    def near(self, starts: Tensor, share: float) -> "Box":
        """Return the part of the box within `share` (0..1) of its span around each start."""
        reach = share * self.span
        return Box(
            torch.maximum(starts - reach, self.lower), torch.minimum(starts + reach, self.upper)
        )

    def clamp(self, points: Tensor) -> Tensor:
        """Move points (n, *shape) that lie outside to the edge of the box."""
        return torch.clamp(points, self.lower, self.upper)


def domain(owner: Owner) -> Box:
    """Return the owner's input domain, on its device."""
    lower, upper = owner.spec.bounds()
    return Box(owner.tensor(lower), owner.tensor(upper))


def signed_step(
    gain: Callable[[Tensor], Tensor], points: Tensor, length: Tensor, within: Box
) -> Tensor:
    """Take one step of projected signed gradient ascent (FGSM; PGD if it is repeated).

    Args:
        gain: Maps points to a scalar that is to grow.
        points: (n, *shape).
        length: The step of each element, broadcast against the points.
        within: The moved points are clamped to this box.
    """
    leaf = points.detach().requires_grad_()
    (slope,) = torch.autograd.grad(gain(leaf), leaf)
    return within.clamp(leaf.detach() + length * slope.sign())


@dataclass(frozen=True, slots=True)
class Gait:
    """Length and step size of a climb, and what it weighs."""

    steps: int
    """Adam steps at most, for each level of depth."""
    rate: float
    """Adam's learning rate as a share of the input range."""
    pressure: float
    """Weight of the stand-ins' mean margin against the owner's; 0: stand-ins are ignored."""


def margins(scores: Tensor, targets: Tensor) -> Tensor:
    """Return (n,): the target's score minus the best other one.

    Args:
        scores: (n, classes).
        targets: (n,) int64 classes.
    """
    own = scores.gather(1, targets[:, None])[:, 0]
    others = scores.scatter(1, targets[:, None], -math.inf)
    return own - others.amax(1)


class Climb:
    """Adam ascent of points on the owner's margin, away from what stand-ins recognise.

    As many points as fit climb in one batch, and a point that is deep enough leaves it; climbing
    them one by one is slower (`python -m experiments.speed` prints by how much). Adam is written
    out here because torch's own would go on moving the points that have left.

    Args:
        owner: The model whose margin at the targets grows.
        starts: (n, *shape) float32 in the owner's domain.
        targets: (n,) int64 classes.
        strangers: Stand-ins that must not follow; may be empty.
        bound: Greatest change of a start, as a share of the input range.
        unit: The margin, in the owner's scores, that depth is measured in.
        gait: Steps, rate and pressure.
        ways: Transports after which a point must keep half of its depth.
    """

    def __init__(
        self,
        owner: Owner,
        starts: Tensor,
        targets: Tensor,
        strangers: Sequence[StandIn],
        bound: float,
        unit: float,
        gait: Gait,
        ways: tuple[Transport, ...] = (),
    ) -> None:
        self.owner, self.targets, self.strangers = owner, targets, strangers
        self.unit, self.gait, self.ways = unit, gait, ways
        whole = domain(owner)
        self._box = whole.near(starts, bound)
        # Even a narrow bound leaves at least four steps from the start to its edge.
        self.rate = min(gait.rate, bound / 4) * whole.span
        self.points = starts.clone()
        self._mean, self._square = torch.zeros_like(starts), torch.zeros_like(starts)
        self._step = 0
        self._level = 0.0
        self._fit = AtOnce(
            climbing_at_once(lambda few: self._heights(few, targets[: len(few)])[0], starts)
        )

    def to(self, level: float) -> Tensor:
        """Go on from where the points are to a depth of `level` units.

        Returns:
            (n,) bool: where the owner is that deep and no stand-in gives the target's label.
        """
        # Points that arrived at an earlier level take part again, since this one is deeper.
        alive = torch.arange(len(self.points), device=self.points.device)
        self._level = level
        for _ in range(self.gait.steps):
            if not len(alive):
                break
            self._step += 1
            alive = self._fit.each(self._advance, alive)
        # Measured anew, because points whose steps ran out have moved since they were measured.
        deep = margins(self.owner.answers(self.points), self.targets) >= level * self.unit
        return deep & ~self._recognised()

    def _advance(self, alive: Tensor) -> Tensor:
        """Move the points with these row numbers; return those that had not arrived."""
        points = self.points[alive].requires_grad_()
        gain, going = self._heights(points, self.targets[alive])
        (slope,) = torch.autograd.grad(gain.sum(), points)
        self._move(alive[going], slope[going])
        return alive[going]

    def _heights(self, points: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return what is to grow, (n,), and which points have not arrived, (n,) bool."""
        depth = margins(self.owner.scores(points), targets) / self.unit
        exposure = self._exposure(points, targets)
        missing = self._missing_after_transport(points, targets)
        gain = depth - self.gait.pressure * exposure - missing
        return gain, (depth < self._level) | (exposure > 0) | (missing > 0)

    def _exposure(self, points: Tensor, targets: Tensor) -> Tensor:
        """Return (n,): how much too well stand-ins like the target, in natural margins, mean."""
        if not self.strangers:
            return torch.zeros(len(points), device=points.device)
        inputs = self.owner.inputs(points)
        # Each stand-in has its own scale of logits, so its margin is divided by its natural one.
        # The 1 asks it to doubt the target by a whole natural margin; there the pressure ends.
        distances = [
            margins(stranger.scores(inputs), targets) / stranger.margin + 1
            for stranger in self.strangers
        ]
        return torch.stack(distances).relu().mean(0)

    def _missing_after_transport(self, points: Tensor, targets: Tensor) -> Tensor:
        """Return (n,): the depth that is missing after each transport, in units, summed."""
        missing = torch.zeros(len(points), device=points.device)
        for way in self.ways:
            depth = margins(self.owner.scores(way(points)), targets) / self.unit
            missing = missing + (KEPT * self._level - depth).relu()
        return missing

    def _move(self, rows: Tensor, slope: Tensor) -> None:
        """Take one Adam step with these rows (Kingma and Ba's default decay rates)."""
        self._mean[rows] = 0.9 * self._mean[rows] + 0.1 * slope
        self._square[rows] = 0.999 * self._square[rows] + 0.001 * slope.square()
        mean = self._mean[rows] / (1 - 0.9**self._step)
        root = (self._square[rows] / (1 - 0.999**self._step)).sqrt()
        # Adam's usual 1e-8 would slow down points whose slopes are as small as that.
        moved = self.points[rows] + self.rate * mean / (root + 1e-12)
        self.points[rows] = moved.clamp(self._box.lower[rows], self._box.upper[rows])

    def _recognised(self) -> Tensor:
        """Return (n,) bool: whether any stand-in gives the target's label."""
        inputs = self.owner.inputs(self.points)
        recognised = torch.zeros(len(inputs), dtype=torch.bool, device=inputs.device)
        for stranger in self.strangers:
            recognised |= stranger.answers(inputs).argmax(1) == self.targets
        return recognised
