"""Populations of clothes, 20 classes of photographs, and handwritten digits.

The nets are small but for those of `full`, which is for a card.
"""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from experiments.lineup.population import (
    COPY,
    INNOCENT,
    OWNER,
    TWIN,
    TWINS,
    Folder,
    Job,
    Population,
    right,
)
from experiments.zoo.attacks import ATTACKS, PUBLIC_TASK, Attack, Setting, task_classes, task_split
from experiments.zoo.data import Data, Split, load
from experiments.zoo.nets import new
from experiments.zoo.population import AUGMENTED, PLAIN, SMOOTHED, Part
from experiments.zoo.training import Training, fit

SAMPLES = 2000
WHOLE: Part = (0, 1)
FIRST_HALF, SECOND_HALF, MIDDLE = (0, 0.5), (0.5, 1), (0.25, 0.75)
INDEPENDENT = "inn-seed"
"""The first innocents differ from the owner in nothing but the seed, as twins do."""


@dataclass(frozen=True, slots=True)
class Innocent:
    """Innocents that were made in one way."""

    how: str
    net: str
    part: Part
    training: Training = PLAIN
    count: int = 1


@dataclass(frozen=True, slots=True)
class Plan:
    """A population in numbers."""

    net: str
    other: str
    """What copies of another architecture are."""
    epochs: int
    part: Part
    """What the owner and its twins train on, in shares of the pool."""
    innocents: tuple[Innocent, ...]
    limit: int | None = None
    classes: int | None = None
    copied: bool = True
    """Whether copies are made as well."""


def _same_net(net: str, part: Part) -> tuple[Innocent, ...]:
    return (
        Innocent("seed", net, part, count=4),
        Innocent("smoothed", net, part, SMOOTHED),
        Innocent("augmented", net, part, AUGMENTED),
    )


def _other_nets(part: Part, nets: tuple[str, ...]) -> tuple[Innocent, ...]:
    return tuple(Innocent("other", net, part) for net in nets)


DIGIT_OTHERS = (
    *("strided", "vgg", "mlp", "deep", "lenet"),
    *("wide", "slim", "mobile", "resnet"),
)


def _digits(net: str) -> Plan:
    """Many innocents of a net that learns in seconds; of its siblings half were accused once."""
    other = {"mlp": "deep", "deep": "lenet", "lenet": "mlp"}[net]
    return Plan(
        net,
        other,
        6,
        FIRST_HALF,
        (
            Innocent("seed", net, FIRST_HALF, count=30),
            Innocent("smoothed", net, FIRST_HALF, SMOOTHED, count=8),
            Innocent("augmented", net, FIRST_HALF, AUGMENTED, count=8),
            Innocent("disjoint", net, SECOND_HALF, count=12),
            Innocent("overlap", net, MIDDLE, count=12),
            Innocent("other", other, FIRST_HALF, count=10),
            *_other_nets(SECOND_HALF, DIGIT_OTHERS),
        ),
        limit=6_000,
        copied=False,
    )


FASHION_OTHERS = ("vgg", "wide", "mlp", "deep", "mobile", "slim", "resnet", "lenet")
PLANS = {
    "fashion": Plan(
        "strided",
        "vgg",
        6,
        FIRST_HALF,
        (
            *_same_net("strided", FIRST_HALF),
            Innocent("disjoint", "strided", SECOND_HALF, count=4),
            Innocent("overlap", "strided", MIDDLE, count=3),
            *_other_nets(FIRST_HALF, FASHION_OTHERS),
        ),
        limit=24_000,
    ),
    "cifar": Plan(
        "slim",
        "vgg",
        18,
        WHOLE,
        (
            *_same_net("slim", WHOLE),
            Innocent("half1", "slim", FIRST_HALF),
            Innocent("half2", "slim", SECOND_HALF),
            *_other_nets(WHOLE, ("vgg", "resnet", "mobile", "deep", "wide", "strided")),
        ),
        classes=20,
    ),
    "full": Plan(
        "resnet18",
        "vgg16",
        12,
        WHOLE,
        (
            *_same_net("resnet18", WHOLE),
            Innocent("half1", "resnet18", FIRST_HALF),
            Innocent("half2", "resnet18", SECOND_HALF),
            *_other_nets(WHOLE, ("vgg16", "mobilenet", "resnet")),
        ),
        classes=20,
    ),
    "digits-mlp": _digits("mlp"),
    "digits-deep": _digits("deep"),
    "digits-lenet": _digits("lenet"),
}


CPU = torch.device("cpu")


def small(name: str, path: Path, public: Path | None, device: torch.device = CPU) -> Population:
    """The population of a plan.

    Args:
        name: One of `PLANS`.
        path: The task's images.
        public: Another task's, which copies are transferred to; None where no copies are made.
        device: Where they are trained.
    """
    plan = PLANS[name]
    data = load(path, public=public, limit=plan.limit, classes=plan.classes).to(device)

    def accuracy(net: nn.Module, task: str) -> float:
        public = data.public if task == PUBLIC_TASK else None
        split = data.held_out if public is None else public.part(0.8, 1)
        return right(net, split.x, task_split(split, task).y)

    def fresh(net: str, classes: int) -> nn.Module:
        return new(net, data.shape, classes, 0).to(device)

    return Population(
        name=name,
        shape=data.shape,
        jobs=tuple(_jobs(plan, data, fresh)),
        fresh=fresh,
        whole=lambda net: net,
        accuracy=accuracy,
        classes=lambda task: task_classes(data, task),
        samples=Split(data.held_out.x[:SAMPLES], data.held_out.y[:SAMPLES]).to(CPU),
    )


def fashion_twin(seed: int) -> nn.Module:
    """For `auditkit twins --train`; the data files lie in the folder that one works in."""
    return _trained(PLANS["fashion"], _loaded("fashion", "fashion_mnist.npz", "mnist.npz"), seed)


def cifar_twin(seed: int) -> nn.Module:
    """For `auditkit twins --train`; the data files lie in the folder that one works in."""
    return _trained(
        PLANS["cifar"], _loaded("cifar", "cifar100_train.npz", "fashion_mnist.npz"), seed
    )


@functools.cache
def _loaded(name: str, path: str, public: str) -> Data:
    plan = PLANS[name]
    return load(Path(path), public=Path(public), limit=plan.limit, classes=plan.classes)


def _trained(plan: Plan, data: Data, seed: int, innocent: Innocent | None = None) -> nn.Module:
    """The owner's recipe, or an innocent's."""
    chosen = innocent or Innocent("", plan.net, plan.part)
    split = data.pool.part(*chosen.part)
    net = new(chosen.net, data.shape, data.classes, seed).to(split.x.device)
    return fit(net, split.x, split.y, replace(chosen.training, epochs=plan.epochs, seed=seed))


def _jobs(plan: Plan, data: Data, fresh: Callable[[str, int], nn.Module]) -> Iterator[Job]:
    def own(seed: int, innocent: Innocent | None = None) -> Callable[[Folder], nn.Module]:
        return lambda _folder: _trained(plan, data, seed, innocent)

    yield Job("owner", plan.net, OWNER, "owner", own(0))
    for number in range(1, TWINS + 1):
        yield Job(f"twin{number}", plan.net, TWIN, "twin", own(100 + number))
    wanted = [one for one in plan.innocents for _ in range(one.count)]
    for number, one in enumerate(wanted):
        name = f"inn-{one.how}-{one.net}-{number}"
        yield Job(name, one.net, INNOCENT, one.how, own(300 + number, one))
    for tag, attack in ATTACKS.items() if plan.copied else ():
        if not attack.needs_public or attack.task == PUBLIC_TASK:
            net = plan.other if attack.other_net else plan.net
            build = _stolen(plan, data, fresh, attack)
            yield Job(f"copy-{tag}", net, COPY, attack.how, build, attack.task)


def _stolen(
    plan: Plan, data: Data, fresh: Callable[[str, int], nn.Module], attack: Attack
) -> Callable[[Folder], nn.Module]:
    def build(folder: Folder) -> nn.Module:
        independent = min(n for n in folder.records() if n.startswith(INDEPENDENT))
        parents = []
        for name in ("owner", independent):
            net = fresh(plan.net, data.classes)
            net.load_state_dict(folder.state(name))
            parents.append(net.eval())
        return attack.make(Setting(data, plan.net, plan.other, *parents, plan.epochs))

    return build
