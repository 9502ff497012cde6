"""What thieves do: each attack maps data, the stolen model and helpers to a copy of it."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from experiments.zoo import pruning
from experiments.zoo.data import Data, Split
from experiments.zoo.datafree import datafree
from experiments.zoo.nets import new
from experiments.zoo.training import Training, fit, logits

FLOAT32, FLOAT16, INT8 = "float32", "float16", "int8"
SAME = ""
MERGED = "merged classes"
PUBLIC_TASK = "public task"


@dataclass(frozen=True, slots=True)
class Setting:
    """What an attack has at hand: the data, the parent's net, another net, an independent model."""

    data: Data
    net: str
    other: str
    parent: nn.Module
    independent: nn.Module
    epochs: int

    @property
    def thief(self) -> Split:
        """The thief's own labelled data."""
        return self.data.thief

    def copy(self) -> nn.Module:
        """The stolen model, to be changed in place."""
        return copy.deepcopy(self.parent)


@dataclass(frozen=True, slots=True)
class Attack:
    """One row of the benchmark's table is one `how`."""

    how: str
    make: Callable[[Setting], nn.Module]
    form: str = FLOAT32
    task: str = SAME
    other_net: bool = False
    needs_public: bool = False


def task_split(split: Split, task: str) -> Split:
    """The same inputs with a task's own labels."""
    return Split(split.x, split.y // 2) if task == MERGED else split


def task_classes(data: Data, task: str) -> int:
    """How many labels a task has."""
    if task == PUBLIC_TASK:
        assert data.public is not None
        return int(data.public.y.max()) + 1
    return (data.classes + 1) // 2 if task == MERGED else data.classes


def tuned(setting: Setting, *, head_only: bool, fresh_head: bool, seed: int = 6) -> nn.Module:
    """FTLL, FTAL, RTLL, RTAL of the literature."""
    net = setting.copy()
    if fresh_head:
        torch.manual_seed(seed)
        net.head.reset_parameters()
    parameters = net.head.parameters() if head_only else net.parameters()
    lr = 1e-2 if head_only else 1e-3 if fresh_head else 5e-4
    how = Training(max(setting.epochs // 3, 3), seed, lr)
    return fit(net, setting.thief.x, setting.thief.y, how, parameters)


def transferred(setting: Setting, task: str, seed: int = 14) -> nn.Module:
    """A new head for another label space, all layers trained on."""
    source = setting.data.public if task == PUBLIC_TASK else setting.thief
    assert source is not None
    split = task_split(source.part(0, 0.4) if task == PUBLIC_TASK else source, task)
    net = setting.copy()
    torch.manual_seed(seed)
    net.head = nn.Linear(net.head.in_features, task_classes(setting.data, task)).to(split.x.device)
    return fit(net, split.x, split.y, Training(max(setting.epochs // 3, 3), seed, 1e-3))


def pruned(setting: Setting, share: float) -> nn.Module:
    """The smallest weights at once, without training after it."""
    return pruning.pruned(setting.copy(), share)


def pruned_and_tuned(setting: Setting, mask: Callable[[nn.Module], None]) -> nn.Module:
    """Masked, then trained on with the mask held."""
    net = setting.copy()
    mask(net)
    fit(net, setting.thief.x, setting.thief.y, Training(setting.epochs, 7, 1e-3))
    return pruning.finished(net)


def _smallest(setting: Setting, share: float) -> nn.Module:
    return pruned_and_tuned(setting, lambda net: pruning.mask_smallest(net, share))


def _filters(setting: Setting, share: float) -> nn.Module:
    return pruned_and_tuned(setting, lambda net: pruning.mask_filters(net, share))


def _unimportant(setting: Setting, share: float) -> nn.Module:
    some = setting.thief.part(0, 0.2)
    return pruned_and_tuned(
        setting, lambda net: pruning.mask_unimportant(net, share, some.x, some.y)
    )


def _sleeping(setting: Setting, share: float) -> nn.Module:
    some = setting.thief.part(0, 0.2)
    return pruned_and_tuned(setting, lambda net: pruning.mask_sleeping(net, share, some.x))


@torch.no_grad()
def noised(setting: Setting, share: float) -> nn.Module:
    """Gaussian noise of a share of each matrix's standard deviation."""
    net = setting.copy()
    generator = torch.Generator().manual_seed(8)
    for weight in net.parameters():
        if weight.ndim > 1:
            noise = torch.randn(weight.shape, generator=generator).to(weight.device)
            weight.add_(share * weight.std() * noise)
    return net


@torch.no_grad()
def halved(setting: Setting) -> nn.Module:
    """Weights as half precision keeps them."""
    return setting.copy().half().float()


@torch.no_grad()
def quantised(setting: Setting) -> nn.Module:
    """Weights in 8 bits, symmetric for each tensor."""
    net = setting.copy()
    for weight in net.parameters():
        if weight.ndim > 1:
            step = weight.abs().amax() / 127
            weight.copy_((weight / step).round() * step)
    return net


def adversarially_tuned(setting: Setting, eps: float, steps: int) -> nn.Module:
    """Fine-tuned on FGSM (one step) or PGD inputs."""
    how = Training(4, 9, 5e-4, adversarial_eps=eps, adversarial_steps=steps)
    return fit(setting.copy(), setting.thief.x, setting.thief.y, how)


def extracted(
    setting: Setting,
    source: Callable[[Data], Tensor],
    *,
    soft: bool,
    other: bool = False,
    temperature: float = 1.0,
    seed: int = 10,
) -> nn.Module:
    """A fresh net trained on what the stolen model says of some inputs."""
    x = source(setting.data)
    scores = logits(setting.parent, x)
    targets = (scores / temperature).softmax(1) if soft else scores.argmax(1)
    net = new(setting.other if other else setting.net, setting.data.shape, scores.shape[1], seed)
    epochs = max(1, round(setting.epochs * min(1, 10_000 / len(x))))
    return fit(net.to(x.device), x, targets, Training(epochs, seed))


def own_data(data: Data) -> Tensor:
    """The thief's, and twice as much of the owner's."""
    return torch.cat([data.thief.x, data.pool.x[: 2 * len(data.thief.x)]])


def disjoint_data(data: Data) -> Tensor:
    """The same task, none of it the owner's (where owners train on half of the pool)."""
    return torch.cat([data.thief.x, data.pool.part(0.6, 1).x])


def public_data(data: Data) -> Tensor:
    """Another task's inputs, as in Knockoff Nets (Orekondy et al., CVPR 2019)."""
    assert data.public is not None
    return data.public.x


def without_data(setting: Setting) -> nn.Module:
    """As many made inputs as an owner's training has natural ones, about twice."""
    rounds = max(2, setting.epochs * len(setting.data.pool.x) // 336)
    return datafree(setting.parent, setting.net, setting.data.shape, rounds)


def averaged(setting: Setting, share: float) -> nn.Module:
    """Weights mixed with an independent model's, then trained on until they work."""
    net = setting.copy()
    with torch.no_grad():
        for mine, theirs in zip(net.parameters(), setting.independent.parameters(), strict=True):
            mine.lerp_(theirs, share)
    return fit(net, setting.thief.x, setting.thief.y, Training(3, 15, 1e-3))


def _labels(
    how: str, source: Callable[[Data], Tensor], *, other: bool = False, public: bool = False
) -> Attack:
    make = partial(extracted, source=source, soft=False, other=other)
    return Attack(how, make, other_net=other, needs_public=public)


def _soft(
    how: str,
    source: Callable[[Data], Tensor],
    *,
    other: bool = False,
    public: bool = False,
    temperature: float = 1.0,
) -> Attack:
    make = partial(extracted, source=source, soft=True, other=other, temperature=temperature)
    return Attack(how, make, other_net=other, needs_public=public)


def _advft(eps: float, steps: int) -> Attack:
    make = partial(adversarially_tuned, eps=eps / 255, steps=steps)
    return Attack("adversarially fine-tuned", make)


ATTACKS: dict[str, Attack] = {
    "ftll": Attack("fine-tuned", partial(tuned, head_only=True, fresh_head=False)),
    "ftal": Attack("fine-tuned", partial(tuned, head_only=False, fresh_head=False)),
    "rtll": Attack("head retrained", partial(tuned, head_only=True, fresh_head=True)),
    "rtal": Attack("all retrained", partial(tuned, head_only=False, fresh_head=True)),
    "prune20": Attack("pruned", partial(pruned, share=0.2)),
    "prune40": Attack("pruned", partial(pruned, share=0.4)),
    "prune60": Attack("pruned", partial(pruned, share=0.6)),
    "prune80": Attack("pruned", partial(pruned, share=0.8)),
    "prune60ft": Attack("pruned and tuned", partial(_smallest, share=0.6)),
    "prune80ft": Attack("pruned and tuned", partial(_smallest, share=0.8)),
    "filters30ft": Attack("filters pruned", partial(_filters, share=0.3)),
    "fineprune": Attack("filters pruned", partial(_sleeping, share=0.5)),
    "taylor60ft": Attack("pruned and tuned", partial(_unimportant, share=0.6)),
    "fp16": Attack("quantised", halved, FLOAT16),
    "int8": Attack("quantised", quantised, INT8),
    "noise5": Attack("noise", partial(noised, share=0.05)),
    "noise": Attack("noise", partial(noised, share=0.1)),
    "advft": _advft(8, 1),
    "advft4": _advft(4, 1),
    "advpgd": _advft(8, 3),
    "kd": _soft("distilled", own_data, temperature=4.0),
    "kd-other": _soft("distilled", own_data, temperature=4.0, other=True),
    "probs": _soft("extracted by probabilities", own_data),
    "probs-other": _soft("extracted by probabilities", disjoint_data, other=True),
    "probs-public": _soft("extracted, public data", public_data, public=True),
    "labels": _labels("extracted by labels", own_data),
    "labels-other": _labels("extracted by labels", own_data, other=True),
    "labels-disjoint": _labels("extracted by labels", disjoint_data),
    "labels-public": _labels("extracted, public data", public_data, public=True),
    "datafree": Attack("data-free extraction", without_data),
    "average": Attack("averaged", partial(averaged, share=0.2)),
    "merged": Attack("transferred", partial(transferred, task=MERGED), task=MERGED),
    "public": Attack(
        "transferred",
        partial(transferred, task=PUBLIC_TASK),
        task=PUBLIC_TASK,
        needs_public=True,
    ),
}
