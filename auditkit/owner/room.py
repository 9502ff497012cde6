"""What a pass costs: how many inputs fit into memory at once, and how much one is to compute."""

import contextlib
import ctypes
from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

ROOM = 1 << 28
"""Bytes that one backward pass may keep of its forward pass. A fixed number, and not what happens
to be free, so that the same fingerprint comes out everywhere."""
ON_A_CARD = 2
"""So many times as much is kept on a card, which few images leave idle."""
MOST_NUMBERS = 1 << 20
"""Numbers of inputs that are asked at once without gradients: few enough for the allocator to keep
a layer's outputs."""
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


def answered_at_once(points: Tensor, most: int) -> int:
    """Return how many points are asked at once where no gradients are needed, 1..most."""
    return max(1, min(most, MOST_NUMBERS // max(1, points[:1].numel())))


def climbing_at_once(gain: Callable[[Tensor], Tensor], points: Tensor) -> int:
    """Return how many points fit into one backward pass, at least 1.

    Args:
        gain: Maps points (n, *shape) to their (n,) gains; what it keeps for the backward pass is
            measured.
        points: (n, *shape); the first two are tried.
    """
    if len(points) < 2:
        return 1
    room = ROOM if points.device.type == "cpu" else ON_A_CARD * ROOM
    one, two = (_kept(gain, points[:count]) for count in (1, 2))
    # What two keep more than one: weights are kept once, however many points there are.
    return max(1, int(room // max(two - one, 1)))


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
