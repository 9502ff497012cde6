"""A card that is none: it computes on the CPU, and is as strict as CUDA about what lies where.

Tensors of `cuda:0` hold one of the CPU. An operation on several wants all of them on one side, a
number generator its own, and nothing of the card becomes an array of numpy. So code for cards runs
where there is none, and what would end it there ends it here. How fast or exact a card is, and what
its driver does, it does not tell.
"""

import contextlib
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map_only

CPU, CARD = torch.device("cpu"), torch.device("cuda", 0)
aten = torch.ops.aten
MOVING = {aten.copy_.default, aten._to_copy.default, aten.detach.default}
"""What takes tensors from one side to the other."""
INDEXING = {aten.index.Tensor, aten.index_put.default, aten.index_put_.default}
"""What takes row numbers from either side."""
tensor = torch.tensor


class OnCard(Tensor):
    """A tensor that lies on the card."""

    @staticmethod
    def __new__(cls, held: Tensor) -> "OnCard":
        """Wrap a tensor. For torch's own code it has no numbers (`meta`), and can't be read."""
        return Tensor._make_wrapper_subclass(
            cls,
            held.shape,
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device="meta",
            requires_grad=held.requires_grad,
        )

    def __init__(self, held: Tensor) -> None:
        self.held = held

    @property
    def device(self) -> torch.device:
        """Where it says it is."""
        return CARD

    def untyped_storage(self) -> torch.UntypedStorage:
        """What it takes of memory."""
        return self.held.untyped_storage()

    def tolist(self) -> list[Any]:
        """Its numbers; a card waits for them too."""
        return self.held.tolist()

    def __getitem__(self, key: Any) -> Tensor:
        return super().__getitem__(_indices(key))

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(_indices(key), value)

    def __deepcopy__(self, memo: dict[int, Any]) -> "OnCard":
        made = OnCard(self.held.detach().clone()).requires_grad_(self.requires_grad)
        if isinstance(self, nn.Parameter):
            made._is_param = True
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation on what the tensors hold."""
        return _run(func, args, kwargs or {})


class _Card(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


@contextlib.contextmanager
def pretended_card() -> Iterator[None]:
    """Have torch find one card, `cuda:0`."""
    facts = SimpleNamespace(total_memory=16 << 30)
    said: dict[str, Callable[..., Any]] = {
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "_lazy_init": lambda: None,
        "get_device_properties": lambda _: facts,
        "get_rng_state": lambda _: torch.get_rng_state(),
        "set_rng_state": lambda *_: None,
        "synchronize": lambda _: None,
        "empty_cache": lambda: None,
    }
    with contextlib.ExitStack() as stack:
        for name, answer in said.items():
            stack.enter_context(mock.patch.object(torch.cuda, name, answer))
        stack.enter_context(mock.patch.object(torch, "tensor", _tensor))
        stack.enter_context(mock.patch.object(nn.LazyLinear, "initialize_parameters", _drawn))
        stack.enter_context(_Card())
        yield


def _run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    given = [one for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)]
    place = kwargs.get("device")
    is_here = any(isinstance(one, OnCard) for one in given)
    stays = is_here if place is None else torch.device(place).type in ("cuda", "meta")
    if is_here and func not in MOVING:
        _check_sides(func, given)
    generator = kwargs.get("generator")
    if stays and generator is not None and generator.device.type == "cpu":
        raise RuntimeError(f"{func}: a 'cuda' generator is expected, found 'cpu'")
    held_args, held_kwargs = tree_map_only(OnCard, lambda one: one.held, (args, kwargs))
    if place is not None:
        held_kwargs["device"] = CPU
    found = func(*held_args, **held_kwargs)
    if func is aten.copy_.default:
        return args[0]
    if not stays:
        return found
    found = tree_map_only(Tensor, OnCard, found)
    return return_and_correct_aliasing(func, args, kwargs, found) if place is None else found


def _check_sides(func: Any, given: list[Tensor]) -> None:
    for place, one in enumerate(given):
        # CUDA takes single numbers and indices of the CPU.
        is_index = func in INDEXING and place > 0 and not one.is_floating_point()
        if not (isinstance(one, OnCard) or one.dim() == 0 or is_index):
            raise RuntimeError(f"{func}: tensors on one device are expected, one is on the CPU")


def _indices(key: Any) -> Any:
    # Torch would make a tensor of a list in its own way, without numbers.
    if isinstance(key, tuple):
        return tuple(map(_indices, key))
    return tensor(key) if isinstance(key, list) else key


def _tensor(data: Any, *, device: Any = None, **options: Any) -> Tensor:
    made = tensor(data, **options)
    return made if device is None else made.to(device)


def _drawn(layer: nn.LazyLinear, inputs: Tensor) -> None:
    """Draw a lazy layer's weights; torch would exchange what its parameters hold."""
    if layer.in_features:
        return
    layer.in_features = inputs.shape[-1]
    shape = layer.out_features, layer.in_features
    layer.weight = nn.Parameter(torch.empty(shape, device=inputs.device))
    layer.bias = nn.Parameter(torch.empty(shape[:1], device=inputs.device))
    layer.reset_parameters()
