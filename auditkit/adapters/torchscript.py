"""TorchScript files (.pt) and exported programs (.pt2), run by torch, of trusted authors only.

Opening such a file can run code of its author: `__setstate__`, hooks and forked calls in
TorchScript; pickled weights, opaque objects and expressions that sympy evaluates in `.pt2`. No scan
of the file finds all of these, so it is opened only if the user vouches for the author
(`--trust-torch`).
"""

import io
import warnings
import zipfile
from typing import TYPE_CHECKING, Any

from auditkit.adapters.base import FLOAT32, Kind, Port, read_file
from auditkit.core.arrays import Rows
from auditkit.core.errors import (
    QueryError,
    SuspectError,
    SuspectLoadError,
    SuspectMismatchError,
    UntrustedError,
)
from auditkit.core.escape import first_line
from auditkit.core.provenance import sha256
from auditkit.core.requests import Options
from auditkit.core.weights import Layer

if TYPE_CHECKING:
    import torch

__all__ = ["torchscript"]


class TorchScriptAdapter:
    """A torch module of the file's bytes as they were hashed."""

    def __init__(self, source: str, options: Options) -> None:
        data = read_file(source)
        # The kind is told first, so that a pickled checkpoint, which no option opens, is refused as
        # such. Only the names in the archive are read for that; nothing is executed.
        exported = _is_exported(source, data)
        if not options.trust_torch:
            raise UntrustedError(
                f"{source!r} was not opened: a TorchScript or .pt2 file can run commands of its "
                "author; add --trust-torch if its author may run code here, or ask for ONNX"
            )
        import torch  # takes seconds to load, and is not installed everywhere

        self._device = _device(options.device)
        self._module: torch.nn.Module | None = None
        digest, batch = sha256(data), None
        try:
            with warnings.catch_warnings():
                # torch warns that TorchScript is deprecated; the auditor can't change the suspect.
                warnings.simplefilter("ignore")
                if exported:
                    program = torch.export.load(io.BytesIO(data))
                    batch = _fixed_batch(program)
                    self._module = program.module().to(self._device)
                else:
                    loaded = torch.jit.load(io.BytesIO(data), map_location=self._device)
                    self._module = loaded.eval()
        except SuspectError:
            raise
        except Exception as error:  # torch's errors have no common base class
            raise SuspectLoadError(f"{source!r} can't be opened: {first_line(error)}") from error
        self.port = Port(
            digest, digest, dtype=FLOAT32 if exported else None, batch=batch, local=True
        )
        self.runtime = {"torch": str(torch.__version__), "device": str(self._device)}

    def answer(self, batch: Rows) -> Rows:
        """See `Adapter.answer`."""
        import torch

        try:
            with torch.inference_mode():
                found = self._module(torch.from_numpy(batch).to(self._device))  # type: ignore[misc]
                rows: Rows = _scores(found).cpu().numpy()
        except QueryError:
            raise
        except Exception as error:  # the first lines are TorchScript's traceback
            raise QueryError(f"the suspect failed while answering: {_last_line(error)}") from error
        return rows

    def weights(self) -> tuple[Layer, ...]:
        """See `HasWeights.weights`."""
        from auditkit.adapters import torch_weights

        return () if self._module is None else torch_weights.read(self._module)

    def close(self) -> None:
        """See `Adapter.close`."""
        self._module = None


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


def _members(data: bytes) -> list[str]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError):
        return []


def _fixed_batch(program: "torch.export.ExportedProgram") -> int | None:
    """The batch size that the program was exported with; None for any size.

    Raises:
        SuspectMismatchError: The program takes more than one input, or none.
    """
    names = program.graph_signature.user_inputs
    values = [node.meta["val"] for node in program.graph.nodes if node.name in names]
    if len(values) != 1:
        raise SuspectMismatchError(
            f"the suspect takes {len(values)} inputs, auditkit asks with one tensor"
        )
    size = values[0].shape[0]
    # An axis of any size is a torch.SymInt here, which is no int.
    return int(size) if isinstance(size, int) else None


def _scores(outputs: Any) -> "torch.Tensor":
    """The model's output, or the first (n, classes) tensor among several outputs.

    Raises:
        QueryError: There is no such tensor.
    """
    import torch

    # Half precision becomes float32 here, since numpy knows no bfloat16.
    if isinstance(outputs, torch.Tensor):
        return outputs.float() if outputs.is_floating_point() else outputs
    parts = list(outputs.values() if isinstance(outputs, dict) else outputs)
    rows = [part for part in parts if isinstance(part, torch.Tensor) and part.ndim == 2]
    if not rows:
        raise QueryError(f"no (n, classes) tensor among {len(parts)} outputs")
    return rows[0].float()


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:200] if lines else type(error).__name__


torchscript = Kind(TorchScriptAdapter, suffixes=(".pt", ".pt2"))
