"""TorchScript files (.pt) and exported programs (.pt2), run by torch.

Opening such a file can run code of its author: `__setstate__`, hooks and forked calls in
TorchScript; pickled weights, opaque objects and expressions that sympy evaluates in `.pt2`. No scan
of the file finds all of these, so it is opened behind walls only (`auditkit.suspects.isolation`).
"""

import io
import sys
import warnings
import zipfile
from typing import TYPE_CHECKING

from auditkit.adapters.base import Adapter, Kind, Object, Outputs, Port, read_file
from auditkit.adapters.reasons import reason
from auditkit.core.arrays import Rows
from auditkit.core.errors import (
    QueryError,
    SuspectError,
    SuspectLoadError,
)
from auditkit.core.provenance import sha256
from auditkit.core.requests import Options
from auditkit.core.weights import Layer

if TYPE_CHECKING:
    import torch

    from auditkit.adapters import torch_calls

__all__ = ["torchscript"]

EXPORTED = ".pt2"


class TorchScriptAdapter:
    """A torch module of the file's bytes as they were hashed."""

    def __init__(self, source: str, options: Options) -> None:
        data = read_file(source)
        # The kind is told first, so that a pickled checkpoint, which no option opens, is refused as
        # such. Only the names in the archive are read for that; nothing is executed.
        exported = _is_exported(source, data)
        import torch  # takes seconds to load, and is not installed everywhere

        self._device = _device(options.device)
        self._call: torch_calls.Call | None = None
        try:
            with warnings.catch_warnings():
                # torch warns that TorchScript is deprecated; the auditor can't change the suspect.
                warnings.simplefilter("ignore")
                call = self._opened(data, exported=exported)
        except SuspectError:
            raise
        except Exception as error:  # torch's errors have no common base class
            raise SuspectLoadError(f"{source!r} can't be opened: {reason(error)}") from error
        self._call, digest, axes = call, sha256(data), call.axes
        self.port = Port(
            digest,
            digest,
            shape=None if axes is None else axes.shape,
            dtype=call.dtype,
            batch=None if axes is None else axes.batch,
            batch_axis=0 if axes is None else axes.batch_axis,
            local=True,
        )
        self.runtime = {"torch": str(torch.__version__), "device": str(self._device)}

    def _opened(self, data: bytes, *, exported: bool) -> "torch_calls.Call":
        import torch

        from auditkit.adapters import torch_calls

        if exported:
            return torch_calls.exported(torch.export.load(io.BytesIO(data)), self._device)
        loaded = torch.jit.load(io.BytesIO(data), map_location=self._device)
        return torch_calls.scripted(loaded.eval())

    def answer(self, batch: Rows) -> Outputs:
        """See `Adapter.answer`."""
        import torch

        if self._call is None:
            raise QueryError("the suspect was closed")
        try:
            with torch.inference_mode():
                found = self._call(torch.from_numpy(batch).to(self._device))
                return {name: tensor.cpu().numpy() for name, tensor in found.items()}
        except QueryError:
            raise
        except Exception as error:
            raise QueryError(f"the suspect failed while answering: {reason(error)}") from error

    def weights(self) -> tuple[Layer, ...]:
        """See `HasWeights.weights`."""
        from auditkit.adapters import torch_weights

        return () if self._call is None else torch_weights.read(self._call.module)

    def close(self) -> None:
        """See `Adapter.close`."""
        self._call = None


def _device(name: str) -> "torch.device":
    import torch

    usable = torch.cuda.is_available()
    if name.startswith("cuda") and not usable:
        raise SuspectLoadError(f"--device {name}: torch sees no CUDA device; use --device cpu")
    return torch.device(("cuda" if usable else "cpu") if name == "auto" else name)


def _is_exported(source: str, data: bytes) -> bool:
    """Whether the file is a `.pt2` archive (True) or TorchScript (False), whatever its suffix.

    Raises:
        SuspectLoadError: The file is neither.
    """
    # Names that torch.export (two generations of its format), torch.jit and torch.save write.
    members = _members(data)
    if any("models/" in name or "serialized_exported" in name for name in members):
        return True
    if any(name.endswith("constants.pkl") for name in members):
        return False
    pickled = data[:1] == b"\x80" or any(name.endswith("data.pkl") for name in members)
    kind = "a pickled checkpoint" if pickled else "no TorchScript and no .pt2 archive"
    raise SuspectLoadError(f"{source!r} is {kind}; export it to ONNX or TorchScript")


def _is_misnamed(source: str) -> bool:
    try:
        return _is_exported(source, read_file(source))
    except SuspectLoadError:  # opening it says so
        return False


def _members(data: bytes) -> list[str]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError):
        return []


def _prepare(source: str) -> None:
    import torch

    from auditkit.adapters import torch_calls, torch_weights  # noqa: F401

    if source.endswith(EXPORTED) or _is_misnamed(source):
        # Much of torch is loaded when the first program is opened, and looks for folders to write
        # to. So a small one is made and opened here.
        program = torch.export.export(torch.nn.Linear(1, 1), (torch.zeros(2, 1),))
        file = io.BytesIO()
        torch.export.save(program, file)
        torch.export.load(file)


def _takes(given: Object) -> bool:
    # Whoever holds a module has loaded torch, so it is not imported for that.
    loaded = sys.modules.get("torch")
    return loaded is not None and isinstance(given, loaded.nn.Module)


def _held(module: Object, _name: str) -> Adapter:
    from auditkit.adapters.torch_module import ModuleAdapter

    return ModuleAdapter(module)


torchscript = Kind(
    TorchScriptAdapter,
    suffixes=(".pt", EXPORTED, ".torchscript", ".pth"),
    prepare=_prepare,
    runs_code=True,
    same_for_all=True,
    takes=_takes,
    hold=_held,
)
