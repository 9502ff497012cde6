"""Nets of full size for speed alone, with random weights: ResNet-18 and -50, ViT-B/16."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

CLASSES = 1000


class _Block(nn.Module):
    """A residual block: two convolutions, or three with a narrow waist (He et al., CVPR 2016)."""

    def __init__(self, inputs: int, width: int, stride: int, growth: int) -> None:
        super().__init__()
        outputs = width * growth
        sizes = (
            [(inputs, width, 3, stride), (width, outputs, 3, 1)]
            if growth == 1
            else [(inputs, width, 1, 1), (width, width, 3, stride), (width, outputs, 1, 1)]
        )
        layers = [layer for size in sizes for layer in (*_normalised(*size), nn.ReLU())]
        self.body = nn.Sequential(*layers[:-1])
        same = inputs == outputs and stride == 1
        self.short = (
            nn.Identity() if same else nn.Sequential(*_normalised(inputs, outputs, 1, stride))
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.short(x))


def _normalised(inputs: int, outputs: int, size: int, stride: int) -> Iterator[nn.Module]:
    yield nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)
    yield nn.BatchNorm2d(outputs)


def _resnet(depths: tuple[int, ...], growth: int) -> nn.Module:
    layers = [*_normalised(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    inputs = 64
    for stage, depth in enumerate(depths):
        for block in range(depth):
            stride = 2 if stage and not block else 1
            layers.append(_Block(inputs, 64 << stage, stride, growth))
            inputs = (64 << stage) * growth
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, CLASSES))


class _ViT(nn.Module):
    """Patches of 16 pixels, 12 layers of width 768, their mean (Dosovitskiy et al., ICLR 2021)."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.cut = nn.Conv2d(3, 768, 16, stride=16)
        self.places = nn.Parameter(0.02 * torch.randn(1, (side // 16) ** 2, 768))
        layers = [
            nn.TransformerEncoderLayer(768, 12, 3072, 0, "gelu", batch_first=True, norm_first=True)
            for _ in range(12)  # each with weights of its own: equal ones would share a file
        ]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(768, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.cut(x).flatten(2).transpose(1, 2)
        scores: Tensor = self.head(self.body(tokens + self.places).mean(1))
        return scores


LARGE: dict[str, Callable[[int], nn.Module]] = {
    "resnet18": lambda _side: _resnet((2, 2, 2, 2), 1),
    "resnet50": lambda _side: _resnet((3, 4, 6, 3), 4),
    "vit_b": _ViT,
}
"""Name -> a net for square colour images of so many pixels a side."""


def new(name: str, side: int) -> nn.Module:
    """The net with the same random weights each time, made to be asked."""
    torch.manual_seed(0)
    return LARGE[name](side).eval().requires_grad_(False)
