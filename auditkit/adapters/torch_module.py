"""A torch module that is open in this process, as an adapter like any other."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import nn

from auditkit.adapters import torch_calls, torch_weights
from auditkit.adapters.base import Outputs, Port
from auditkit.adapters.reasons import reason
from auditkit.core.arrays import Rows
from auditkit.core.errors import QueryError
from auditkit.core.weights import Layer


class ModuleAdapter:
    """A torch module, asked where it lies, in evaluation mode and without gradients."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        if isinstance(module, torch.jit.ScriptModule):
            self._call = torch_calls.scripted(module)
        else:
            self._call = torch_calls.plain(module)
        first = next(module.parameters(), None)
        self._device = torch.device("cpu") if first is None else first.device
        digest = _digest(module)
        self.port = Port(digest, digest, dtype=self._call.dtype, local=True)
        self.runtime: Mapping[str, str] = {
            "torch": str(torch.__version__),
            "device": str(self._device),
        }

    def answer(self, batch: Rows) -> Outputs:
        """See `Adapter.answer`."""
        try:
            with _evaluating(self._module), torch.inference_mode():
                found = self._call(torch.from_numpy(batch).to(self._device))
                return {name: tensor.cpu().numpy() for name, tensor in found.items()}
        except QueryError:
            raise
        except Exception as error:
            raise QueryError(f"the suspect failed while answering: {reason(error)}") from error

    def weights(self) -> tuple[Layer, ...]:
        """See `HasWeights.weights`."""
        return torch_weights.read(self._module)

    def close(self) -> None:
        """See `Adapter.close`; the module is the user's."""


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """Put a module and all of its parts in evaluation mode, and back as they were."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


def _digest(module: nn.Module) -> str:
    """Return `sha256:…` of the class and of all parameters and buffers."""
    found = hashlib.sha256(f"{type(module).__module__}.{type(module).__qualname__}\0".encode())
    for name, value in module.state_dict().items():
        found.update(name.encode())
        if isinstance(value, torch.Tensor):
            plain = value.detach().cpu().contiguous().reshape(-1)
            found.update(plain.view(torch.uint8).numpy().tobytes())
    return f"sha256:{found.hexdigest()}"
