"""Opens the owner's model: an exported program, a TorchScript archive, or a factory.

Pickled modules are refused, because opening a pickle can run any code.
"""

import copy
import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from auditkit.core.arrays import JsonObject
from auditkit.core.errors import OwnerLoadError
from auditkit.owner.factories import made_by
from auditkit.owner.heads import Head
from auditkit.owner.states import WAYS_OUT, load_state, one_line, read_state

LARGEST = 256
"""Inputs that a model is asked at once, at most; so many are tried of an exported program."""
SIZES: tuple[int, ...] = (64, 32, 16, 8, 4, 2, 1, *range(60, 2, -1))
"""Batch sizes that are tried where not every one is taken, the likely ones first."""
UNBOUNDED = 1 << 30
"""A largest batch from here on is none."""


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
    layout: torch.memory_format = torch.contiguous_format
    """How inputs lie in memory."""

    def __call__(self, inputs: Tensor) -> Tensor:
        """Return (n, classes) for inputs (n, *shape), asked in the model's own batch size."""
        inputs = inputs.contiguous(memory_format=self.layout)
        if self.batch is None:
            return self.module(inputs)  # type: ignore[no-any-return]
        # An exported program may have its example's batch size for good. The last batch is filled
        # up with copies of the first input, and their scores are cut off.
        missing = -len(inputs) % self.batch
        padded = torch.cat([inputs, inputs[:1].expand(missing, *inputs.shape[1:])])
        return torch.cat([self.module(part) for part in padded.split(self.batch)])[: len(inputs)]


def load_model(
    source: object, weights: Path | None, device: torch.device, head: str = ""
) -> LoadedModel:
    """Open a `.pt2` or TorchScript file, or call a factory and load its weights.

    Args:
        source: A path, `package.module:factory` or `file.py:Class`, with arguments if it needs any;
            or a module, which is copied.
        weights: A file of safetensors or a weights-only state dict; for factories and modules only.
            None: they bring their own.
        device: Where the model runs.
        head: Which output is read of a model that returns several, by name or place.

    Raises:
        OwnerLoadError: The model can't be opened, or is a pickled module.
    """
    if isinstance(source, nn.Module):
        found = _load_module(source, weights, device)
    elif isinstance(source, str):
        found = _load(source, weights, device)
    else:
        raise OwnerLoadError(
            f"a model is a path, package.module:factory or a torch.nn.Module, got "
            f"{type(source).__name__}"
        )
    return replace(found, module=Head(found.module, head)) if head else found


def _load(source: str, weights: Path | None, device: torch.device) -> LoadedModel:
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
    module = program.module().to(device)
    example = torch.zeros(1, *(int(size) for size in shape), dtype=inputs[0].dtype, device=device)
    # A batch size that may vary is symbolic, a torch.SymInt.
    fixed = int(batch) if isinstance(batch, int) else _bounded(module, program, example)
    return _Opened(module, {"shape": list(example.shape[1:])}, fixed)


def _bounded(
    module: nn.Module, program: torch.export.ExportedProgram, example: Tensor
) -> int | None:
    """Return a batch size that the program takes, where it does not take every one.

    `Dim(min=2, max=32)` and multiples such as `4 * Dim("n")` bound what was exported; all batches
    then have one size, and the last is filled up.
    """
    bounds = program.range_constraints.values()
    free = all(bool(one.lower <= 2 and one.upper >= UNBOUNDED) for one in bounds)
    if free and all(_takes(module, example, size) for size in (1, 2, 3, LARGEST)):
        return None
    for size in SIZES:
        if _takes(module, example, size):
            return size
    raise OwnerLoadError(
        f"the model takes none of the batch sizes {min(SIZES)} to {max(SIZES)}; export it with a "
        "batch axis of any size"
    )


def _takes(module: nn.Module, example: Tensor, size: int) -> bool:
    try:
        with torch.no_grad():
            module(example.expand(size, *example.shape[1:]))
    # What a program raises for a size that it was not exported for depends on torch's version.
    except Exception:
        return False
    return True


def _load_factory(source: str, weights: Path | None, device: torch.device) -> LoadedModel:
    module = made_by(source)
    if weights is not None:
        load_state(module, read_state(weights), str(weights))
        digest = _digest(source.encode(), b"\0", weights.read_bytes())
    else:
        # A factory that brings its own weights makes the same model each time.
        digest = _weights_digest(source, module)
        if _weights_digest(source, made_by(source)) != digest:
            raise OwnerLoadError(
                f"{source!r} makes other weights each time, so it needs --weights FILE "
                "(safetensors, a state dict or a checkpoint)"
            )
    _freeze(module.eval())
    return LoadedModel(source, digest, module.to(device))


def _load_module(given: nn.Module, weights: Path | None, device: torch.device) -> LoadedModel:
    name = type(given).__qualname__
    # A copy, since the user's own module stays in training mode, on its device and learning.
    with one_line(name):
        module = copy.deepcopy(given).eval()
    if weights is not None:
        load_state(module, read_state(weights), str(weights))
    _freeze(module)
    return LoadedModel(name, _weights_digest(name, module), module.to(device))


def _weights_digest(source: str, module: nn.Module) -> str:
    found = hashlib.sha256(source.encode() + b"\0")
    for name, value in module.state_dict().items():
        found.update(name.encode())
        found.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return "sha256:" + found.hexdigest()


def _freeze(module: nn.Module) -> None:
    # Gradients are taken of inputs; those of weights would only take time and memory.
    for parameter in module.parameters():
        parameter.requires_grad_(False)  # noqa: FBT003
