"""The recipes: which models a population holds, and how each is made from data or from an owner."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from benchmarks.zoo.data import Data
from benchmarks.zoo.nets import NETS
from benchmarks.zoo.training import fit, logits, prunable, pruned


@dataclass(frozen=True, slots=True)
class Recipe:
    """One model: `parent` is the name of the owner it derives from.

    `kind` is owner, modified, retrained, adversarial, distilled or homologous.
    """

    name: str
    kind: str
    net: str
    build: Callable[[Data, nn.Module], nn.Module]
    parent: str | None = None


def recipes(owners: list[str], others: list[str], epochs: int) -> Iterator[Recipe]:
    """Everything made for these owner nets; owners come before what derives from them."""
    for net in owners:
        yield Recipe(f"{net}-owner", "owner", net, _trained(net, epochs, 0))
    for net in owners:
        yield Recipe(f"{net}-seed", "homologous", net, _trained(net, epochs, 1))
        yield Recipe(f"{net}-smoothed", "homologous", net, _trained(net, epochs, 2, smoothing=0.1))
        yield Recipe(f"{net}-half1", "homologous", net, _trained(net, epochs, 3, stop=0.5))
        yield Recipe(f"{net}-half2", "homologous", net, _trained(net, epochs, 4, start=0.5))
    for net in others:
        yield Recipe(f"{net}-other", "homologous", net, _trained(net, epochs, 5))
    for net in owners:
        yield from _derived(net, others[0], epochs)


def _derived(net: str, other: str, epochs: int) -> Iterator[Recipe]:
    parent = f"{net}-owner"
    modified: dict[str, Callable[[Data, nn.Module], nn.Module]] = {
        "ftll": _tuned(head_only=True, fresh_head=False, epochs=max(epochs // 3, 3)),
        "ftal": _tuned(head_only=False, fresh_head=False, epochs=max(epochs // 3, 3)),
        "rtll": _tuned(head_only=True, fresh_head=True, epochs=max(epochs // 3, 3)),
        "prune20": _pruned(0.2),
        "prune40": _pruned(0.4),
        "prune60": _pruned(0.6),
        "prune60ft": _pruned_and_tuned(0.6, epochs),
        "noise": _noised,
    }
    for name, build in modified.items():
        yield Recipe(f"{net}-{name}", "modified", net, build, parent)
    retrained = _tuned(head_only=False, fresh_head=True, epochs=max(epochs // 3, 3))
    yield Recipe(f"{net}-rtal", "retrained", net, retrained, parent)
    yield Recipe(f"{net}-advft", "adversarial", net, _adversarially_tuned, parent)
    yield Recipe(f"{net}-kd", "distilled", net, _distilled(net, epochs, soft=True), parent)
    yield Recipe(f"{net}-kd-{other}", "distilled", other, _distilled(other, epochs, True), parent)
    yield Recipe(f"{net}-labels", "distilled", net, _distilled(net, epochs, soft=False), parent)


def new(net: str, data: Data, seed: int) -> nn.Module:
    """A freshly initialised net for this data."""
    torch.manual_seed(seed)
    return NETS[net](data.shape, data.classes).to(memory_format=torch.channels_last)


def _trained(
    net: str,
    epochs: int,
    seed: int,
    *,
    smoothing: float = 0.0,
    start: float = 0.0,
    stop: float = 1.0,
) -> Callable[[Data, nn.Module], nn.Module]:
    def build(data: Data, _parent: nn.Module) -> nn.Module:
        part = data.pool.part(start, stop)
        return fit(
            new(net, data, seed), part.x, part.y, epochs=epochs, seed=seed, smoothing=smoothing
        )

    return build


def _tuned(
    *, head_only: bool, fresh_head: bool, epochs: int
) -> Callable[[Data, nn.Module], nn.Module]:
    def build(data: Data, parent: nn.Module) -> nn.Module:
        net = copy.deepcopy(parent)
        if fresh_head:
            torch.manual_seed(6)
            net.head.reset_parameters()
        parameters = net.head.parameters() if head_only else net.parameters()
        lr = 1e-2 if head_only else 1e-3 if fresh_head else 5e-4
        return fit(
            net, data.thief.x, data.thief.y, epochs=epochs, seed=6, lr=lr, parameters=parameters
        )

    return build


def _pruned(share: float) -> Callable[[Data, nn.Module], nn.Module]:
    def build(_data: Data, parent: nn.Module) -> nn.Module:
        return pruned(copy.deepcopy(parent), share)

    return build


def _pruned_and_tuned(share: float, epochs: int) -> Callable[[Data, nn.Module], nn.Module]:
    def build(data: Data, parent: nn.Module) -> nn.Module:
        net = copy.deepcopy(parent)
        layers = prunable(net)
        for layer in layers:
            prune.l1_unstructured(layer, "weight", share)
        fit(net, data.thief.x, data.thief.y, epochs=epochs, seed=7, lr=1e-3)
        for layer in layers:
            prune.remove(layer, "weight")
        return net

    return build


@torch.no_grad()
def _noised(_data: Data, parent: nn.Module) -> nn.Module:
    net = copy.deepcopy(parent)
    generator = torch.Generator().manual_seed(8)
    for weight in net.parameters():
        if weight.ndim > 1:
            noise = torch.randn(weight.shape, generator=generator)
            weight.add_(0.1 * weight.std() * noise)
    return net


def _adversarially_tuned(data: Data, parent: nn.Module) -> nn.Module:
    net = copy.deepcopy(parent)
    return fit(net, data.thief.x, data.thief.y, epochs=4, seed=9, lr=5e-4, adversarial_eps=8 / 255)


def _distilled(net: str, epochs: int, soft: bool) -> Callable[[Data, nn.Module], nn.Module]:
    def build(data: Data, parent: nn.Module) -> nn.Module:
        x = torch.cat([data.thief.x, data.pool.x[: 2 * len(data.thief.x)]])
        scores = logits(parent, x)
        targets: Tensor = scores.softmax(1) if soft else scores.argmax(1)
        return fit(new(net, data, 10), x, targets, epochs=epochs, seed=10)

    return build
