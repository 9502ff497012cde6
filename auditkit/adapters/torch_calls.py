"""How a torch module is called: what its one tensor is, and how its outputs are named."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from auditkit.adapters.base import FLOAT32, Axes
from auditkit.core.arrays import DType
from auditkit.core.errors import QueryError, SuspectLoadError, SuspectMismatchError

DEEPEST = 8
"""Lists and dicts within outputs that are looked into."""
MOST_OUTPUTS = 1000
"""Tensors that are looked at in one reply."""


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """An opened module and how it is called with one tensor."""

    module: nn.Module
    arguments: Callable[[Tensor], "Arguments"]
    """What the module is called with for a batch."""
    floats: torch.dtype
    """Type that float numbers are converted to; numpy knows no bfloat16, so it is done here."""
    dtype: DType | None
    """Number type of the batch; None if the file does not tell."""
    axes: Axes | None = None
    """The declared shape; None if the file does not tell."""

    def __call__(self, batch: Tensor) -> dict[str, Tensor]:
        """Return the outputs by name."""
        given = self.arguments(batch.to(self.floats) if batch.is_floating_point() else batch)
        return dict(_named("", self.module(*given.positional, **given.named), 0))


@dataclass(frozen=True, slots=True, eq=False)
class Arguments:
    """What one call takes."""

    positional: tuple[Any, ...]
    named: Mapping[str, Any]


def exported(program: torch.export.ExportedProgram, device: torch.device) -> Call:
    """Return how an exported program is called, with everything but its tensor as it was exported.

    Raises:
        SuspectMismatchError: It takes more than one tensor, or none.
    """
    leaves = program.graph_signature.user_inputs
    nodes = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    tensors = {
        name: nodes[name].meta["val"]
        for name in leaves
        if isinstance(name, str) and name in nodes and isinstance(nodes[name].meta["val"], Tensor)
    }
    _check_one(list(tensors))
    [(wanted, example)] = tensors.items()

    def arguments(batch: Tensor) -> Arguments:
        values = [batch if leaf == wanted else _constant(leaf, nodes) for leaf in leaves]
        positional, named = pytree.tree_unflatten(values, program.call_spec.in_spec)
        return Arguments(tuple(positional), named)

    is_float = example.dtype.is_floating_point
    # An axis of any size is a torch.SymInt, which is no int.
    sizes = [int(size) if isinstance(size, int) else None for size in example.shape]
    return Call(
        program.module().to(device),
        arguments,
        example.dtype if is_float else torch.float32,
        FLOAT32 if is_float else np.dtype(str(example.dtype).removeprefix("torch.")),
        Axes.of(sizes),
    )


def _constant(leaf: Any, nodes: Mapping[str, Any]) -> Any:
    """Return an argument that is no tensor: its value, or that of the placeholder that names it."""
    is_named = isinstance(leaf, str) and leaf in nodes
    return nodes[leaf].meta.get("val") if is_named else leaf


def scripted(module: torch.jit.ScriptModule) -> Call:
    """Return how a TorchScript module is called: with a tensor, or a list of one for each point.

    Raises:
        SuspectLoadError: It has no forward.
        SuspectMismatchError: It takes more than one tensor, or something else.
    """
    try:
        forward: Any = module.forward
        found = forward.schema.arguments[1:]
    except (AttributeError, RuntimeError) as error:
        raise SuspectLoadError("the module has no method `forward` to be asked by") from error
    needed = [one for one in found if not one.has_default_value()] or found[:1]
    _check_one([str(one.name) for one in needed])
    kind = str(needed[0].type)
    if kind not in ("Tensor", "Optional[Tensor]", "List[Tensor]"):
        raise SuspectMismatchError(
            f"the suspect takes {kind} as {needed[0].name!r}, auditkit asks with one tensor; wrap "
            "it in a module that takes one and script that"
        )
    is_list, name = kind == "List[Tensor]", str(needed[0].name)

    def arguments(batch: Tensor) -> Arguments:
        given = list(batch.unbind(0)) if is_list else batch
        first = found[0].name == name
        return Arguments((given,), {}) if first else Arguments((), {name: given})

    return Call(module, arguments, _float_type(module), dtype=None)


def plain(module: nn.Module) -> Call:
    """Return how a module that is no TorchScript is called: with the batch alone."""
    return Call(module, lambda batch: Arguments((batch,), {}), _float_type(module), dtype=None)


def _check_one(names: list[str]) -> None:
    if len(names) != 1:
        listed = f" ({', '.join(repr(name[:40]) for name in names[:5])})" if names else ""
        raise SuspectMismatchError(
            f"the suspect takes {len(names)} inputs{listed}, auditkit asks with one tensor; wrap "
            "it in a module that gives the others and export that"
        )


def _float_type(module: nn.Module) -> torch.dtype:
    """Return the number type of the module's first weights, which is that of its inputs."""
    for tensor in (*module.parameters(), *module.buffers(), *_constants(module)):
        if tensor.is_floating_point():
            return tensor.dtype
    return torch.float32


def _constants(module: nn.Module) -> Iterator[Tensor]:
    """Yield the tensors of a frozen module's graph."""
    graph: Any = getattr(module, "inlined_graph", None)  # held, since its nodes are gone with it
    for node in () if graph is None else graph.findAllNodes("prim::Constant", recurse=True):
        if node.hasAttribute("value") and node.kindOf("value") == "t":
            yield node.t("value")


def _named(name: str, found: Any, depth: int) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of an output by their path in it, such as `logits` or `0.scores`."""
    if isinstance(found, Tensor):
        # Half precision becomes float32 here, since numpy knows no bfloat16.
        yield name or "output", found.float() if found.is_floating_point() else found
    elif isinstance(found, Mapping | list | tuple) and depth < DEEPEST:
        if len(found) > MOST_OUTPUTS:
            raise QueryError(f"the suspect returned {len(found)} outputs")
        parts = found.items() if isinstance(found, Mapping) else _fields(found)
        for key, part in parts:
            yield from _named(f"{name}.{key}" if name else str(key), part, depth + 1)


def _fields(found: list[Any] | tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
    names = getattr(found, "_fields", range(len(found)))  # named tuples, such as topk's
    return zip(map(str, names), found, strict=True)
