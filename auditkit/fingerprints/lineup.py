"""Points for a line-up: which of the owner and its twins does a suspect resemble most?

DeepCore's idea (Sun, Zhang, Li; ECML PKDD 2025, arXiv 2411.00380) with a background: copies of a
model behave alike where its confidence is extreme, and twins, runs of the owner's recipe with other
random numbers, show what innocents do there. Departures from the paper, each of them measured
(docs/decisions/0010-line-up.md):

- *Core points* are climbed by the owner and all twins at once, each towards a random class of its
  own. The labels at them are a code of each member, which copies keep, and nobody else knows.
- *Disputed points* are samples and mixtures of two on which the members agree least. Students share
  them with their teacher.
- *Natural points* are further ones, which files are asked because they cost nothing.
- *Controls* are samples on which all members are right.

Every choice treats owner and twins alike, so that the owner's rank is an exact p-value.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from auditkit.core.arrays import DoubleArray, IntArray
from auditkit.core.fingerprint import VETO, Discrimination
from auditkit.core.points import CONTROL, DISPUTED, NATURAL
from auditkit.fingerprints.base import Findings, Method, Need, Request
from auditkit.owner.ascent import domain
from auditkit.owner.classifier import snapped
from auditkit.owner.copies import copy_labels, working_copies
from auditkit.owner.lineup import STEPS, joint_points, mixtures, most_disputed, undisputed
from auditkit.owner.tuned import tuned_copies
from auditkit.owner.uniqueness import KEPT, NATURALS, WORKING, Uniqueness

__all__ = ["lineup"]

MOST_BYTES = 1 << 26
"""Natural points take at most so much room in a bundle."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How many points of each family; core points are those that the user asks for."""

    questions: int = 195
    """Points that every suspect is asked; with five of them twice it is 200."""
    controls: int = 30
    """At least so many, and two of each class as long as they are at most a third of all."""
    natural: int = 4000
    """Points that only files are asked."""
    steps: int = STEPS
    """Steps of the climb to core points; each asks the owner and every twin once."""


def find_line_up_points(request: Request, settings: Settings) -> Findings:
    """Find the points of a line-up.

    Raises:
        FingerprintError: Samples or twins are missing.
    """
    owner = request.owner
    points, truth = request.naturals()
    core = _core_points(request, points, settings.steps)
    seen = _seen(request, points)
    wanted = min(max(settings.controls, 2 * owner.record.classes), settings.questions // 3)
    controls = undisputed(seen.labels, seen.sureness, truth.cpu().numpy(), wanted)
    rest = points[np.setdiff1d(np.arange(len(points)), controls)]
    free = min(settings.natural, MOST_BYTES // (4 * math.prod(owner.spec.shape)))
    mixed = _mixed(request, rest, max(free - len(rest), len(rest)))
    candidates = torch.cat([rest, mixed])
    left = max(0, settings.questions - len(core) - len(controls))
    disputed = most_disputed(_seen(request, candidates).labels, left)
    others = np.setdiff1d(np.arange(len(candidates)), disputed)[:free]
    families = {
        CONTROL: points[controls],
        DISPUTED: candidates[disputed],
        NATURAL: candidates[others],
    }
    judged = _judged(request, core)
    return Findings(
        points=core.cpu().numpy(),
        parameters=judged.facts,
        discrimination=judged.discrimination,
        reason=judged.reason,
        families={name: rows.cpu().numpy() for name, rows in families.items() if len(rows)},
    )


def _mixed(request: Request, points: Tensor, count: int) -> Tensor:
    # Rounding may put a mean of two values just outside the bounds.
    made = domain(request.owner).clamp(mixtures(points, count, request.seed))
    return snapped(made, request.owner.spec)


def _core_points(request: Request, points: Tensor, steps: int) -> Tensor:
    """Climb with owner and twins; where a twin gives no gradients, take disputed samples."""
    nets = [twin.net for twin in request.twins if twin.net is not None]
    if len(nets) < len(request.twins):
        mixed = torch.cat([points, _mixed(request, points, len(points))])
        return mixed[most_disputed(_seen(request, mixed).labels, request.count)]
    generator = torch.Generator().manual_seed(request.seed)
    rounds = -(-request.count // len(points))
    order = [torch.randperm(len(points), generator=generator) for _ in range(rounds)]
    starts = points[torch.cat(order)[: request.count].to(points.device)]
    members = [request.owner, *nets]
    return joint_points(members, starts, request.seed, request.progress, steps, request.unfinished)


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """What the owner and its twins answer to points."""

    labels: IntArray
    """(members, n)."""
    sureness: DoubleArray
    """(n,) each member's margin in its own median margin, averaged."""


def _seen(request: Request, points: Tensor) -> _Seen:
    labels, sureness = [], np.zeros(len(points))
    for scores in (request.owner.answers, *(twin.scores for twin in request.twins)):
        best = scores(points).topk(2, dim=1)
        margin = (best.values[:, 0] - best.values[:, 1]).cpu().numpy().astype(np.float64)
        labels.append(best.indices[:, 0].cpu().numpy())
        sureness += margin / max(float(np.median(margin)), 1e-3)
    return _Seen(np.stack(labels), sureness / len(labels))


def _judged(request: Request, core: Tensor) -> Uniqueness:
    """Say whether core points tell copies from twins by the owner's labels alone."""
    owner, naturals = request.owner, request.naturals()
    rows = slice(NATURALS)
    copies = working_copies(owner, naturals[0][rows], WORKING, request.seed)
    copies += tuned_copies(owner, naturals[0][rows], naturals[1][rows], WORKING, request.seed)
    own = owner.answers(core).argmax(1)
    kept = (copy_labels(owner, core, copies) == own).float().mean(1)
    least = round(float(kept.min()), 4) if len(copies) else 0.0
    shared = max(
        round(float((twin.scores(core).argmax(1) == own).float().mean()), 4)
        for twin in request.twins
    )
    told = f"working copies keep at least {least:.0%} of the core points, twins share {shared:.0%}"
    enough = least >= KEPT and shared <= VETO
    found = Discrimination.DISCRIMINATING if enough else Discrimination.NOT_DISCRIMINATING
    return Uniqueness(found, told, {"copies keep": least, "twins share": shared})


lineup = Method(
    find_line_up_points,
    Settings,
    "after Sun, Zhang, Li: DeepCore (ECML PKDD 2025), arXiv 2411.00380, and Zhu et al.: "
    "Independence tests for language models (ICML 2025), arXiv 2502.12292",
    needs=(Need.SAMPLES, Need.TWINS),
)
