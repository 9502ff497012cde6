"""Stand-ins: small independent nets trained from the owner's samples in seconds.

They show whether points are the owner's own or the task's: a point on which a stranger gives the
owner's answer proves nothing. They rank points and veto fingerprints; they never price a verdict,
for they are weaker than real homologous models and understate what those share.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

STEPS = 400
BATCH = 64


@dataclass(frozen=True, slots=True)
class StandIn:
    """A trained net; `accuracy` is its share of right answers on samples it was not trained on."""

    name: str
    net: nn.Module
    accuracy: float

    @torch.inference_mode()
    def scores(self, inputs: Tensor) -> Tensor:
        """(n, *shape) model inputs -> (n, classes) log-probabilities."""
        return torch.cat([self.net(batch) for batch in inputs.split(256)]).log_softmax(1)


def _block(inputs: int, outputs: int, kernel: int) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    ]


def _conv(widths: tuple[int, ...], kernel: int) -> Callable[[tuple[int, ...], int], nn.Module]:
    def build(shape: tuple[int, ...], classes: int) -> nn.Module:
        layers: list[nn.Module] = []
        side = min(shape[1:])
        for inputs, outputs in pairwise((shape[0], *widths)):
            layers += _block(inputs, outputs, kernel)
            if side >= 4:
                layers.append(nn.MaxPool2d(2))
                side //= 2
        layers += [nn.AdaptiveAvgPool2d(min(side, 2)), nn.Flatten()]
        return nn.Sequential(*layers, nn.Linear(widths[-1] * min(side, 2) ** 2, classes))

    return build


def _mlp(*widths: int) -> Callable[[tuple[int, ...], int], nn.Module]:
    def build(shape: tuple[int, ...], classes: int) -> nn.Module:
        sizes = (int(torch.Size(shape).numel()), *widths)
        layers: list[nn.Module] = [nn.Flatten()]
        for inputs, outputs in pairwise(sizes):
            layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        return nn.Sequential(*layers, nn.Linear(sizes[-1], classes))

    return build


IMAGE_NETS = {
    "conv 16-32-64": _conv((16, 32, 64), 3),
    "conv 32-64": _conv((32, 64), 5),
    "conv 24-24-48-48": _conv((24, 24, 48, 48), 3),
    "mlp 128": _mlp(128),
}
ROW_NETS = {
    "mlp 64": _mlp(64),
    "mlp 128-64": _mlp(128, 64),
    "mlp 32-32-32": _mlp(32, 32, 32),
    "linear": _mlp(),
}
"""Nets for anything but three-axis inputs."""


def train_standins(inputs: Tensor, labels: Tensor, classes: int, seed: int) -> list[StandIn]:
    """One net of each kind, each on its own four fifths of the samples.

    Args:
        inputs: (n, *shape) float32 as the owner's model takes them.
        labels: (n,) int64 classes.
        classes: How many the owner knows.
        seed: Fixes initial weights, split and order.
    """
    nets = IMAGE_NETS if inputs.ndim == 4 else ROW_NETS
    return [
        _train(name, build, inputs, labels, classes, seed + number)
        for number, (name, build) in enumerate(nets.items())
    ]


def _train(
    name: str,
    build: Callable[[tuple[int, ...], int], nn.Module],
    inputs: Tensor,
    labels: Tensor,
    classes: int,
    seed: int,
) -> StandIn:
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = build(tuple(inputs.shape[1:]), classes).to(inputs.device)
    order = torch.randperm(len(inputs), generator=generator)
    held_out, own = order.tensor_split([len(order) // 5])
    centre, spread = inputs[own].mean(0, keepdim=True), inputs[own].std() + 1e-6
    net = nn.Sequential(_Standardise(centre, spread), net)
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=STEPS)
    net.train()
    for _ in range(STEPS):
        batch = own[torch.randint(len(own), (BATCH,), generator=generator)]
        loss = functional.cross_entropy(net(inputs[batch]), labels[batch], label_smoothing=0.05)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    net.eval()
    with torch.inference_mode():
        right = net(inputs[held_out]).argmax(1) == labels[held_out]
    return StandIn(name, net, float(right.float().mean()))


class _Standardise(nn.Module):
    def __init__(self, centre: Tensor, spread: Tensor) -> None:
        super().__init__()
        self.register_buffer("centre", centre)
        self.register_buffer("spread", spread)

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.centre) / self.spread
