"""What happens to points on their way to an API: files, compression, resizing.

Each way takes points of an image's domain and gives what a server would see of them. Compression
is real (pillow); its gradient is taken as that of no compression at all, which is near enough to
climb by, as with other steps that only round.
"""

import io
from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from auditkit.core.errors import FingerprintError
from auditkit.core.points import InputSpec
from auditkit.owner.classifier import Owner, snapped

Transport = Callable[[Tensor], Tensor]
"""(n, channels, height, width) in the spec's bounds -> the same."""
SHRUNK = 0.75
"""Share of height and width that a resizing server works at."""


def transports(spec: InputSpec) -> Mapping[str, Transport]:
    """Every way by name; none where the points are no images of 1 or 3 channels."""
    if not spec.is_image or spec.shape[0] not in (1, 3):
        return {}
    top = spec.upper[0]
    return {
        "png": lambda points: _through(lambda rows: compressed(rows, top, "PNG"), points),
        "jpeg 90": lambda points: _through(lambda rows: compressed(rows, top, "JPEG", 90), points),
        "jpeg 75": lambda points: _through(lambda rows: compressed(rows, top, "JPEG", 75), points),
        "resize": _resized,
    }


def robust_transports(spec: InputSpec, names: tuple[str, ...]) -> tuple[Transport, ...]:
    """The ways that points are to survive.

    Raises:
        FingerprintError: They are no images.
    """
    known = transports(spec)
    if names and not known:
        raise FingerprintError(
            f"--robust is for images of 1 or 3 channels in 0..1 or 0..255, inputs here have shape "
            f"{spec.shape}"
        )
    return tuple(known["jpeg 75" if name == "jpeg" else name] for name in names)


def survival(owner: Owner, points: Tensor) -> dict[str, float]:
    """Share of these points that keep the owner's label on each way; empty without images."""
    labels = owner.answers(points).argmax(1)
    kept = {
        name: owner.answers(way(points)).argmax(1) == labels
        for name, way in transports(owner.spec).items()
    }
    return {name: round(float(same.float().mean()), 4) for name, same in kept.items()}


def surviving(owner: Owner, points: Tensor, targets: Tensor, ways: tuple[Transport, ...]) -> Tensor:
    """(n,) bool: whether the owner gives the target's label on every way."""
    kept = torch.ones(len(points), dtype=torch.bool, device=points.device)
    for way in ways:
        kept &= owner.answers(way(snapped(points, owner.spec))).argmax(1) == targets
    return kept


def _through(way: Transport, points: Tensor) -> Tensor:
    """The way forward, and back as if there were none."""
    with torch.no_grad():
        change = way(points) - points
    return points + change


def compressed(points: Tensor, top: float, kind: str, quality: int = 100) -> Tensor:
    """Points as they are read from files of this kind; `top` is white."""
    levels = (points * (255 / top)).round().clamp(0, 255).to(torch.uint8).cpu().numpy()
    rows = np.stack([_file(picture, kind, quality) for picture in levels])
    return torch.from_numpy(rows).to(points) * (top / 255)


def _file(picture: NDArray[np.uint8], kind: str, quality: int) -> NDArray[np.uint8]:
    """(channels, h, w) uint8, written and read again."""
    rows = np.moveaxis(picture, 0, -1)
    buffer = io.BytesIO()
    Image.fromarray(rows[..., 0] if rows.shape[-1] == 1 else rows).save(
        buffer, kind, quality=quality
    )
    again = np.array(Image.open(buffer))
    return again[None] if again.ndim == 2 else np.moveaxis(again, -1, 0)


def _resized(points: Tensor) -> Tensor:
    """Bilinear, smaller and back."""
    size = list(points.shape[2:])
    return scaled(scaled(points, [max(1, round(SHRUNK * side)) for side in size]), size)


def scaled(points: Tensor, size: list[int]) -> Tensor:
    """Points at another height and width, bilinear, smoothed where they shrink."""
    return interpolate(points, size, mode="bilinear", align_corners=False, antialias=True)
