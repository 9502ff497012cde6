"""A data file, split once: what owners train on, what thieves have, what is held out."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

POOL, HELD_OUT, FEWEST_HELD_OUT = 0.7, 0.15, 60
PUBLIC = 12_000
TRIGGERS = 100


@dataclass(frozen=True, slots=True)
class Split:
    """Inputs (n, *shape) float32 in 0..1 with labels (n,) int64."""

    x: Tensor
    y: Tensor

    def part(self, start: float, stop: float) -> "Split":
        """The rows between two shares of the whole, 0..1."""
        rows = slice(round(start * len(self.x)), round(stop * len(self.x)))
        return Split(self.x[rows], self.y[rows])

    def to(self, device: torch.device) -> "Split":
        """The same on another device."""
        return Split(self.x.to(device), self.y.to(device))


@dataclass(frozen=True, slots=True)
class Data:
    """One task: the owners' pool, the thieves' own data, held-out samples, and public data."""

    pool: Split
    thief: Split
    held_out: Split
    classes: int
    public: Split | None = None
    """Another task, in inputs of the same shape: what everybody has."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return tuple(self.pool.x.shape[1:])

    def to(self, device: torch.device) -> "Data":
        """The same on another device."""
        parts = (part.to(device) for part in (self.pool, self.thief, self.held_out))
        public = None if self.public is None else self.public.to(device)
        return Data(*parts, self.classes, public)


def load(
    path: Path,
    *,
    public: Path | None = None,
    classes: int | None = None,
    limit: int | None = None,
) -> Data:
    """Read an npz of `x` and `y`, shuffle it (seed 0) and split it 70 : 15 : 15.

    Of few inputs at least 60 are held out, which is what a fingerprint's samples need.

    Args:
        path: Images are (n, h, w) or (n, h, w, c) uint8; rows are (n, features) floats.
        public: Images of another task; resized, and made grey or three-coloured, to fit.
        classes: Keep the first so many classes.
        limit: Keep at most so many inputs.
    """
    whole = _read(path, classes, limit)
    held_out = max(HELD_OUT, FEWEST_HELD_OUT / len(whole.x))
    pool = (1 - held_out) * POOL / (1 - HELD_OUT)
    return Data(
        whole.part(0, pool),
        whole.part(pool, 1 - held_out),
        whole.part(1 - held_out, 1),
        int(whole.y.max()) + 1,
        None if public is None else _fitted(_read(public, None, limit or PUBLIC), whole.x),
    )


def trigger_set(shape: tuple[int, ...], classes: int) -> Split:
    """100 abstract images with random labels, for a backdoor watermark (Adi et al., 2018)."""
    generator = torch.Generator().manual_seed(99)
    coarse = torch.rand((TRIGGERS, shape[0], 5, 5), generator=generator)
    images = functional.interpolate(coarse, shape[1:], mode="bilinear", align_corners=True)
    labels = torch.randint(classes, (TRIGGERS,), generator=generator)
    return Split((images * 255).round() / 255, labels)


def _read(path: Path, classes: int | None, limit: int | None) -> Split:
    with np.load(path, allow_pickle=False) as archive:
        x, y = archive["x"], archive["y"].astype(np.int64)
    if classes is not None:
        x, y = x[y < classes], y[y < classes]
    order = np.random.default_rng(0).permutation(len(x))[:limit]
    return Split(_inputs(x[order]), torch.from_numpy(y[order]))


def _fitted(split: Split, like: Tensor) -> Split:
    x = functional.interpolate(split.x, like.shape[2:], mode="bilinear", antialias=True)
    if x.shape[1] != like.shape[1]:
        x = x.mean(1, keepdim=True).expand(-1, like.shape[1], -1, -1)
    return Split(x.contiguous(memory_format=torch.channels_last), split.y)


def _inputs(x: np.ndarray) -> Tensor:
    if x.dtype != np.uint8:
        return unit_rows(x)
    images = x[..., None] if x.ndim == 3 else x
    unit = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    return unit.contiguous(memory_format=torch.channels_last)


def unit_rows(x: np.ndarray) -> Tensor:
    """(n, features) of any scale -> float32, each feature in 0..1."""
    rows = x.astype(np.float32)
    span = np.ptp(rows, axis=0)
    return torch.from_numpy((rows - rows.min(axis=0)) / np.where(span > 0, span, 1))
