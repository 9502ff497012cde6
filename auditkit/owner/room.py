"""What a pass costs: how many inputs fit into memory at once, and how much one is to compute."""

import contextlib
import ctypes
from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

ROOM = 1 << 28
"""Bytes that one backward pass may keep of its forward pass, but for cards. A fixed number, and not
what happens to be free, so that the same fingerprint comes out everywhere."""
SHARE_OF_A_CARD = 4
"""A fourth of a card's memory may be kept so, since few images leave it idle; the pass itself, the
model and others take the rest."""
MOST_NUMBERS = 1 << 20
"""Numbers of inputs that are asked at once without gradients: few enough for the allocator to keep
a layer's outputs."""
MOST_NUMBERS_ON_A_CARD = 1 << 25
"""The same on a card, whose allocator keeps everything: 200 images of 224 pixels."""
MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1
"""Parameters of glibc's mallopt."""
LARGEST_KEPT = 32 << 20
"""Bytes of the largest piece of memory that glibc can be told to keep when it is freed."""


def keep_freed_memory() -> None:
    """Tell glibc to keep what is freed, for layers to come.

    By default it hands large pieces back at once and gets them anew, zeroed page by page, for each
    layer: half of the time of a net of 224 pixels. Other allocators are left as they are.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):
        allocator = ctypes.CDLL(None)
        allocator.mallopt(MMAP_THRESHOLD, LARGEST_KEPT)
        allocator.mallopt(TRIM_THRESHOLD, (1 << 31) - 1)


def give_back_memory() -> None:
    """Tell glibc to hand back what was kept, since pieces of other sizes would be added to it."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


class AtOnce:
    """How many rows are worked on at once: fewer, once a card had no memory for so many."""

    def __init__(self, rows: int) -> None:
        """Begin with so many, at least 1."""
        self.rows = rows

    def each(self, work: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
        """Return what `work` makes of the rows, in parts that follow each other.

        A part that did not fit is worked on again in halves, so `work` must not have changed
        anything when it raises.

        Args:
            work: Maps some of the rows to a tensor.
            rows: (n, ...); if there is none, `work` gets none once.

        Raises:
            torch.OutOfMemoryError: A card has no memory for one row.
        """
        done: list[Tensor] = []
        begun = 0
        while begun < len(rows) or not done:
            made = self._tried(work, rows[begun : begun + self.rows])
            if made is None:
                torch.cuda.empty_cache()
                continue
            done.append(made)
            begun += self.rows
        return torch.cat(done)

    def _tried(self, work: Callable[[Tensor], Tensor], part: Tensor) -> Tensor | None:
        """Return what `work` makes of a part; None, and halve the rows, if it did not fit."""
        try:
            return work(part)
        except torch.OutOfMemoryError:
            if len(part) < 2:
                raise
            self.rows = len(part) // 2
            return None


def answered_at_once(points: Tensor, most: int) -> int:
    """Return how many points are asked at once where no gradients are needed, 1..most."""
    numbers = MOST_NUMBERS if points.device.type == "cpu" else MOST_NUMBERS_ON_A_CARD
    return max(1, min(most, numbers // max(1, points[:1].numel())))


def climbing_at_once(gain: Callable[[Tensor], Tensor], points: Tensor) -> int:
    """Return how many points fit into one backward pass, at least 1.

    Args:
        gain: Maps points (n, *shape) to their (n,) gains; what it keeps for the backward pass is
            measured.
        points: (n, *shape); the first two are tried.
    """
    if len(points) < 2:
        return 1
    one, two = (_kept(gain, points[:count]) for count in (1, 2))
    # What two keep more than one: weights are kept once, however many points there are.
    return max(1, _room(points.device) // max(two - one, 1))


def _room(device: torch.device) -> int:
    if device.type == "cpu":
        return ROOM
    return int(torch.cuda.get_device_properties(device).total_memory) // SHARE_OF_A_CARD


def operations(scores: Callable[[Tensor], Tensor], points: Tensor) -> int:
    """Return the floating-point operations of one point's forward pass, as torch counts them.

    Args:
        scores: Maps points (n, *shape) to their (n, classes) scores.
        points: (n, *shape); the first is tried.
    """
    from torch.utils.flop_counter import FlopCounterMode  # takes long to load

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        scores(points[:1])
    return int(counter.get_total_flops())


def _kept(gain: Callable[[Tensor], Tensor], points: Tensor) -> int:
    kept: dict[int, int] = {}

    def count(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.enable_grad(), saved_tensors_hooks(count, lambda tensor: tensor):
        gain(points.detach().requires_grad_())
    return sum(kept.values())
