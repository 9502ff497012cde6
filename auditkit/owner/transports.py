"""Transports: what happens to images on their way to an API, such as compression and resizing.

Each transport maps points to what a server would see of them. Compression is Pillow's own. It has
no gradient, so it gets that of the identity (a straight-through estimator): to points, JPEG is a
kind of rounding.
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
"""Maps images (n, channels, height, width) in the spec's bounds to images of the same shape."""
SHRUNK = 0.75
"""Share of height and width that a resizing server works at. Points made for it also survive a
resize to 224 pixels and back (docs/decisions/0006-remote.md)."""


def transports(spec: InputSpec) -> Mapping[str, Transport]:
    """Return all transports by name; none if points are not images of 1 or 3 channels."""
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
    """Return the transports that points must survive.

    Args:
        spec: The owner's input.
        names: Some of `auditkit.core.requests.ROBUST`.

    Raises:
        FingerprintError: The input is not an image of 1 or 3 channels.
    """
    known = transports(spec)
    if names and not known:
        raise FingerprintError(
            f"--robust is for images of 1 or 3 channels in 0..1 or 0..255, inputs here have shape "
            f"{spec.shape}"
        )
    # The harsher of the two compressions. Points made for it kept all labels at quality 90, and
    # even at 50 (docs/decisions/0006-remote.md).
    return tuple(known["jpeg 75" if name == "jpeg" else name] for name in names)


def survival(owner: Owner, points: Tensor) -> dict[str, float]:
    """Return for each transport the share of points, 0..1, that keep the owner's label."""
    labels = owner.answers(points).argmax(1)
    kept = {
        name: owner.answers(way(points)).argmax(1) == labels
        for name, way in transports(owner.spec).items()
    }
    return {name: round(float(same.float().mean()), 4) for name, same in kept.items()}


def surviving(owner: Owner, points: Tensor, targets: Tensor, ways: tuple[Transport, ...]) -> Tensor:
    """Return (n,) bool: whether the owner gives the target's label after every transport."""
    kept = torch.ones(len(points), dtype=torch.bool, device=points.device)
    for way in ways:
        kept &= owner.answers(way(snapped(points, owner.spec))).argmax(1) == targets
    return kept


def _through(way: Transport, points: Tensor) -> Tensor:
    """Apply a transport; backwards, the gradient passes as if there were none."""
    # The change is a constant to torch, so only the gradient of `points` itself passes.
    with torch.no_grad():
        change = way(points) - points
    return points + change


def compressed(points: Tensor, top: float, kind: str, quality: int = 100) -> Tensor:
    """Return images as they are read from compressed files.

    Args:
        points: (n, channels, height, width) in 0..top.
        top: The value of white.
        kind: A format of Pillow's: PNG or JPEG.
        quality: JPEG's, 1 to 95; PNG ignores it.
    """
    levels = (points * (255 / top)).round().clamp(0, 255).to(torch.uint8).cpu().numpy()
    rows = np.stack([_file(picture, kind, quality) for picture in levels])
    return torch.from_numpy(rows).to(points) * (top / 255)


def _file(picture: NDArray[np.uint8], kind: str, quality: int) -> NDArray[np.uint8]:
    """Write a picture (channels, h, w) uint8 to a file in memory and read it again."""
    rows = np.moveaxis(picture, 0, -1)
    buffer = io.BytesIO()
    Image.fromarray(rows[..., 0] if rows.shape[-1] == 1 else rows).save(
        buffer, kind, quality=quality
    )
    again = np.array(Image.open(buffer))
    return again[None] if again.ndim == 2 else np.moveaxis(again, -1, 0)


def _resized(points: Tensor) -> Tensor:
    """Shrink images and enlarge them again."""
    size = list(points.shape[2:])
    return scaled(scaled(points, [max(1, round(SHRUNK * side)) for side in size]), size)


def scaled(points: Tensor, size: list[int]) -> Tensor:
    """Resize images bilinearly.

    They are smoothed where they shrink (antialias), as Pillow does it.
    """
    return interpolate(points, size, mode="bilinear", align_corners=False, antialias=True)
