"""Makes copies of the owner as thieves would, to measure what a line-up can see.

An acquittal names the kinds of copies that it excludes, so each kind must have been made and seen.
The copies learn from samples that the line-up's points are not made of: a student of the very
points that it is asked would answer them like its teacher.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch

from auditkit.core.arrays import IntArray
from auditkit.core.progress import Progress
from auditkit.files.model_folder import TAUGHT
from auditkit.owner.classifier import Owner, sample_labels
from auditkit.owner.copies import Copy, changed, working_copies
from auditkit.owner.lineup import mixtures
from auditkit.owner.samples import Samples
from auditkit.owner.training import attacks, recipes

STAGE = "making copies to measure"
EPOCHS = 4
"""Passes over the data of a student; other copies take a share of them."""
EACH = 2
"""Copies of each kind that is trained."""
MIXES = 3
"""Students learn so many mixtures for each sample besides."""
DROP = 0.15
"""A copy that lost more accuracy than this on samples that it did not learn counts as broken:
nobody uses it. Where there are no labels, the owner's count as right."""


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredCopy:
    """A copy of the owner that can be made."""

    name: str
    how: str
    make: Callable[[], Owner]
    """Trains it, or changes the owner's weights; gives the same each time."""
    works: Callable[[Owner], bool]
    """Whether what was made is nearly as accurate as the owner; a broken one only shows that its
    kind was tried."""


def halves(samples: Samples, seed: int) -> tuple[Samples, Samples]:
    """Return two random halves of samples: to make points of, and to make copies from."""
    order = torch.randperm(len(samples.x), generator=torch.Generator().manual_seed(seed)).numpy()
    middle = -(-len(order) // 2)
    return _part(samples, order[:middle]), _part(samples, order[middle:])


def _part(samples: Samples, rows: IntArray) -> Samples:
    return Samples(samples.x[rows], None if samples.y is None else samples.y[rows])


def measured_copies(
    owner: Owner, learnt: Samples, held_out: Samples, seed: int, progress: Progress
) -> Iterator[MeasuredCopy]:
    """Yield copies of every kind that the owner's weights allow, each to be made in its turn.

    Args:
        owner: The model that is copied; afterwards it is as before.
        learnt: Samples that copies learn from.
        held_out: Samples that show whether a copy works.
        seed: Fixes everything random.
        progress: Told before each training.
    """
    points, labels = owner.tensor(learnt.x), sample_labels(owner, learnt)
    known, truth = owner.tensor(held_out.x), sample_labels(owner, held_out)

    def right(net: Owner) -> float:
        return float((net.answers(known).argmax(1) == truth).float().mean())

    least = right(owner) - DROP

    def works(net: Owner) -> bool:
        return right(net) >= least

    for copy in working_copies(owner, known, 0.0, seed):
        kind = next(word for word in ("pruned", "bits", "noise") if word in copy.name)
        how = {"bits": "quantised", "noise": "noisy"}.get(kind, kind)
        yield MeasuredCopy(copy.name, how, partial(_changed, owner, copy), works)

    def stolen(how: str, turn: int) -> Owner:
        data = recipes.Labelled(owner.inputs(points), labels)
        if how in TAUGHT:
            more = torch.cat([points, mixtures(points, MIXES * len(points), seed)])
            data = recipes.Labelled(owner.inputs(more), owner.answers(more).argmax(1))
        return _stolen(owner, data, how, turn, seed)

    wanted = [(how, turn) for how in attacks.possible(owner) for turn in range(EACH)]
    for number, (how, turn) in enumerate(wanted):
        progress(STAGE, number, len(wanted))
        yield MeasuredCopy(f"{how} {turn}", how, partial(stolen, how, turn), works)
    progress(STAGE, len(wanted), len(wanted))


def _changed(owner: Owner, copy: Copy) -> Owner:
    with changed(owner, copy):
        return recipes.duplicate(owner)


def _stolen(owner: Owner, data: recipes.Labelled, how: str, turn: int, seed: int) -> Owner:
    generator = torch.Generator().manual_seed(seed + turn)

    def student() -> recipes.Untrained:
        return recipes.Untrained(recipes.reinitialised(owner, data.inputs), recipes.RATES[0])

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed + turn + 1)
        job = attacks.Job(
            parent=owner,
            data=data,
            student=student,
            epochs=EPOCHS,
            generator=generator,
            turn=turn,
            strength=1.0,
        )
        return attacks.ATTACKS[how](job)
