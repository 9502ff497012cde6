"""Siblings: nets of the owner's architecture, trained anew, that show what innocents may share.

Stand-ins have other architectures, so they say nothing about innocent models of the owner's own
recipe, which can share every core point. Nets that learn the samples' labels share far fewer points
than such models do, because the samples are fewer than the owner's training data, and others.
Siblings therefore learn the owner's probabilities for the samples and for mixtures of them: they
know more about the owner than any innocent model does, but nothing of its weights
(docs/decisions/0008-siblings.md). They can only refuse a fingerprint: they choose no points, and no
error rate is computed from them.
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
from auditkit.owner.room import climbing_at_once
from auditkit.owner.samples import Samples
from auditkit.owner.shadows import means
from auditkit.owner.training import recipes

STAGE = "training siblings"
COUNT = 4
"""Number of siblings unless the user gives one. The largest share of four was above that of
true siblings on all nets but one in docs/decisions/0008-siblings.md."""
LONGEST = 600.0
"""Seconds that all trainings may take unless the user gave their number: a large net on a CPU
would keep a user waiting for hours who never heard of siblings."""
TIMED = 3
"""First steps of a training that are timed. The fastest counts: the others may load kernels."""
EPOCHS = 8
MIXES = 3
"""How often each sample is mixed with another one."""
SKILLED = 0.8
"""Share of the owner's skill (accuracy above chance) on held-out samples that a sibling must reach
to count: a net that did not learn the task shares no points, and would show nothing."""
FEWEST = 50
"""Fewest samples to train on; a fifth of them is held out."""
FROZEN = (
    "batch normalisation is frozen in the owner's file, so they are not quite of its architecture"
)


@dataclass(frozen=True, slots=True, eq=False)
class Sibling:
    """A net of the owner's architecture that learnt the owner's task."""

    net: Owner
    seed: int
    rate: float
    accuracy: float
    """Share of right answers on the held-out samples, 0..1."""


class _TooLongError(Exception):
    """All trainings would take too long; its argument is how many seconds."""


class _Watch:
    """Times the first steps of a training, and raises if all trainings would take too long.

    Nothing else depends on time, so that the same order gives the same siblings on any machine.
    """

    def __init__(self, steps: int, device: torch.device) -> None:
        self.steps = steps
        self.device = device
        self.fastest = math.inf
        self.seen = 0
        self.last = time.monotonic()

    def __call__(self) -> None:
        """Note that one step is done."""
        self.seen += 1
        if self.seen > TIMED:
            return
        # Kernels on a card run on after the call that started them returned.
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        now = time.monotonic()
        self.fastest = min(self.fastest, now - self.last)
        self.last = now
        if self.seen == TIMED and self.fastest * self.steps > LONGEST:
            raise _TooLongError(self.fastest * self.steps)


@dataclass(frozen=True, slots=True, eq=False)
class _Nursery:
    """Everything that siblings are trained from."""

    owner: Owner
    inputs: Tensor
    """(n, *shape) as the model takes them."""
    targets: Tensor
    """(n, classes): the owner's probabilities."""
    held_out: recipes.Labelled

    def watch(self, count: int) -> recipes.Hold:
        """Return what watches the first of `count` trainings."""
        turns = math.ceil(recipes.EPOCH / len(self.inputs))
        steps = turns * len(self.inputs) // recipes.ROWS
        return _Watch(count * EPOCHS * steps, self.owner.device)

    def raised(self, seed: int, rate: float, hold: recipes.Hold = lambda: None) -> Sibling:
        """Train one sibling from fresh weights."""
        torch.manual_seed(_apart(seed))
        generator = torch.Generator().manual_seed(seed)
        net = recipes.reinitialised(self.owner, self.inputs)
        how = recipes.Training(EPOCHS, generator, rate)
        recipes.fit(net, self.inputs, self.targets, how, hold=hold)
        return Sibling(net, seed, rate, recipes.accuracy(net, self.held_out))

    def wanted(self) -> float:
        """Return the least accuracy at which a sibling counts."""
        chance = 1 / self.owner.record.classes
        return chance + SKILLED * (recipes.accuracy(self.owner, self.held_out) - chance)


def train_siblings(
    owner: Owner,
    samples: Samples | None,
    count: int | None,
    seed: int,
    progress: Callable[[str, int, int], None],
) -> tuple[tuple[Sibling, ...], str]:
    """Train siblings of the owner, at the first learning rate at which one learns the task.

    Args:
        owner: The model whose architecture they get.
        samples: The samples that they learn from; None: nothing can be trained.
        count: How many to train, however long it takes; None: `COUNT`, if that fits into `LONGEST`.
        seed: Fixes weights, split and order; torch's global generator is left as it was.
        progress: Told before and after each training.

    Returns:
        The siblings that learnt the task; and why there are none, or what a reader must know about
        them, empty if nothing.
    """
    if count == 0:
        return (), "the fingerprint was made with --siblings 0"
    if samples is None:
        return (), "the fingerprint was made without samples"
    if len(samples.x) < FEWEST:
        return (), f"{len(samples.x)} samples are too few to learn from ({FEWEST} are needed)"
    if not matrix_weights(owner.model.module):
        return (), "the model has no weights to train; they may be frozen into constants"
    seconds = _least_seconds(owner, samples) if count is None else 0.0
    if seconds > LONGEST:
        return (), _too_long(seconds)
    # Modules draw fresh weights from the global generator, which belongs to the caller.
    devices = [owner.device] if owner.device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices):
            return _raised(_nursery(owner, samples, seed), count, seed, progress)
    except _TooLongError as long:
        return (), _too_long(long.args[0])
    except Exception as error:  # whatever an owner's own module raises when it is trained
        line = (str(error).strip().splitlines() or [type(error).__name__])[-1][:160]
        return (), f"the model can't be trained anew: {line}"


def _too_long(seconds: float) -> str:
    return (
        f"they would take about {seconds / 60:.0f} minutes on this machine; give --siblings "
        f"{COUNT} to train them anyway"
    )


def _least_seconds(owner: Owner, samples: Samples) -> float:
    """Return how long all trainings take at least, where a batch of them does not fit at once.

    Told by one small pass: to time a step of a large net would take gigabytes. It is 0 where
    steps fit and can be timed.
    """
    fits = climbing_at_once(owner.scores, owner.tensor(samples.x[:2]))
    if fits >= recipes.ROWS:
        return 0.0
    points = owner.tensor(samples.x[:fits]).requires_grad_()
    begun = time.monotonic()
    torch.autograd.grad(owner.scores(points).sum(), points)
    inputs = COUNT * EPOCHS * max(recipes.EPOCH, len(samples.x))
    return (time.monotonic() - begun) / len(points) * inputs


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
    """Return a seed that no owner was trained with by chance, as many are with 0.

    From the owner's own seed its architecture would draw the owner's first weights again, and a net
    that starts where the owner started is related to it: one such net shared every point.
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
