"""How deep core points climb: as working copies need, and deeper while stand-ins don't follow.

Where a forward and backward pass is dear, a first batch of starts finds that depth, and the others
climb straight to it, batch by batch, until there are enough points.
"""

from collections.abc import Iterator
from dataclasses import replace

from torch import Tensor

from auditkit.fingerprints.core_points.candidates import (
    FIRST,
    Candidates,
    Settings,
    Task,
    first_of_each,
    share_of,
)
from auditkit.owner.ascent import Climb
from auditkit.owner.classifier import snapped
from auditkit.owner.copies import copy_labels
from auditkit.owner.room import give_back_memory
from auditkit.owner.transports import surviving


def climbed(task: Task) -> Candidates | None:
    """Return points of the right depth; None if fewer than 20 starts reach the least depth."""
    if not task.is_dear or len(task.starts) <= FIRST:
        return _deep_enough(task)
    share = FIRST / len(task.starts)
    few = replace(
        task,
        starts=task.starts.first(FIRST),
        wanted=max(1, round(share * task.wanted)),
        fewest=max(1, round(share * task.fewest)),
    )
    first = _deep_enough(few)
    return None if first is None else _filled(task, first)


def _filled(task: Task, first: Candidates) -> Candidates | None:
    """Climb further starts straight to the depth of the first ones, until there are enough."""
    found = first
    while found.starts < len(task.starts) and len(found.points) < task.wanted:
        if len(found.points) >= task.fewest and task.request.is_late():
            found = replace(found, cut_short=True)
            break
        task.request.progress("climbing", len(found.points), task.wanted)
        found = found.joined(_straight(task, first, slice(found.starts, found.starts + FIRST)))
        give_back_memory()
    return found if len(found.points) >= task.fewest else None


def _straight(task: Task, first: Candidates, rows: slice) -> Candidates:
    """Return the points of these starts that reach the depth of the first ones."""
    climb = task.climb(first.bound, rows)
    arrived = climb.to(first.level)
    for _ in range(task.levels().index(first.level)):
        # What did not get nearer in a whole round won't arrive.
        before, arrived = arrived, climb.to(first.level)
        if arrived.all() or bool((arrived == before).all()):
            break
    return _candidates(task, climb, arrived, first)


def _deep_enough(task: Task) -> Candidates | None:
    """Return points as deep as working copies need, and deeper while stand-ins don't follow.

    A wider bound is tried only if the narrower one gives too few points that are deep enough. The
    result is None if no bound gives the fewest points at any depth.
    """
    settings = task.settings
    best: Candidates | None = None
    for bound in settings.bounds:
        widest = bound == settings.bounds[-1]
        for found in _deeper_and_deeper(task, bound):
            # Within the widest bound there is nothing left to try, so fewer points will do.
            if len(found.points) < (task.fewest if widest else task.wanted):
                break
            if best is not None and found.share() > _allowance(best, settings):
                return best
            best = found
            # Copies of large nets keep such points at any depth, so there is little to gain.
            if task.is_dear and best.hold() >= settings.dear_kept:
                return best
            if task.request.is_late():
                return replace(best, cut_short=True)
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
    climb, probe = task.climb(bound, slice(None)), task.probe(bound)
    levels = task.levels()
    for number, level in enumerate(levels):
        task.request.progress(f"climbing within {bound:.0%}", number, len(levels))
        arrived = climb.to(level)
        depth = Candidates.none(level, bound, _shares(task, probe, level))
        yield _candidates(task, climb, arrived, depth)


def _candidates(task: Task, climb: Climb, arrived: Tensor, depth: Candidates) -> Candidates:
    """Return the points that arrived, as a suspect would get them, and what copies say of them."""
    request = task.request
    points, targets = snapped(climb.points[arrived], request.owner.spec), climb.targets[arrived]
    # Rounding to 8 bits may undo the label of a point just beyond the boundary.
    still = request.owner.answers(points).argmax(1) == targets
    still &= first_of_each(points)
    still &= surviving(request.owner, points, targets, request.ways)
    points, targets = points[still], targets[still]
    kept = copy_labels(request.owner, points, task.copies) == targets
    return replace(depth, points=points, targets=targets, kept=kept, starts=len(arrived))


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
