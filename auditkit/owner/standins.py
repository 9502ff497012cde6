"""Stand-ins: small independent nets that are trained from the owner's samples in seconds.

They show whether an answer belongs to the owner or to the task: a point on which an independent
model gives the owner's answer proves nothing. Stand-ins steer the search for points and can refuse
a fingerprint. They never price a verdict, because they are weaker than real homologous models and
understate what those share (docs/decisions/0001-core-points.md).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from auditkit.core.arrays import JsonObject

# Stand-ins are trained whenever a fingerprint is made, so their training has to take seconds.
STEPS = 300
BATCH = 64
PEAK_RATE = 4e-3
LARGEST = 32
"""Pixels of a side that stand-ins see of larger images."""

Build = Callable[[tuple[int, ...], int], nn.Module]
"""Builds an untrained net from the shape of an input and the number of classes."""


@dataclass(frozen=True, slots=True, eq=False)
class StandIn:
    """A trained net that takes the owner's model inputs."""

    name: str
    net: nn.Module
    accuracy: float
    """Share of right answers, 0..1, on the fifth of the samples that it was not trained on."""
    margin: float
    """Median difference of its two best scores on all samples, in its own logits."""

    def scores(self, inputs: Tensor) -> Tensor:
        """Return (n, classes) logits for model inputs (n, *shape)."""
        scores: Tensor = self.net(inputs)
        return scores

    @torch.no_grad()
    def answers(self, inputs: Tensor) -> Tensor:
        """Return `scores` of any number of inputs, without gradients."""
        return torch.cat([self.net(batch) for batch in inputs.split(256)])


class _Small(nn.Module):
    """A layer that shrinks large images, on which nets this small would learn nothing."""

    def forward(self, x: Tensor) -> Tensor:
        large = x.ndim == 4 and max(x.shape[2:]) > LARGEST
        return functional.adaptive_avg_pool2d(x, LARGEST) if large else x


class _Scale(nn.Module):
    """A layer that subtracts the samples' mean and divides by a given spread."""

    def __init__(self, inputs: Tensor, spread: Tensor) -> None:
        super().__init__()
        # A feature that is always the same has no spread; it becomes 0 instead of NaN.
        self.register_buffer("centre", inputs.mean(0, keepdim=True))
        self.register_buffer("spread", torch.where(spread > 0, spread, 1.0))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.centre) / self.spread  # type: ignore[operator]


def _convolutions(shape: tuple[int, ...], widths: tuple[int, ...], kernel: int) -> list[nn.Module]:
    """Build convolutions, each followed by pooling as long as the image has 8 pixels a side."""
    layers: list[nn.Module] = []
    side = min(shape[1:])
    for inputs, outputs in pairwise((shape[0], *widths)):
        layers += [nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2), nn.ReLU()]
        if side >= 8:
            layers.append(nn.MaxPool2d(2))
            side //= 2
    return layers


def _normalised(layers: list[nn.Module]) -> list[nn.Module]:
    result: list[nn.Module] = []
    for layer in layers:
        result.append(layer)
        if isinstance(layer, nn.Conv2d):
            result.append(nn.BatchNorm2d(layer.out_channels))
    return result


def _dense(*widths: int) -> list[nn.Module]:
    hidden: list[nn.Module] = [nn.Flatten()]
    # Lazy layers read the number of inputs off the first batch, whatever the image's size.
    for width in widths:
        hidden += [nn.LazyLinear(width), nn.ReLU()]
    return hidden


def _plain_small(shape: tuple[int, ...], classes: int) -> nn.Module:
    layers = _convolutions(shape, (8, 16), 5)
    return nn.Sequential(*layers, *_dense(64), nn.Linear(64, classes))


def _plain_wide(shape: tuple[int, ...], classes: int) -> nn.Module:
    layers = _convolutions(shape, (16, 32), 3)
    return nn.Sequential(*layers, *_dense(64), nn.Linear(64, classes))


def _normalised_dense(shape: tuple[int, ...], classes: int) -> nn.Module:
    layers = _normalised(_convolutions(shape, (16, 32), 3))
    return nn.Sequential(*layers, nn.Flatten(), nn.LazyLinear(classes))


def _normalised_pooled(shape: tuple[int, ...], classes: int) -> nn.Module:
    layers = _normalised(_convolutions(shape, (16, 32, 64), 3))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, classes))


def _rows(*widths: int) -> Build:
    def build(_shape: tuple[int, ...], classes: int) -> nn.Module:
        return nn.Sequential(*_dense(*widths), nn.LazyLinear(classes))

    return build


def _deviation(inputs: Tensor) -> Tensor:
    return inputs.std()


def _feature_deviation(inputs: Tensor) -> Tensor:
    # Never less than a tenth of the range: with the deviation alone, rarely used features made
    # stand-ins so jumpy that they shared 16 % where every innocent agreed on everything
    # (docs/decisions/0001-core-points.md).
    return torch.maximum(inputs.std(0, keepdim=True), 0.1 * _feature_range(inputs))


def _feature_range(inputs: Tensor) -> Tensor:
    return inputs.amax(0, keepdim=True) - inputs.amin(0, keepdim=True)


# With and without normalisation, convolutional and dense, because nobody knows what innocents are
# like. Twice as many did not help, nets of the owner's architecture hardly, and these are as slow
# to train as the owner (docs/decisions/0001-core-points.md).
IMAGE_NETS: dict[str, Build] = {
    "conv 8-16, dense 64": _plain_small,
    "conv 16-32, dense 64": _plain_wide,
    "normalised conv 16-32": _normalised_dense,
    "normalised conv 16-32-64, pooled": _normalised_pooled,
    "dense 128": _rows(128),
}
ROW_NETS: dict[str, Build] = {
    "dense 64": _rows(64),
    "dense 128-64": _rows(128, 64),
    "dense 32-32-32": _rows(32, 32, 32),
    "dense 256": _rows(256),
}
"""Nets for all inputs that don't have three axes."""
ROW_SCALES = (_feature_range, _feature_deviation)
"""Scales of the row nets in turns, since nobody knows how other people's models scale features."""

# Recorded in bundles, so that a reader knows what stood in for independent models.
RECIPE: JsonObject = {
    "steps": STEPS,
    "batch": BATCH,
    "optimizer": "AdamW, one cycle",
    "peak learning rate": PEAK_RATE,
    "weight decay": 1e-2,
    "label smoothing": 0.05,
    "training share": 0.8,
}


def train_standins(inputs: Tensor, labels: Tensor, classes: int, seed: int) -> Iterator[StandIn]:
    """Train one net of each kind, each on its own random four fifths of the samples.

    Args:
        inputs: (n, *shape) float32 as the owner's model takes them.
        labels: (n,) int64 classes.
        classes: Number of classes that the owner knows.
        seed: Fixes initial weights, split and order. Net number i is trained with seed + i.

    Yields:
        Each stand-in as soon as it is trained, so that progress can be shown.
    """
    nets = IMAGE_NETS if inputs.ndim == 4 else ROW_NETS
    inputs = _Small()(inputs)
    for number, (name, build) in enumerate(nets.items()):
        # Layers draw their weights from torch's global generator, which belongs to the caller.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed + number)
            spread = _deviation if inputs.ndim == 4 else ROW_SCALES[number % len(ROW_SCALES)]
            scale = _Scale(inputs, spread(inputs))
            net = nn.Sequential(_Small(), scale, build(tuple(inputs.shape[1:]), classes))
            net = net.to(inputs.device)
            net(inputs[:2])  # lazy layers draw their weights now, while the seed is fixed
        yield _trained(name, net, inputs, labels, seed + number)


def _trained(name: str, net: nn.Module, inputs: Tensor, labels: Tensor, seed: int) -> StandIn:
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(inputs), generator=generator)
    held_out, own = order.tensor_split([len(order) // 5])
    optimizer = torch.optim.AdamW(net.parameters(), lr=PEAK_RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, total_steps=STEPS)
    # Steps and not epochs, so that training takes the same time however many samples there are.
    net.train()
    for _ in range(STEPS):
        batch = own[torch.randint(len(own), (BATCH,), generator=generator)]
        loss = functional.cross_entropy(net(inputs[batch]), labels[batch], label_smoothing=0.05)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    net.eval().requires_grad_(requires_grad=False)
    scores = torch.cat([net(batch) for batch in inputs.split(256)])
    best = scores.topk(2, dim=1).values
    right = (scores.argmax(1) == labels)[held_out]
    return StandIn(
        name, net, float(right.float().mean()), float((best[:, 0] - best[:, 1]).median())
    )
