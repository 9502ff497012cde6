"""What each reference model is, and the workshop that makes it."""

import hashlib
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch

from auditkit.owner.classifier import Owner
from auditkit.owner.copies import matrix_weights
from auditkit.owner.training import attacks, recipes

SCRATCH = "trained from scratch"
DROP = 0.15
"""A copy that lost more accuracy than this is made again, more mildly; then it counts as broken."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one model is made; a function of kind, number, seed and the attacks that are possible."""

    name: str
    kind: str
    how: str
    seed: int
    net: int
    """Of the model trained from scratch: 0 the owner's, 1 and 2 built-in ones."""
    student: int
    """The same of a net that learns from answers."""
    part: int
    augment: int = 0
    smoothing: float = 0.0
    attack: str = ""
    turn: int = 0


def recipe(kind: str, number: int, seed: int, possible: tuple[str, ...]) -> Recipe:
    """The recipe of one model.

    Args:
        kind: `homologous` or `pirated`.
        number: 0, 1, 2, … within its kind.
        seed: The run's.
        possible: The attacks that the owner's weights allow, in turns.
    """
    copied = kind == "pirated" or number % 3 == 2
    index = number if kind == "pirated" else number // 3 if copied else number - number // 3
    turn, slot = divmod(index, len(possible)) if copied else (0, 0)
    other = ", from another model" if copied and kind == "homologous" else ""
    how = possible[slot] + other if copied else SCRATCH
    digest = hashlib.sha256(f"{seed} {kind} {number}".encode()).digest()
    return Recipe(
        name=f"{kind}-{number:03}-{how.replace(',', '').replace(' ', '-')}",
        kind=kind,
        how=how,
        seed=int.from_bytes(digest[:4]),
        net=(0, 1, 0, 2)[(index + turn) % 4],
        student=(0, 1, 0, 2)[(turn + slot // 2) % 4],
        part=(index + index // 4) % 4,
        augment=index % len(recipes.AUGMENTS),
        smoothing=0.1 * (index // 3 % 2),
        attack=possible[slot] if copied else "",
        turn=turn,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Workshop:
    """All that a recipe needs."""

    owner: Owner
    data: recipes.Labelled
    held_out: recipes.Labelled
    """Never trained on."""
    epochs: int
    rate: float | None = None
    """At which the owner's architecture learns; None: it does not."""

    def tried(self) -> float | None:
        """The first rate that takes a fresh net half-way from chance to the owner's accuracy."""
        if not matrix_weights(self.owner.model.module):
            return None
        wanted = (recipes.accuracy(self.owner, self.held_out) + 1 / self.owner.record.classes) / 2
        first = recipe("homologous", 0, 0, ())
        for rate in recipes.RATES:
            net = replace(self, rate=rate).scratch(first)
            if recipes.accuracy(net, self.held_out) > wanted:
                return rate
        return None

    def fresh(self, net: int) -> tuple[Owner, float]:
        """An untrained net and its learning rate."""
        if net == 0 and self.rate is not None:
            return recipes.reinitialised(self.owner, self.data.inputs), self.rate
        name = recipes.BUILT_IN[self.data.inputs.ndim == 4][max(net - 1, 0)]
        return recipes.built_in(self.owner, name, self.data.inputs), recipes.RATES[0]

    def scratch(self, wanted: Recipe) -> Owner:
        """A net that has learnt the data's own labels."""
        generator = torch.Generator().manual_seed(wanted.seed)
        part = self.data.part(wanted.part, generator)
        augments = recipes.AUGMENTS if part.inputs.ndim == 4 else recipes.AUGMENTS[:1]
        augment = augments[wanted.augment % len(augments)]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(wanted.seed)
            net, rate = self.fresh(wanted.net)
            how = recipes.Training(self.epochs, generator, rate, augment, wanted.smoothing)
            return recipes.fit(net, part.inputs, part.labels, how)

    def copy(self, wanted: Recipe, parent: Owner, strength: float) -> Owner:
        """A model derived from another, with other data than that other had."""
        generator = torch.Generator().manual_seed(wanted.seed + 1)
        part = self.data.part((wanted.part + 1) % 4, generator)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(wanted.seed + 1)
            student = partial(self.fresh, wanted.student)
            job = attacks.Job(parent, part, student, self.epochs, generator, wanted.turn, strength)
            return attacks.ATTACKS[wanted.attack](job)

    def make(self, wanted: Recipe) -> tuple[Owner, dict[str, Any]]:
        """The model, and what the manifest says of it."""
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
            return net, entry | {"owner": "owner", "parents": ["owner"]}
        return net, entry | {"parents": [f"{wanted.name}-parent"] if wanted.attack else []}

    def entry(self, name: str, kind: str, how: str, net: Owner) -> dict[str, Any]:
        """What the manifest says of any model."""
        own = net.model.name == self.owner.model.name
        right = round(recipes.accuracy(net, self.held_out), 4)
        facts = {"net": recipes.OWN_NET if own else net.model.name, "accuracy": right}
        return {"name": name, "kind": kind, "how": how, **facts}
