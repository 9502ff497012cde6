"""Opens the owner's model: an exported program, a TorchScript archive, or a factory.

Pickled modules are refused, because opening a pickle can run any code.
"""

import hashlib
import importlib
import inspect
import io
import json
import sys
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from auditkit.core.arrays import Json, JsonObject
from auditkit.core.errors import OwnerLoadError
from auditkit.core.escape import first_line

WAYS_OUT = (
    "save it with torch.export.save (.pt2), with torch.jit.save (.pt), "
    "or give package.module:factory with --weights"
)


@dataclass(frozen=True, slots=True, eq=False)
class LoadedModel:
    """A module that maps a batch to rows of scores, and what its file declares of the input."""

    name: str
    digest: str
    """"sha256:…" of the file, or of the factory's name and the weights."""
    module: nn.Module
    declared: JsonObject = field(default_factory=dict)
    """`shape`, `lower`, `upper`, `mean` and `std`, as far as the file tells them; not checked."""
    batch: int | None = None
    """The only batch size that the model takes; None: any."""

    def __call__(self, inputs: Tensor) -> Tensor:
        """Return (n, classes) for inputs (n, *shape), asked in the model's own batch size."""
        if self.batch is None:
            return self.module(inputs)  # type: ignore[no-any-return]
        # An exported program may have its example's batch size for good. The last batch is filled
        # up with copies of the first input, and their scores are cut off.
        missing = -len(inputs) % self.batch
        padded = torch.cat([inputs, inputs[:1].expand(missing, *inputs.shape[1:])])
        return torch.cat([self.module(part) for part in padded.split(self.batch)])[: len(inputs)]


def load_model(source: str, weights: Path | None, device: torch.device) -> LoadedModel:
    """Open a `.pt2` or TorchScript file, or call `package.module:factory` and load its weights.

    Args:
        source: A path, or `package.module:factory`.
        weights: A file of safetensors or a weights-only state dict; for factories only.
        device: Where the model runs.

    Raises:
        OwnerLoadError: The model can't be opened, or is a pickled module.
    """
    path = Path(source)
    if ":" in source and not path.exists():
        return _load_factory(source, weights, device)
    if weights is not None:
        raise OwnerLoadError(f"--weights goes with package.module:factory, got {source!r}")
    if not path.is_file():
        raise OwnerLoadError(f"no such model file: {source!r}")
    data = path.read_bytes()
    loader = _loader(path, data)
    with one_line(source):
        opened = loader(data, device)
    _freeze(opened.module)
    return LoadedModel(
        name=path.name,
        digest=_digest(data),
        module=opened.module.to(device),
        declared=opened.declared,
        batch=opened.batch,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Opened:
    """What a file holds: the module, what it declares of the input, and its only batch size."""

    module: nn.Module
    declared: JsonObject
    batch: int | None = None


def _digest(*parts: bytes) -> str:
    return "sha256:" + hashlib.sha256(b"".join(parts)).hexdigest()


def _loader(path: Path, data: bytes) -> Callable[[bytes, torch.device], _Opened]:
    """Choose how to open a file by its contents: `.pt` is the suffix of three different formats."""
    if not data:
        raise OwnerLoadError(f"{str(path)!r} is empty")
    if path.suffix == ".onnx":
        raise OwnerLoadError(f"{str(path)!r} is an ONNX file, which has no gradients; {WAYS_OUT}")
    members = _members(data)
    # Exported programs may hold a constants.pkl too, so that alone is no TorchScript archive.
    if any(name.endswith("constants.pkl") for name in members) and not _is_exported(members):
        return _load_torchscript
    if _is_exported(members):
        return _load_exported
    if data[:1] == b"\x80" or any(name.endswith("data.pkl") for name in members):
        raise OwnerLoadError(
            f"{str(path)!r} is a pickle, which could run any code when opened; {WAYS_OUT}"
        )
    raise OwnerLoadError(f"{str(path)!r} is no .pt2 and no TorchScript archive; {WAYS_OUT}")


def _members(data: bytes) -> list[str]:
    """Return the names in a zip archive; none if it is not one."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return archive.namelist()
    except zipfile.BadZipFile:
        return []


def _is_exported(members: list[str]) -> bool:
    return any("serialized_exported_program" in name or "models/" in name for name in members)


@contextmanager
def one_line(source: str) -> Iterator[None]:
    """Turn any failure within the block into one line of error, and silence torch's warnings."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except OwnerLoadError:
        raise
    # A factory is somebody's own code, which may raise anything, or call sys.exit.
    except (Exception, SystemExit) as error:
        line = (str(error).strip().splitlines() or [""])[0][:200]
        raise OwnerLoadError(
            f"{source!r} can't be opened: {type(error).__name__}: {line}; {WAYS_OUT}"
        ) from error


def _load_torchscript(data: bytes, device: torch.device) -> _Opened:
    extra = {"auditkit.json": ""}
    module = torch.jit.load(io.BytesIO(data), map_location=device, _extra_files=extra)
    text = extra["auditkit.json"]
    declared = json.loads(text) if text else {}
    if not isinstance(declared, dict):
        raise OwnerLoadError("auditkit.json in the archive must be an object of input facts")
    return _Opened(module.eval(), declared)


def _load_exported(data: bytes, device: torch.device) -> _Opened:
    program = torch.export.load(io.BytesIO(data))
    inputs = [
        node.meta["val"]
        for node in program.graph.nodes
        if node.op == "placeholder" and node.name in program.graph_signature.user_inputs
    ]
    if len(inputs) != 1 or not inputs[0].is_floating_point():
        kinds = ", ".join(str(value.dtype) for value in inputs)
        raise OwnerLoadError(
            f"the model takes {len(inputs)} inputs ({kinds}), wanted one float tensor"
        )
    batch, *shape = inputs[0].shape
    # A batch size that may vary is symbolic, a torch.SymInt.
    fixed = int(batch) if isinstance(batch, int) else None
    module = program.module().to(device)
    return _Opened(module, {"shape": [int(size) for size in shape]}, fixed)


def _load_factory(source: str, weights: Path | None, device: torch.device) -> LoadedModel:
    factory = imported(source, "a model file or a factory")
    if not inspect.signature(factory).parameters.keys() <= _optional(factory):
        raise OwnerLoadError(f"{source!r} must be a function that needs no arguments")
    with one_line(source):
        module = factory()
    if not isinstance(module, nn.Module):
        raise OwnerLoadError(
            f"{source!r} returned {type(module).__name__}, wanted a torch.nn.Module"
        )
    data = b"" if weights is None else _load_weights(module, weights)
    if weights is None:
        raise OwnerLoadError(f"{source!r} needs --weights FILE (safetensors or a state dict)")
    _freeze(module.eval())
    return LoadedModel(source, _digest(source.encode(), b"\0", data), module.to(device))


def imported(source: str, wanted: str) -> Callable[..., Json]:
    """Import `package.module:function` from the working folder or an installed package.

    Args:
        source: As the user wrote it.
        wanted: What it should have been, for the error.

    Raises:
        OwnerLoadError: There is no such function.
    """
    module_name, _, name = source.partition(":")
    # A console script has its own folder on the path, not the user's, as `python -m` has.
    sys.path.insert(0, str(Path.cwd()))
    try:
        function = getattr(importlib.import_module(module_name), name)
    except (Exception, SystemExit) as error:
        raise OwnerLoadError(
            f"{wanted} can't be had from {source!r}: {type(error).__name__}: {first_line(error)}"
        ) from error
    finally:
        sys.path.pop(0)
    if not callable(function):
        raise OwnerLoadError(f"{source!r} must be a function, got {type(function).__name__}")
    checked: Callable[..., Json] = function
    return checked


def _optional(factory: Callable[..., Json]) -> set[str]:
    """Return the names of the parameters that a call may leave out."""
    parameters = inspect.signature(factory).parameters.values()
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {p.name for p in parameters if p.default is not p.empty or p.kind in several}


def _load_weights(module: nn.Module, weights: Path) -> bytes:
    """Load weights into a module and return the file's bytes, for the digest."""
    state = read_state(weights)
    with one_line(str(weights)):
        module.load_state_dict(state)
    return weights.read_bytes()


def read_state(weights: Path) -> dict[str, Tensor]:
    """Read named weights from a safetensors file or a saved state dict.

    Raises:
        OwnerLoadError: There is no such file, or it holds anything else.
    """
    if not weights.is_file():
        raise OwnerLoadError(f"no such weights file: {str(weights)!r}")
    data = weights.read_bytes()
    with one_line(str(weights)):
        if weights.suffix == ".safetensors":
            from safetensors.torch import load

            return load(data)
        # weights_only: a state dict is a pickle, and must not run code when it is read.
        found = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        state: dict[str, Tensor] = {str(name): value for name, value in found.items()}
    return state


def _freeze(module: nn.Module) -> None:
    # Gradients are taken of inputs; those of weights would only take time and memory.
    for parameter in module.parameters():
        parameter.requires_grad_(False)  # noqa: FBT003
