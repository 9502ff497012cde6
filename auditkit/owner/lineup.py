"""Points that treat the owner and its twins alike, for a line-up.

Points that were made to tell the owner alone, as DeepCore's are, can't be scored on twins: they
were chosen because *it* stands out. Here every rule is symmetric in all members of the line-up.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.optim import Adam

from auditkit.core.arrays import BoolArray, DoubleArray, IntArray, JsonObject
from auditkit.core.progress import Progress
from auditkit.files.unfinished import NOWHERE, Part, Unfinished
from auditkit.owner.ascent import domain, margins
from auditkit.owner.classifier import Owner, snapped
from auditkit.owner.room import AtOnce, climbing_at_once

STEPS = 80
"""Adam steps of the climb, unless told otherwise."""
RATE = 0.05
"""Adam's learning rate as a share of the input range."""
BOUND = 0.5
"""Greatest change of a sample as a share of the input range: inputs stay near natural ones."""
DEPTH = 2.0
"""Margin, in each member's median margin at natural samples, beyond which it climbs no further."""
EVERY = 60.0
"""Seconds after which the climb is kept, so that an interrupted run goes on from there."""
CLIMB, MOMENTS = "climb with the twins", ("exp_avg", "exp_avg_sq")
"""The name of what is kept, and those of Adam's own numbers in it."""
SHARES = (0.5, 0.7, 0.6)
"""Shares of the first sample in mixtures of two, round by round."""


@dataclass(frozen=True, slots=True, eq=False)
class Twin:
    """One run of the owner's recipe with other random numbers."""

    name: str
    digest: str
    scores: Callable[[Tensor], Tensor]
    """Maps points (n, *shape) of the owner's domain to (n, classes) scores, without gradients."""
    net: Owner | None
    """The model that points can be climbed on; None where its file gives no gradients."""
    facts: JsonObject = field(default_factory=dict)
    """What its folder says of it, such as seed and accuracy."""


def joint_points(
    members: Sequence[Owner],
    starts: Tensor,
    seed: int,
    progress: Progress,
    steps: int = STEPS,
    unfinished: Unfinished = NOWHERE,
) -> Tensor:
    """Climb each input until every member is sure of a random class of its own.

    The labels at these points are a code of each member: its copies keep the code, and to everybody
    else the codes of all members are alike. One input serves all members, so that a suspect is
    asked no more however many twins there are.

    Args:
        members: The owner and its twins.
        starts: (n, *shape) samples in the owner's domain.
        seed: Fixes the classes.
        progress: Told before each step.
        steps: Adam steps.
        unfinished: Where the climb is kept now and then, and goes on from.

    Returns:
        (n, *shape); images are on the 8-bit grid.
    """
    generator = torch.Generator().manual_seed(seed)
    classes = members[0].record.classes
    codes = torch.randint(classes, (len(members), len(starts)), generator=generator)
    codes = codes.to(starts.device)
    crowd = _Crowd(members, codes, [_unit(member, starts) for member in members])
    together = AtOnce(min(climbing_at_once(member.scores, starts) for member in members))
    order = torch.arange(len(starts), device=starts.device)
    whole = domain(members[0])
    box = whole.near(starts, BOUND)
    change = torch.zeros_like(starts, requires_grad=True)  # as a share of the range
    adam = Adam([change], lr=RATE)
    begun, kept = _resumed(adam, change, unfinished), time.monotonic()
    for step in range(begun, steps):
        progress("climbing with the twins", step, steps)
        points = (starts + change * whole.span).detach()
        change.grad = -together.each(partial(crowd.slope, points), order)
        adam.step()
        with torch.no_grad():
            change.copy_((box.clamp(starts + change * whole.span) - starts) / whole.span)
        if time.monotonic() - kept >= EVERY:
            _keep(adam, change, step + 1, unfinished)
            kept = time.monotonic()
    # Shares of the range, multiplied again, may end a last digit outside.
    return snapped(box.clamp(starts + change * whole.span).detach(), members[0].spec)


def _keep(adam: Adam, change: Tensor, step: int, unfinished: Unfinished) -> None:
    state = {name: adam.state[change][name].cpu().numpy() for name in MOMENTS}
    now = change.detach().cpu().numpy()
    unfinished.keep(CLIMB, Part({"change": now, **state}, {"step": step}))


def _resumed(adam: Adam, change: Tensor, unfinished: Unfinished) -> int:
    """Set a climb to where it was kept; return how many of its steps are done."""
    part = unfinished.kept(CLIMB)
    if part is None:
        return 0
    found = {name: torch.from_numpy(rows).to(change.device) for name, rows in part.arrays.items()}
    step = int(part.facts["step"])
    with torch.no_grad():
        change.copy_(found["change"])
    moments = {name: found[name] for name in MOMENTS}
    adam.state[change] = {"step": torch.tensor(float(step)), **moments}
    return step


@dataclass(frozen=True, slots=True)
class _Crowd:
    """The members that climb together."""

    members: Sequence[Owner]
    codes: Tensor
    """(members, n) int64: each member's class at each point."""
    units: Sequence[float]
    """What each member's margins are measured in, so that all of them pull alike."""

    def slope(self, points: Tensor, rows: Tensor) -> Tensor:
        """Return (rows, *shape): where all members become surer of their codes at these rows."""
        slopes = torch.zeros_like(points[rows])
        for member, code, unit in zip(self.members, self.codes, self.units, strict=True):
            leaf = points[rows].requires_grad_()
            depth = (margins(member.scores(leaf), code[rows]) / unit).clamp_max(DEPTH)
            slopes += torch.autograd.grad(depth.sum(), leaf)[0]
        return slopes


def _unit(member: Owner, naturals: Tensor) -> float:
    best = member.answers(naturals).topk(2, dim=1).values
    return max(float((best[:, 0] - best[:, 1]).median()), 1e-3)


def mixtures(points: Tensor, count: int, seed: int) -> Tensor:
    """Return (count, *shape): means of each point and another one, in several shares."""
    generator = torch.Generator().manual_seed(seed)
    made = []
    for number in range(-(-count // len(points))):
        share = SHARES[number % len(SHARES)]
        order = torch.randperm(len(points), generator=generator).to(points.device)
        made.append(share * points + (1 - share) * points[order])
    return torch.cat([points[:0], *made])[:count]


def most_disputed(labels: IntArray, count: int) -> IntArray:
    """Return the rows of the points on which members agree least, the most disputed first.

    Args:
        labels: (members, n).
        count: How many rows, n at most.
    """
    pairs = (labels[:, None] == labels[None]).mean(axis=(0, 1))
    rows: IntArray = np.argsort(pairs, kind="stable")[:count]
    return rows


def undisputed(labels: IntArray, sureness: DoubleArray, truth: IntArray, count: int) -> IntArray:
    """Return rows of points on which all members are right, one of each class in turns.

    Args:
        labels: (members, n).
        sureness: (n,) the members' mean sureness; within a class the surest comes first.
        truth: (n,) the right classes.
        count: How many rows at most.
    """
    right: BoolArray = (labels == truth).all(axis=0)
    order = [row for row in np.argsort(-sureness, kind="stable").tolist() if right[row]]
    turns: dict[int, int] = {}
    keyed = []
    for row in order:
        kind = int(truth[row])
        keyed.append((turns.get(kind, 0), row))
        turns[kind] = turns.get(kind, 0) + 1
    rows: IntArray = np.array([row for _, row in sorted(keyed, key=lambda pair: pair[0])], np.int64)
    return rows[:count]
