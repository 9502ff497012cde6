"""The recipe of each reference model, and the workshop that makes models from recipes."""

import hashlib
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import torch

from auditkit.core.arrays import JsonObject
from auditkit.owner.classifier import Owner
from auditkit.owner.copies import matrix_weights
from auditkit.owner.training import attacks, recipes
from auditkit.owner.training.augments import AUGMENTS

SCRATCH = "trained from scratch"
DROP = 0.15
"""A copy that lost more accuracy than this, 0..1, is made again by a milder attack, and counts as
broken if that loses as much. The benchmark's population has the same limit."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one model is made.

    It follows from the kind, the number, the seed and the possible attacks alone, so that a run
    that was killed can go on where it stopped.
    """

    name: str
    kind: str
    """`homologous` or `pirated`."""
    how: str
    """The manifest's words for it."""
    seed: int
    net: int
    """Net of the model that is trained from scratch: 0 the owner's, 1 and 2 built-in ones."""
    student: int
    """Net that learns from answers, if the attack needs one; numbered alike."""
    part: int
    """Part of the data, as `recipes.Labelled.part` numbers it."""
    augment: int = 0
    """Number of the augmentation in `augments.AUGMENTS`."""
    smoothing: float = 0.0
    attack: str = ""
    """Name of the attack; empty: none."""
    turn: int = 0
    """How often all attacks were gone through before."""


class Made(NamedTuple):
    """A finished model, and its entry in the manifest."""

    net: Owner
    entry: JsonObject


def recipe(kind: str, number: int, seed: int, possible: tuple[str, ...]) -> Recipe:
    """Return the recipe of one model.

    Args:
        kind: `homologous` or `pirated`.
        number: 0, 1, 2, … within its kind.
        seed: The run's seed.
        possible: The attacks that the owner's weights allow; copies take turns among them.
    """
    # Every third independent model is a copy of another independent model: a method that takes
    # whatever looks copied for a copy of this owner accuses innocent students.
    copied = kind == "pirated" or number % 3 == 2
    index = number if kind == "pirated" else number // 3 if copied else number - number // 3
    turn, slot = divmod(index, len(possible)) if copied else (0, 0)
    other = ", from another model" if copied and kind == "homologous" else ""
    how = possible[slot] + other if copied else SCRATCH
    # Hashed, so that neighbouring numbers and seeds don't share random numbers.
    digest = hashlib.sha256(f"{seed} {kind} {number}".encode()).digest()
    return Recipe(
        name=f"{kind}-{number:03}-{how.replace(',', '').replace(' ', '-')}",
        kind=kind,
        how=how,
        seed=int.from_bytes(digest[:4]),
        # Half of the nets are of the owner's architecture, whose innocents come closest. The turn
        # is added, or every copy by one attack would be of the same net.
        net=(0, 1, 0, 2)[(index + turn) % 4],
        student=(0, 1, 0, 2)[(turn + slot // 2) % 4],
        part=(index + index // 4) % 4,
        augment=index % len(AUGMENTS),
        smoothing=0.1 * (index // 3 % 2),
        attack=possible[slot] if copied else "",
        turn=turn,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Workshop:
    """Everything that recipes need: the owner, the data and the epochs."""

    owner: Owner
    data: recipes.Labelled
    held_out: recipes.Labelled
    """Data that no model is trained on, to measure accuracy."""
    epochs: int
    """Epochs of a net that is trained from scratch."""
    rate: float | None = None
    """Peak learning rate at which the owner's architecture learns; None: it learns at none, and
    built-in nets take its place."""

    def tried(self) -> float | None:
        """Return the first rate at which a fresh net of the owner's architecture learns the task.

        It has learnt it if it comes half-way from chance to the owner's accuracy.
        """
        if not matrix_weights(self.owner.model.module):
            return None
        wanted = (recipes.accuracy(self.owner, self.held_out) + 1 / self.owner.record.classes) / 2
        first = recipe("homologous", 0, 0, ())
        for rate in recipes.RATES:
            net = replace(self, rate=rate).scratch(first)
            if recipes.accuracy(net, self.held_out) > wanted:
                return rate
        return None

    def fresh(self, net: int) -> recipes.Untrained:
        """Return an untrained net by its number in a recipe."""
        inputs = self.data.inputs
        if net == 0 and self.rate is not None:
            return recipes.Untrained(recipes.reinitialised(self.owner, inputs), self.rate)
        name = recipes.BUILT_IN[inputs.ndim == 4][max(net - 1, 0)]
        return recipes.Untrained(recipes.built_in(self.owner, name, inputs), recipes.RATES[0])

    def scratch(self, wanted: Recipe) -> Owner:
        """Train a net on the data's own labels."""
        generator = torch.Generator().manual_seed(wanted.seed)
        part = self.data.part(wanted.part, generator)
        augments = AUGMENTS if part.inputs.ndim == 4 else AUGMENTS[:1]
        augment = augments[wanted.augment % len(augments)]
        # Fresh weights and dropout draw from torch's global generator, which belongs to the caller.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(wanted.seed)
            fresh = self.fresh(wanted.net)
            how = recipes.Training(
                epochs=self.epochs,
                generator=generator,
                rate=fresh.rate,
                augment=augment,
                smoothing=wanted.smoothing,
            )
            return recipes.fit(fresh.net, part.inputs, part.labels, how)

    def copy(self, wanted: Recipe, parent: Owner, strength: float) -> Owner:
        """Make a copy of another model.

        Args:
            wanted: Names the attack.
            parent: The model that is copied; it is not changed.
            strength: 1, or less for a milder attack.
        """
        generator = torch.Generator().manual_seed(wanted.seed + 1)
        # Another part than a parent from scratch had, since thieves have data of their own.
        part = self.data.part((wanted.part + 1) % 4, generator)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(wanted.seed + 1)
            student = partial(self.fresh, wanted.student)
            job = attacks.Job(
                parent=parent,
                data=part,
                student=student,
                epochs=self.epochs,
                generator=generator,
                turn=wanted.turn,
                strength=strength,
            )
            return attacks.ATTACKS[wanted.attack](job)

    def make(self, wanted: Recipe) -> Made:
        """Make a model by its recipe; a ruined copy is made once more, by a milder attack."""
        parent = self.owner if wanted.kind == "pirated" else self.scratch(wanted)
        net, broken = parent, False
        least = recipes.accuracy(parent, self.held_out) - DROP
        for strength in (1.0, 0.5) if wanted.attack else ():
            net = self.copy(wanted, parent, strength)
            broken = recipes.accuracy(net, self.held_out) < least
            if not broken:
                break
        entry = self.entry(wanted.name, wanted.kind, wanted.how, net)
        entry |= {"seed": wanted.seed, "epochs": self.epochs, "broken": broken}
        if wanted.kind == "pirated":
            return Made(net, entry | {"owner": "owner", "parents": ["owner"]})
        return Made(net, entry | {"parents": [f"{wanted.name}-parent"] if wanted.attack else []})

    def entry(self, name: str, kind: str, how: str, net: Owner) -> JsonObject:
        """Return the part of a manifest's entry that any model has."""
        own = net.model.name == self.owner.model.name
        right = round(recipes.accuracy(net, self.held_out), 4)
        facts = {"net": recipes.OWN_NET if own else net.model.name, "accuracy": right}
        return {"name": name, "kind": kind, "how": how, **facts}
