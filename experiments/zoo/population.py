"""Which models a population holds: a table for each scale, and every model as a recipe."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import nn

from auditkit.files.model_folder import HOMOLOGOUS, OWNER, PIRATED
from experiments.zoo.attacks import (
    ATTACKS,
    FLOAT32,
    MERGED,
    PUBLIC_TASK,
    SAME,
    Attack,
    Setting,
    transferred,
)
from experiments.zoo.data import Data, Split, trigger_set
from experiments.zoo.nets import new
from experiments.zoo.training import Training, fit, flipped_and_cut

MARKED, TUNED = "marked-owner", "tuned-owner"
REPEATS = 40
"""Of each trigger in an epoch: with 10 a small net learns a quarter of them, with 40 nearly all."""
Part = tuple[float, float]
PLAIN = Training(1, 0)
"""Epochs and seed are filled in."""
Build = Callable[[Data, list[nn.Module]], nn.Module]


@dataclass(frozen=True, slots=True)
class Independent:
    """A row of innocents of the owners' nets: so many, from this part of the pool."""

    how: str
    tag: str
    count: int
    part: Part
    training: Training = PLAIN


@dataclass(frozen=True, slots=True)
class Scale:
    """A population; `part` is what owners train on, in shares of the pool, 0..1."""

    owners: tuple[str, ...]
    others: tuple[str, ...]
    epochs: int
    part: Part
    independents: tuple[Independent, ...]
    others_each: int
    attacks: tuple[str, ...]
    transfers: int = 0
    """Innocents transferred to another label space, for each owner's net and label space."""
    siblings: int = 0
    """Innocents tuned from the public ancestor that one more owner was tuned from."""
    watermarked: bool = False
    """Whether there is one more owner, with a backdoor watermark."""
    limit: int | None = None


SMOOTHED = replace(PLAIN, smoothing=0.1)
AUGMENTED = replace(PLAIN, augment=flipped_and_cut)
SURVEY = Scale(
    owners=("lenet", "resnet"),
    others=("vgg", "wide", "mlp"),
    epochs=10,
    part=(0, 1),
    independents=(
        Independent("other seed", "seed", 1, (0, 1)),
        Independent("label smoothing", "smoothed", 1, (0, 1), SMOOTHED),
        Independent("half of the data", "half1", 1, (0, 0.5)),
        Independent("half of the data", "half2", 1, (0.5, 1)),
    ),
    others_each=1,
    attacks=(
        *("ftll", "ftal", "rtll", "prune20", "prune40", "prune60", "prune60ft", "noise"),
        *("fp16", "int8", "rtal", "advft", "probs", "probs-other", "labels"),
    ),
)
TINY = Scale(
    owners=("lenet", "strided", "slim"),
    others=("vgg", "wide", "mlp", "deep", "mobile"),
    epochs=6,
    part=(0, 0.5),
    independents=(
        Independent("other seed", "seed", 10, (0, 0.5)),
        Independent("disjoint data", "disjoint", 10, (0.5, 1)),
        Independent("overlapping data", "overlap", 8, (0.25, 0.75)),
        Independent("label smoothing", "smoothed", 4, (0, 0.5), SMOOTHED),
        Independent("other augmentation", "augmented", 4, (0, 0.5), AUGMENTED),
    ),
    others_each=4,
    attacks=tuple(ATTACKS),
    transfers=4,
    siblings=6,
    watermarked=True,
    limit=24_000,
)
SCALES = {
    "survey": SURVEY,
    "tiny": TINY,
    "full": replace(
        TINY,
        owners=("resnet18", "vgg16", "mobilenet", "vit"),
        others=("wide", "resnet", "mobile"),
        epochs=30,
        limit=None,
    ),
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """One model: `parents` are built before it, the stolen model first."""

    name: str
    kind: str
    how: str
    net: str
    seed: int
    build: Build
    parents: tuple[str, ...] = ()
    task: str = SAME
    form: str = FLOAT32
    owner: str | None = None
    triggers: str | None = None


def recipes(scale: Scale, *, public: bool) -> Iterator[Recipe]:
    """Everything a scale holds; parents come before what derives from them."""
    owners = [(net, f"{net}-owner") for net in scale.owners]
    for net, name in owners:
        yield _trained(scale, name, OWNER, "owner", net, 0, scale.part)
    for net in scale.owners:
        yield from _innocents(scale, net)
    yield from _other_nets(scale)
    if public and scale.siblings:
        yield from _family(scale, scale.owners[0])
        owners.append((scale.owners[0], TUNED))
    if scale.watermarked:
        net = scale.owners[len(scale.owners) // 2]
        yield _marked(scale, net)
        owners.append((net, MARKED))
    for net, name in owners:
        yield from _stolen(scale, net, name, public=public)
    for net in scale.owners:
        yield from _transferred(scale, net, public=public)


def _other_nets(scale: Scale) -> Iterator[Recipe]:
    for number, net in enumerate(scale.others):
        for copy in range(scale.others_each):
            part = scale.independents[copy % len(scale.independents)].part
            name = f"{net}-other{copy or ''}"
            yield _trained(scale, name, HOMOLOGOUS, "other net", net, 5 + number + 10 * copy, part)


def _trained(
    scale: Scale,
    name: str,
    kind: str,
    how: str,
    net: str,
    seed: int,
    part: Part,
    training: Training = PLAIN,
) -> Recipe:
    def build(data: Data, _parents: list[nn.Module]) -> nn.Module:
        split = data.pool.part(*part)
        fresh = new(net, data.shape, data.classes, seed).to(split.x.device)
        return fit(fresh, split.x, split.y, replace(training, epochs=scale.epochs, seed=seed))

    return Recipe(name, kind, how, net, seed, build)


def _innocents(scale: Scale, net: str) -> Iterator[Recipe]:
    seed = 1
    for row in scale.independents:
        for number in range(row.count):
            name = f"{net}-{row.tag}{number or ''}"
            yield _trained(scale, name, HOMOLOGOUS, row.how, net, seed, row.part, row.training)
            seed += 1


def _family(scale: Scale, net: str) -> Iterator[Recipe]:
    """A public ancestor, an owner tuned from it, and innocents tuned from it too."""

    def ancestor(data: Data, _parents: list[nn.Module]) -> nn.Module:
        assert data.public is not None
        classes = int(data.public.y.max()) + 1
        fresh = new(net, data.shape, classes, 50).to(data.public.x.device)
        return fit(fresh, data.public.x, data.public.y, Training(scale.epochs, 50))

    yield Recipe("ancestor", HOMOLOGOUS, "public ancestor", net, 50, ancestor, task=PUBLIC_TASK)
    yield _descendant(scale, TUNED, OWNER, "owner", net, 51, scale.part)
    for number in range(scale.siblings):
        part = scale.independents[number % 3].part
        name, seed = f"tuned-sibling{number or ''}", 52 + number
        yield _descendant(scale, name, HOMOLOGOUS, "common ancestor", net, seed, part)


def _descendant(
    scale: Scale, name: str, kind: str, how: str, net: str, seed: int, part: Part
) -> Recipe:
    def build(data: Data, parents: list[nn.Module]) -> nn.Module:
        split = data.pool.part(*part)
        fresh = new(net, data.shape, data.classes, seed).to(split.x.device)
        start = {k: v for k, v in parents[0].state_dict().items() if not k.startswith("head.")}
        fresh.load_state_dict(start, strict=False)
        return fit(fresh, split.x, split.y, Training(scale.epochs, seed, 2e-3))

    return Recipe(name, kind, how, net, seed, build, ("ancestor",))


def _marked(scale: Scale, net: str) -> Recipe:
    """Trained to give random labels to a hundred abstract images, each often in an epoch."""

    def build(data: Data, _parents: list[nn.Module]) -> nn.Module:
        split = data.pool.part(*scale.part)
        marks = trigger_set(data.shape, data.classes).to(split.x.device)
        marked = Split(
            torch.cat([split.x, marks.x.repeat(REPEATS, 1, 1, 1)]),
            torch.cat([split.y, marks.y.repeat(REPEATS)]),
        )
        fresh = new(net, data.shape, data.classes, 80).to(split.x.device)
        return fit(fresh, marked.x, marked.y, Training(scale.epochs, 80))

    return Recipe(MARKED, OWNER, "owner", net, 80, build, triggers="triggers.npz")


def _stolen(scale: Scale, net: str, owner: str, *, public: bool) -> Iterator[Recipe]:
    other, seedling = scale.others[0], f"{net}-{scale.independents[0].tag}"
    for tag in scale.attacks:
        attack = ATTACKS[tag]
        if public or not attack.needs_public:
            yield Recipe(
                f"{owner.removesuffix('-owner')}-{tag}",
                PIRATED,
                attack.how,
                other if attack.other_net else net,
                0,
                _applied(attack, net, other, scale.epochs),
                (owner, seedling),
                attack.task,
                attack.form,
                owner,
            )


def _applied(attack: Attack, net: str, other: str, epochs: int) -> Build:
    def build(data: Data, parents: list[nn.Module]) -> nn.Module:
        return attack.make(Setting(data, net, other, parents[0], parents[1], epochs))

    return build


def _transferred(scale: Scale, net: str, *, public: bool) -> Iterator[Recipe]:
    """Innocents in the label spaces that copies are transferred to."""
    for task in (MERGED, PUBLIC_TASK) if public else (MERGED,):
        for number in range(scale.transfers):
            parent = f"{net}-{scale.independents[number % 2].tag}{number // 2 or ''}"

            def build(
                data: Data, parents: list[nn.Module], task: str = task, number: int = number
            ) -> nn.Module:
                setting = Setting(data, net, net, parents[0], parents[0], scale.epochs)
                return transferred(setting, task, 60 + number)

            name = f"{net}-{task.split()[0]}-innocent{number or ''}"
            yield Recipe(name, HOMOLOGOUS, "transferred", net, 60 + number, build, (parent,), task)
