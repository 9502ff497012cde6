"""TorchScript (.pt) and exported programs (.pt2) through torch, from authors who are trusted.

Opening such a file runs what its author put into it: TorchScript's `__setstate__`, hooks and forked
calls, and in `.pt2` pickled weights, opaque objects and expressions that sympy evaluates. No look
at the file beforehand finds them all, so nothing is opened unless the user vouches for the author.
"""

import io
import warnings
import zipfile
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from auditkit.adapters.base import AT_ONCE, one_line, read_file
from auditkit.core.arrays import FloatArray
from auditkit.core.errors import (
    QueryError,
    SuspectLoadError,
    SuspectMismatchError,
    UntrustedError,
)
from auditkit.core.points import InputSpec
from auditkit.core.provenance import sha256
from auditkit.core.requests import Options
from auditkit.suspects.arrangement import arrange

__all__ = ["TorchScriptAdapter"]


class TorchScriptAdapter:
    """A module over the very bytes that were hashed."""

    def __init__(self, source: str, spec: InputSpec, options: Options) -> None:
        data = read_file(source)
        if not options.trust_torch:
            raise UntrustedError(
                f"{source!r} was not opened: a TorchScript or .pt2 file can run commands of its "
                "author; add --trust-torch if its author may run code here, or ask for ONNX"
            )
        self.digest: str | None = sha256(data)
        self.identity = self.digest
        self.batch, self.lanes = AT_ONCE, 1
        self._device = _device(options.device)
        self._module, self._batch = _loaded(source, data, self._device)
        self._arrangement = arrange(spec, spec.shape, np.dtype(np.float32), resize=options.resize)
        self.runtime = {"torch": str(torch.__version__), "device": str(self._device)}

    def answer(self, points: FloatArray) -> NDArray[Any]:
        """See `Adapter.answer`."""
        inputs = torch.from_numpy(self._arrangement(points)).to(self._device)
        try:
            with torch.inference_mode():
                return self._answer(inputs).cpu().numpy()
        except Exception as error:
            raise QueryError(f"the suspect failed while answering: {_last_line(error)}") from error

    def _answer(self, inputs: torch.Tensor) -> torch.Tensor:
        if self._batch is None:
            return _scores(self._module(inputs))
        missing = -len(inputs) % self._batch
        padded = torch.cat([inputs, inputs[:1].expand(missing, *inputs.shape[1:])])
        parts = [_scores(self._module(part)) for part in padded.split(self._batch)]
        return torch.cat(parts)[: len(inputs)]

    def close(self) -> None:
        """See `Adapter.close`."""
        self._module = None


def _device(name: str) -> torch.device:
    usable = torch.cuda.is_available()
    if name.startswith("cuda") and not usable:
        raise SuspectLoadError(f"--device {name}: torch sees no CUDA device; use --device cpu")
    return torch.device(("cuda" if usable else "cpu") if name == "auto" else name)


def _loaded(source: str, data: bytes, device: torch.device) -> tuple[Any, int | None]:
    members = _members(data)
    script = any(name.endswith("constants.pkl") for name in members)
    exported = any("models/" in name or "serialized_exported" in name for name in members)
    if not script and not exported:
        pickled = data[:1] == b"\x80" or any(name.endswith("data.pkl") for name in members)
        kind = "a pickled checkpoint" if pickled else "no TorchScript and no .pt2 archive"
        raise SuspectLoadError(f"{source!r} is {kind}; export it to ONNX or TorchScript")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _exported(data, device) if exported else (_script(data, device), None)
    except SuspectLoadError as error:
        raise SuspectLoadError(f"{source!r} {error}") from error
    except Exception as error:
        raise SuspectLoadError(f"{source!r} can't be opened: {one_line(error)}") from error


def _members(data: bytes) -> list[str]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError):
        return []


def _script(data: bytes, device: torch.device) -> Any:
    return torch.jit.load(io.BytesIO(data), map_location=device).eval()


def _exported(data: bytes, device: torch.device) -> tuple[Any, int | None]:
    program = torch.export.load(io.BytesIO(data))
    names = program.graph_signature.user_inputs
    values = [node.meta["val"] for node in program.graph.nodes if node.name in names]
    if len(values) != 1:
        raise SuspectMismatchError(
            f"the suspect takes {len(values)} inputs, auditkit asks with one tensor"
        )
    size = values[0].shape[0]
    return program.module().to(device), int(size) if isinstance(size, int) else None


def _scores(outputs: Any) -> torch.Tensor:
    """The first tensor of rows among what the model returned."""
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
