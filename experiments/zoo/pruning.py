"""Taking weights away: the smallest, the least important, whole filters, sleeping channels."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import prune

Importance = Callable[[nn.Module, list[nn.Module]], list[Tensor]]


def prunable(net: nn.Module) -> list[nn.Module]:
    """The layers whose weights pruning cuts, laid out as torch's pruning wants them."""
    net.to(memory_format=torch.contiguous_format)
    return [module for module in net.modules() if isinstance(module, nn.Conv2d | nn.Linear)]


def pruned(net: nn.Module, share: float) -> nn.Module:
    """Set the smallest weights of each layer to 0, in place; `share` of them, 0..1."""
    mask_smallest(net, share)
    return finished(net)


def mask_smallest(net: nn.Module, share: float) -> None:
    """The same, kept at 0 through training until `finished`."""
    for layer in prunable(net):
        prune.l1_unstructured(layer, "weight", share)


def mask_filters(net: nn.Module, share: float) -> None:
    """The convolutions' filters of the least L1 norm (Li et al., ICLR 2017)."""
    for layer in prunable(net):
        if isinstance(layer, nn.Conv2d):
            prune.ln_structured(layer, "weight", share, n=1, dim=0)


def mask_unimportant(net: nn.Module, share: float, x: Tensor, y: Tensor) -> None:
    """The weights that the loss feels least, to first order (Molchanov et al., ICLR 2017)."""
    layers = prunable(net)
    functional.cross_entropy(net(x), y).backward()
    for layer in layers:
        felt = (layer.weight * layer.weight.grad).abs().detach()
        prune.l1_unstructured(layer, "weight", share, importance_scores=felt)
    net.zero_grad(set_to_none=True)


def mask_sleeping(net: nn.Module, share: float, x: Tensor) -> None:
    """Channels of the last convolution that clean inputs wake least (fine-pruning; Liu et al.,
    RAID 2018); the last hidden layer where there is no convolution.
    """  # noqa: D205
    layers = prunable(net)[:-1]
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    last = (convolutions or layers)[-1]
    seen: list[Tensor] = []
    hook = last.register_forward_hook(lambda _m, _i, out: seen.append(out.detach()))
    with torch.no_grad():
        net(x)
    hook.remove()
    axes = (0, 2, 3) if seen[0].ndim == 4 else (0,)
    awake = seen[0].relu().mean(axes)
    mask = (awake > awake.kthvalue(max(int(share * len(awake)), 1)).values).to(last.weight)
    prune.custom_from_mask(
        last, "weight", mask.reshape(-1, *[1] * (last.weight.ndim - 1)).expand_as(last.weight)
    )


def finished(net: nn.Module) -> nn.Module:
    """Masks become zeros in the weights."""
    for layer in prunable(net):
        if prune.is_pruned(layer):
            prune.remove(layer, "weight")
    return net
