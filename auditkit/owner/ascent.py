"""Climbing away from the decision boundary: all points in one batch, finished ones leave it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from auditkit.owner.classifier import Owner
from auditkit.owner.standins import StandIn
from auditkit.owner.transports import Transport

KEPT = 0.5
"""Share of its depth that a point is to have after a transport."""


@dataclass(frozen=True, slots=True)
class Gait:
    """How a climb moves."""

    steps: int  # at most, for each level
    rate: float  # Adam's, as a share of the input range
    pressure: float  # weight of the stand-ins' mean margin beside the owner's


def margins(scores: Tensor, targets: Tensor) -> Tensor:
    """(n, classes), (n,) -> (n,): the target's score minus the best other one."""
    own = scores.gather(1, targets[:, None])[:, 0]
    others = scores.scatter(1, targets[:, None], -math.inf)
    return own - others.amax(1)


class Climb:
    """Adam on the owner's margin at the targets, away from what strangers recognise.

    Args:
        owner: Whose margin grows.
        starts: (n, *shape) in the owner's domain.
        targets: (n,) int64 classes.
        strangers: Stand-ins that must not follow; may be empty.
        bound: Greatest change of a start, as a share of the input range.
        unit: The margin that counts as 1, in the owner's scores.
        gait: Steps, rate and pressure.
        ways: Transports that the points are to survive, half as deep as without.
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
        lower, upper = (owner.tensor(edge) for edge in owner.spec.bounds())
        self.lower = torch.maximum(starts - bound * (upper - lower), lower)
        self.upper = torch.minimum(starts + bound * (upper - lower), upper)
        self.rate = min(gait.rate, bound / 4) * (upper - lower)
        self.points = starts.clone()
        self._mean, self._square = torch.zeros_like(starts), torch.zeros_like(starts)
        self._step = 0

    def to(self, level: float) -> Tensor:
        """Go on to a depth of `level` units.

        Returns:
            (n,) bool: where the owner is that deep and no stranger gives the target's label.
        """
        alive = torch.arange(len(self.points), device=self.points.device)
        for _ in range(self.gait.steps):
            if not len(alive):
                break
            alive = self._advance(alive, level)
        deep = margins(self.owner.answers(self.points), self.targets) >= level * self.unit
        return deep & ~self._recognised()

    def _advance(self, alive: Tensor, level: float) -> Tensor:
        """One step of the points `alive`; returns those that have not arrived."""
        points = self.points[alive].requires_grad_()
        targets = self.targets[alive]
        depth = margins(self.owner.scores(points), targets) / self.unit
        exposure = self._exposure(points, targets)
        left = self._left_on_the_way(points, targets, level)
        gain = depth - self.gait.pressure * exposure - left
        (slope,) = torch.autograd.grad(gain.sum(), points)
        going = (depth < level) | (exposure > 0) | (left > 0)
        self._move(alive[going], slope[going])
        return alive[going]

    def _exposure(self, points: Tensor, targets: Tensor) -> Tensor:
        """(n,): how far strangers are from a natural distance to the target, on average."""
        if not self.strangers:
            return torch.zeros(len(points), device=points.device)
        inputs = self.owner.inputs(points)
        distances = [
            margins(stranger.scores(inputs), targets) / stranger.margin + 1
            for stranger in self.strangers
        ]
        return torch.stack(distances).relu().mean(0)

    def _left_on_the_way(self, points: Tensor, targets: Tensor, level: float) -> Tensor:
        """(n,): how much depth is missing after the transports, in units, summed over them."""
        missing = torch.zeros(len(points), device=points.device)
        for way in self.ways:
            depth = margins(self.owner.scores(way(points)), targets) / self.unit
            missing = missing + (KEPT * level - depth).relu()
        return missing

    def _move(self, rows: Tensor, slope: Tensor) -> None:
        self._step += 1
        self._mean[rows] = 0.9 * self._mean[rows] + 0.1 * slope
        self._square[rows] = 0.999 * self._square[rows] + 0.001 * slope.square()
        mean = self._mean[rows] / (1 - 0.9**self._step)
        root = (self._square[rows] / (1 - 0.999**self._step)).sqrt()
        moved = self.points[rows] + self.rate * mean / (root + 1e-12)
        self.points[rows] = moved.clamp(self.lower[rows], self.upper[rows])

    def _recognised(self) -> Tensor:
        inputs = self.owner.inputs(self.points)
        recognised = torch.zeros(len(inputs), dtype=torch.bool, device=inputs.device)
        for stranger in self.strangers:
            recognised |= stranger.answers(inputs).argmax(1) == self.targets
        return recognised
