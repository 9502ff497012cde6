"""Siblings: nets of the owner's architecture, trained anew, that show what innocents may share.

Stand-ins are other architectures and say nothing about innocents of the owner's own recipe, who can
share every core point. Nets that learn the samples' labels understate them by far, for the samples
are fewer than the owner's training data, and others. So siblings learn the owner's probabilities
for the samples and for mixtures of them: more of the owner than any innocent knows, but none of its
weights (docs/decisions/0008-siblings.md). They refuse fingerprints, never choose points and never
price a verdict.
"""

import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from auditkit.owner.classifier import Owner, sample_labels
from auditkit.owner.copies import matrix_weights
from auditkit.owner.samples import Samples
from auditkit.owner.shadows import means
from auditkit.owner.training import recipes

STAGE = "training siblings"
COUNT = 4
"""Where nobody says how many."""
LONGEST = 600.0
"""Seconds that these may take in all; longer ones are trained only where their number is given."""
TIMED = 3
"""First steps of a training, the fastest of which counts: others open kernels or compile."""
EPOCHS = 8
MIXES = 3
"""Times each sample is mixed with another."""
SKILLED = 0.8
"""Of the owner's skill on held-out samples: what a sibling must reach to count."""
VETO = 0.60
"""Share of core points that no sibling may exceed: the same as of stand-ins."""
FEWEST = 50
"""Samples, a fifth of them held out, below which nothing is trained."""
FROZEN = (
    "batch normalisation is frozen in the owner's file, so they are not quite of its architecture"
)


@dataclass(frozen=True, slots=True, eq=False)
class Sibling:
    """A net that had the owner's architecture and learnt its task."""

    net: Owner
    seed: int
    rate: float
    accuracy: float
    """Share of right answers on the fifth of the samples that it was not trained on, 0..1."""


class _TooLongError(Exception):
    """Carries the seconds that all trainings would take."""


class _Watch:
    """Looks at the first steps of a training, and raises where all trainings would take too long.

    Nothing else depends on time.
    """

    def __init__(self, steps: int, device: torch.device) -> None:
        self.steps = steps
        self.device = device
        self.fastest = math.inf
        self.seen = 0
        self.last = time.monotonic()

    def __call__(self) -> None:
        """A step is done."""
        self.seen += 1
        if self.seen > TIMED:
            return
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        now = time.monotonic()
        self.fastest = min(self.fastest, now - self.last)
        self.last = now
        if self.seen == TIMED and self.fastest * self.steps > LONGEST:
            raise _TooLongError(self.fastest * self.steps)


@dataclass(frozen=True, slots=True, eq=False)
class _Nursery:
    """All that a sibling is trained from."""

    owner: Owner
    inputs: Tensor
    """(n, *shape) as the model takes them."""
    targets: Tensor
    """(n, classes): the owner's probabilities."""
    held_out: recipes.Labelled

    def watch(self, count: int) -> recipes.Hold:
        """Over the first of so many trainings."""
        turns = math.ceil(recipes.EPOCH / len(self.inputs))
        steps = turns * len(self.inputs) // recipes.ROWS
        return _Watch(count * EPOCHS * steps, self.owner.device)

    def raised(self, seed: int, rate: float, hold: recipes.Hold = lambda: None) -> Sibling:
        """One net from fresh weights."""
        torch.manual_seed(_apart(seed))
        generator = torch.Generator().manual_seed(seed)
        net = recipes.reinitialised(self.owner, self.inputs)
        how = recipes.Training(EPOCHS, generator, rate)
        recipes.fit(net, self.inputs, self.targets, how, hold=hold)
        return Sibling(net, seed, rate, recipes.accuracy(net, self.held_out))

    def wanted(self) -> float:
        """The least accuracy that counts."""
        chance = 1 / self.owner.record.classes
        return chance + SKILLED * (recipes.accuracy(self.owner, self.held_out) - chance)


def train_siblings(
    owner: Owner,
    samples: Samples | None,
    count: int | None,
    seed: int,
    progress: Callable[[str, int, int], None],
) -> tuple[tuple[Sibling, ...], str]:
    """Train them, by a rate at which the first one learns the task.

    Args:
        owner: Whose architecture they get.
        samples: What they learn from.
        count: How many are wanted, however long that takes; None: `COUNT`, where that fits into
            `LONGEST`.
        seed: Fixes weights, split and order; torch's global generator is left as it was.
        progress: Told before and after each.

    Returns:
        Those that learnt the task, and why there are none, or what a reader must know of them.
    """
    if count == 0:
        return (), "the fingerprint was made with --siblings 0"
    if samples is None:
        return (), "the fingerprint was made without samples"
    if len(samples.x) < FEWEST:
        return (), f"{len(samples.x)} samples are too few to learn from ({FEWEST} are needed)"
    if not matrix_weights(owner.model.module):
        return (), "the model has no weights to train; they may be frozen into constants"
    devices = [owner.device] if owner.device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices):
            return _raised(_nursery(owner, samples, seed), count, seed, progress)
    except _TooLongError as long:
        return (), (
            f"they would take about {long.args[0] / 60:.0f} minutes on this machine; give "
            f"--siblings {COUNT} to train them anyway"
        )
    except Exception as error:  # whatever an owner's own module raises when it is trained
        line = (str(error).strip().splitlines() or [type(error).__name__])[-1][:160]
        return (), f"the model can't be trained anew: {line}"


def _nursery(owner: Owner, samples: Samples, seed: int) -> _Nursery:
    points = owner.tensor(samples.x)
    order = torch.randperm(len(points), generator=torch.Generator().manual_seed(seed))
    held_out, own = order.to(owner.device).tensor_split([len(order) // 5])
    labels = sample_labels(owner, samples)[held_out]
    known = recipes.Labelled(owner.inputs(points[held_out]), labels)
    learnt = [points[own], *(means(points[own], seed + number) for number in range(MIXES))]
    asked = torch.cat(learnt)
    return _Nursery(owner, owner.inputs(asked), owner.answers(asked).softmax(1), known)


def _apart(seed: int) -> int:
    """A seed that no owner was trained with by chance, as with 0.

    From the owner's own seed its architecture draws the owner's first weights again, and a net that
    starts where the owner started is no innocent: it is related, and can share every point.
    """
    return int.from_bytes(hashlib.sha256(f"siblings {seed}".encode()).digest()[:7])


def _raised(
    nursery: _Nursery, wish: int | None, seed: int, progress: Callable[[str, int, int], None]
) -> tuple[tuple[Sibling, ...], str]:
    count = COUNT if wish is None else wish
    progress(STAGE, 0, count)
    wanted = nursery.wanted()
    hold = nursery.watch(count) if wish is None else (lambda: None)
    for rate in recipes.RATES:
        first = nursery.raised(seed, rate, hold)
        if first.accuracy >= wanted:
            break
    else:
        return (), (
            f"nets of its architecture learnt too little from the samples: {first.accuracy:.0%} "
            f"right, {wanted:.0%} are needed; give more samples"
        )
    siblings = [first]
    for number in range(1, count):
        progress(STAGE, number, count)
        siblings.append(nursery.raised(seed + number, rate))
    progress(STAGE, count, count)
    frozen = recipes.frozen_normalisation(nursery.owner, nursery.inputs)
    kept = tuple(sibling for sibling in siblings if sibling.accuracy >= wanted)
    return kept, FROZEN if frozen else ""
