"""Small classifiers of different families; each takes a batch in 0..1 and returns logits."""

from collections.abc import Callable

import torch
from torch import nn

Shape = tuple[int, ...]
NetFactory = Callable[[Shape, int], nn.Module]


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class _Residual(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _conv(inputs, outputs, stride),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.skip: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.skip = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.body(x) + self.skip(x))


class Classifier(nn.Module):
    """Features, then a linear `head`: what fine-tuning attacks replace."""

    def __init__(self, features: nn.Module, width: int, classes: int) -> None:
        super().__init__()
        self.features = features
        self.head = nn.Linear(width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, *shape) in 0..1 -> (n, classes) logits."""
        return self.head(self.features(x - 0.5))


def _pooled(*layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def _residual_net(shape: Shape, classes: int, width: int, blocks: int) -> nn.Module:
    layers: list[nn.Module] = [_conv(shape[0], width)]
    inputs = width
    for stage, outputs in enumerate((width, 2 * width, 4 * width)):
        for block in range(blocks):
            layers.append(_Residual(inputs, outputs, 2 if stage and not block else 1))
            inputs = outputs
    return Classifier(_pooled(*layers), inputs, classes)


def resnet(shape: Shape, classes: int) -> nn.Module:
    """Residual net of 13 convolutions, about 180 thousand parameters."""
    return _residual_net(shape, classes, width=16, blocks=2)


def wide(shape: Shape, classes: int) -> nn.Module:
    """Residual net, half as deep and one and a half times as wide."""
    return _residual_net(shape, classes, width=24, blocks=1)


def strided(shape: Shape, classes: int) -> nn.Module:
    """Four convolutions, two of them strided, with normalisation: trains in seconds."""
    features = _pooled(_conv(shape[0], 16, 2), _conv(16, 32, 2), _conv(32, 64), _conv(64, 64))
    return Classifier(features, 64, classes)


def vgg(shape: Shape, classes: int) -> nn.Module:
    """Plain stack of convolutions with max pooling."""
    features = _pooled(
        _conv(shape[0], 24),
        _conv(24, 24),
        nn.MaxPool2d(2),
        _conv(24, 48),
        _conv(48, 48),
        nn.MaxPool2d(2),
        _conv(48, 96),
    )
    return Classifier(features, 96, classes)


def lenet(shape: Shape, classes: int) -> nn.Module:
    """Two convolutions and a hidden layer, without normalisation."""
    side = shape[1] // 4 * (shape[2] // 4)
    features = nn.Sequential(
        nn.Conv2d(shape[0], 16, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * side, 96),
        nn.ReLU(),
    )
    return Classifier(features, 96, classes)


def mlp(shape: Shape, classes: int) -> nn.Module:
    """Two hidden layers over the flattened input: rows as well as images."""
    inputs = int(torch.Size(shape).numel())
    features = nn.Sequential(
        nn.Flatten(), nn.Linear(inputs, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU()
    )
    return Classifier(features, 64, classes)


def deep(shape: Shape, classes: int) -> nn.Module:
    """Three narrow hidden layers over the flattened input, smooth instead of rectified."""
    inputs = int(torch.Size(shape).numel())
    features = nn.Sequential(
        *(nn.Flatten(), nn.Linear(inputs, 48), nn.Tanh()),
        *(nn.Linear(48, 48), nn.Tanh(), nn.Linear(48, 48), nn.Tanh()),
    )
    return Classifier(features, 48, classes)


NETS: dict[str, NetFactory] = {
    "resnet": resnet,
    "wide": wide,
    "strided": strided,
    "vgg": vgg,
    "lenet": lenet,
    "mlp": mlp,
    "deep": deep,
}
