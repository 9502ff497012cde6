"""Augmentations: random changes of a batch of inputs that leave its classes alone."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

Augment = Callable[[Tensor, torch.Generator], Tensor]
"""Maps a batch of model inputs to one of the same shape."""


def as_they_are(inputs: Tensor, _generator: torch.Generator) -> Tensor:
    """Return the inputs unchanged."""
    return inputs


def shifted(images: Tensor, generator: torch.Generator) -> Tensor:
    """Move a batch of images by up to 2 pixels each way; pixels at the edge are repeated."""
    # One shift for the whole batch: enough over many batches, and a slice costs nothing.
    down, right = torch.randint(0, 5, (2,), generator=generator).tolist()
    height, width = images.shape[-2:]
    padded = functional.pad(images, (2, 2, 2, 2), mode="replicate")
    return padded[..., down : down + height, right : right + width]


def mirrored(images: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror half of a batch, then add noise of a twentieth of the batch's standard deviation."""
    mirror = torch.rand(len(images), 1, 1, 1, generator=generator) < 0.5
    noise = torch.randn(images.shape, generator=generator).to(images.device)
    flipped = torch.where(mirror.to(images.device), images.flip(3), images)
    return flipped + 0.05 * images.std() * noise


AUGMENTS: tuple[Augment, ...] = (as_they_are, shifted, mirrored)
"""Augmentations of models trained from scratch; for anything but images, only the first."""
