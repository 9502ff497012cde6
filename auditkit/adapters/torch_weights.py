"""The weights of a torch module that is open, whatever file it was loaded from."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from auditkit.core.arrays import Rows
from auditkit.core.weights import Layer, layers


def read(module: nn.Module) -> tuple[Layer, ...]:
    """Return the layers of a module in the order of its definition; none where there are none.

    Parameters and buffers are taken, and of frozen TorchScript the constants of its graph.
    """
    # The module is a stranger's, and may be of a class that fails when it is looked into.
    try:
        return layers((name, _numbers(tensor)) for name, tensor in _tensors(module))
    except Exception:
        return ()


def _tensors(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from module.named_parameters()
    yield from module.named_buffers()
    graph = getattr(module, "inlined_graph", None)
    for node in () if graph is None else graph.findAllNodes("prim::Constant", recurse=True):
        if node.hasAttribute("value") and node.kindOf("value") == "t":
            yield str(node.output().debugName()), node.t("value")


def _numbers(tensor: Tensor) -> Rows:
    # Of quantised weights the integers serve as they are; numpy knows no bfloat16.
    plain = tensor.int_repr() if tensor.is_quantized else tensor.detach()
    numbers: Rows = plain.to("cpu", torch.float32).numpy()
    return numbers
