"""TorchScript (.pt) and exported programs (.pt2), run by torch; saved weights (.pth) are compared.

Opening such a file can run code of its author: `__setstate__`, hooks and forked calls in
TorchScript; pickled weights, opaque objects and expressions that sympy evaluates in `.pt2`. No scan
of the file finds all of these, so it is opened behind walls only (`auditkit.suspects.isolation`).
"""

import enum
import io
import sys
import warnings
import zipfile
from typing import TYPE_CHECKING

from auditkit.adapters.base import Adapter, Kind, Object, Outputs, Port, read_file
from auditkit.adapters.reasons import reason
from auditkit.adapters.weights_alone import WeightsAlone
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


class _Form(enum.Enum):
    """What torch wrote."""

    EXPORTED = enum.auto()
    SCRIPTED = enum.auto()
    PICKLED = enum.auto()


class TorchScriptAdapter:
    """A torch module of the file's bytes as they were hashed."""

    def __init__(self, source: str, data: bytes, options: Options, *, exported: bool) -> None:
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
    count = torch.cuda.device_count() if usable else 0
    if usable and int(name.partition(":")[2] or 0) >= count:
        raise SuspectLoadError(f"--device {name}: torch counts its CUDA devices 0..{count - 1}")
    # Answers in shortened mantissas (TF32) are not those of a CPU.
    torch.backends.cudnn.allow_tf32 = False
    if usable:  # else it is compiled for a size of batch, which takes longer than asking it
        torch.jit.set_fusion_strategy([("STATIC", 0), ("DYNAMIC", 0)])
    return torch.device(("cuda" if usable else "cpu") if name == "auto" else name)


def _opened(source: str, options: Options) -> Adapter:
    data = read_file(source)
    # The form is told first. Only the names in the archive are read for that.
    form = _form(source, data)
    if form is not _Form.PICKLED:
        return TorchScriptAdapter(source, data, options, exported=form is _Form.EXPORTED)
    import torch

    from auditkit.adapters import torch_weights

    layers = torch_weights.saved(source, data)
    return WeightsAlone(sha256(data), layers, {"torch": str(torch.__version__)})


def _form(source: str, data: bytes) -> _Form:
    """Return which of torch's forms a file has, whatever its suffix.

    Raises:
        SuspectLoadError: The file has none of them.
    """
    # Names that torch.export (two generations of its format), torch.jit and torch.save write.
    members = _members(data)
    if any("models/" in name or "serialized_exported" in name for name in members):
        return _Form.EXPORTED
    if any(name.endswith("constants.pkl") for name in members):
        return _Form.SCRIPTED
    if data[:1] == b"\x80" or any(name.endswith("data.pkl") for name in members):
        return _Form.PICKLED
    raise SuspectLoadError(
        f"{source!r} is no TorchScript and no .pt2 archive; export it to ONNX or TorchScript"
    )


def _is_misnamed(source: str) -> bool:
    try:
        return _form(source, read_file(source)) is _Form.EXPORTED
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
    _opened,
    suffixes=(".pt", EXPORTED, ".torchscript", ".pth", ".ckpt"),
    prepare=_prepare,
    runs_code=True,
    same_for_all=True,
    takes=_takes,
    hold=_held,
)
