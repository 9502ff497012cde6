"""Small classifiers of different families; each takes a batch in 0..1 and returns logits."""

from collections.abc import Callable

import torch
from torch import nn

Shape = tuple[int, ...]
NetFactory = Callable[[Shape, int], nn.Module]
torch.backends.mha.set_fastpath_enabled(False)  # the fused attention can't be traced


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


def _residual_net(
    shape: Shape, classes: int, width: int, blocks: int, stages: int = 3
) -> nn.Module:
    layers: list[nn.Module] = [_conv(shape[0], width)]
    inputs = width
    for stage, outputs in enumerate(width * 2**stage for stage in range(stages)):
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


def slim(shape: Shape, classes: int) -> nn.Module:
    """Residual net of half that width."""
    return _residual_net(shape, classes, width=12, blocks=1)


def resnet18(shape: Shape, classes: int) -> nn.Module:
    """ResNet-18 (He et al., CVPR 2016) with the 3x3 stem usual for 32-pixel images."""
    return _residual_net(shape, classes, width=64, blocks=2, stages=4)


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


def vgg16(shape: Shape, classes: int) -> nn.Module:
    """VGG-16 (Simonyan, Zisserman, ICLR 2015) with normalisation and one linear layer."""
    layers: list[nn.Module] = []
    inputs = shape[0]
    for width, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(count):
            layers.append(_conv(inputs, width))
            inputs = width
        layers.append(nn.MaxPool2d(2))
    return Classifier(_pooled(*layers), inputs, classes)


class _Inverted(nn.Module):
    """Widen, filter each channel by itself, narrow; with a skip where sizes agree."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.body = nn.Sequential(
            nn.Conv2d(inputs, hidden, 1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU6(),
            nn.Conv2d(hidden, hidden, 3, stride, padding=1, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU6(),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.skips = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x) if self.skips else self.body(x)


def _mobile_net(
    shape: Shape, classes: int, stem: int, plan: tuple[tuple[int, int, int, int], ...]
) -> nn.Module:
    """`plan`: expansion, outputs, repeats and first stride of each stage."""
    layers: list[nn.Module] = [_conv(shape[0], stem)]
    inputs = stem
    for expansion, outputs, repeats, stride in plan:
        for number in range(repeats):
            layers.append(_Inverted(inputs, outputs, 1 if number else stride, expansion))
            inputs = outputs
    return Classifier(_pooled(*layers, nn.Conv2d(inputs, 4 * inputs, 1)), 4 * inputs, classes)


def mobile(shape: Shape, classes: int) -> nn.Module:
    """Five inverted residual blocks."""
    return _mobile_net(shape, classes, 8, ((2, 12, 1, 2), (3, 24, 2, 2), (3, 32, 2, 1)))


def mobilenet(shape: Shape, classes: int) -> nn.Module:
    """MobileNetV2 (Sandler et al., CVPR 2018), strided less for 32-pixel images."""
    plan = (
        *((1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2)),
        *((6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)),
    )
    return _mobile_net(shape, classes, 32, plan)


class _Patches(nn.Module):
    """Patches of 4 pixels as tokens with learnt positions, then a transformer, then their mean."""

    def __init__(self, shape: Shape, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.cut = nn.Conv2d(shape[0], width, 4, stride=4)
        tokens = (shape[1] // 4) * (shape[2] // 4)
        self.places = nn.Parameter(0.02 * torch.randn(1, tokens, width))
        layer = nn.TransformerEncoderLayer(
            width, heads, 2 * width, 0.0, "gelu", batch_first=True, norm_first=True
        )
        self.body = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = self.cut(x).flatten(2).transpose(1, 2)
        mixed: torch.Tensor = self.body(tokens + self.places)
        return mixed.mean(1)


def vit(shape: Shape, classes: int) -> nn.Module:
    """A small vision transformer (Dosovitskiy et al., ICLR 2021): 6 layers of width 192."""
    return Classifier(_Patches(shape, 192, 6, 6), 192, classes)


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
    "slim": slim,
    "strided": strided,
    "vgg": vgg,
    "lenet": lenet,
    "mlp": mlp,
    "deep": deep,
    "mobile": mobile,
    "resnet18": resnet18,
    "vgg16": vgg16,
    "mobilenet": mobilenet,
    "vit": vit,
}


def new(net: str, shape: Shape, classes: int, seed: int) -> nn.Module:
    """A freshly initialised net; four-axis weights lie channels last, which is faster."""
    torch.manual_seed(seed)
    return NETS[net](shape, classes).to(memory_format=torch.channels_last)
