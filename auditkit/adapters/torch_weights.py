"""The weights of a torch module that is open, whatever file it was loaded from, and saved ones."""

import io
import warnings
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from auditkit.core.arrays import Rows
from auditkit.core.errors import SuspectLoadError
from auditkit.core.escape import first_line
from auditkit.core.weights import WITHIN, Layer, layers, tables


def read(module: nn.Module) -> tuple[Layer, ...]:
    """Return the layers of a module in the order of its definition; none where there are none.

    Parameters and buffers are taken, and of frozen TorchScript the constants of its graph.
    """
    # The module is a stranger's, and may be of a class that fails when it is looked into.
    try:
        return layers((name, _numbers(tensor)) for name, tensor in _tensors(module))
    except Exception:
        return ()


def saved(source: str, data: bytes) -> tuple[Layer, ...]:
    """Return the layers of a state dict that was pickled, or of a checkpoint that holds one.

    Raises:
        SuspectLoadError: It holds none, or objects of classes that only its author has.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # what torch raises has no common class
        raise SuspectLoadError(
            f"{source!r} is a pickled checkpoint that holds more than weights "
            f"({first_line(error)}); export it to ONNX or TorchScript"
        ) from error
    for table in tables(found):
        state = {str(name): one for name, one in table.items() if isinstance(one, Tensor)}
        if state:
            return layers((name, _numbers(tensor)) for name, tensor in state.items())
    raise SuspectLoadError(
        f"{source!r} is a pickled checkpoint without weights; wanted names with tensors, or such a "
        f"table under {', '.join(WITHIN)}"
    )


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
