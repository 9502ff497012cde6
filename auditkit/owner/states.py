"""Named weights from files: safetensors, state dicts, and checkpoints that hold one."""

import io
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from auditkit.core.errors import OwnerLoadError
from auditkit.core.weights import WITHIN, tables

WAYS_OUT = (
    "save it with torch.export.save (.pt2), with torch.jit.save (.pt), "
    "or give package.module:factory with --weights"
)


SHOWN = 3
"""Names of weights that an error lists."""


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
    return _state(weights, found)


def _state(weights: Path, found: object) -> dict[str, Tensor]:
    """Return the state dict that a file is, or that its checkpoint holds."""
    for table in tables(found):
        state = {str(name): one for name, one in table.items() if isinstance(one, Tensor)}
        if state:
            return state
    raise OwnerLoadError(
        f"{str(weights)!r} holds no state dict; wanted names with tensors, or such a table under "
        f"{', '.join(WITHIN)}"
    )


def load_state(module: nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    """Load weights into a module, without the prefix that a wrapper gave their names.

    Raises:
        OwnerLoadError: Weights are missing, unexpected or of another shape; they are named.
    """
    wanted = module.state_dict()
    known = _unprefixed(state, wanted)
    shapes = [
        f"{name} has shape {tuple(one.shape)}, wanted {tuple(wanted[name].shape)}"
        for name, one in known.items()
        if name in wanted and one.shape != wanted[name].shape
    ]
    troubles = [
        _listed("missing", [name for name in wanted if name not in known]),
        _listed("unexpected", [name for name in known if name not in wanted]),
        "; ".join(shapes[:SHOWN]),
    ]
    if any(troubles):
        raise OwnerLoadError(
            f"{source!r} does not fit the model: {'; '.join(filter(None, troubles))}; give the "
            "model's own arguments and weights"
        )
    with one_line(source):
        module.load_state_dict(dict(known))


def _unprefixed(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Return the weights under the names that are wanted, where a prefix is all that differs.

    Wrappers write `module.` (DataParallel), `_orig_mod.` (compile) or the name of a field (a
    Lightning module, which may hold weights of a loss besides).
    """
    first = next(iter(wanted), "")
    prefixes = [name.removesuffix(first) for name in state if name.endswith(f".{first}")]
    for prefix in prefixes:
        found = {n.removeprefix(prefix): one for n, one in state.items() if n.startswith(prefix)}
        if found.keys() == wanted.keys():
            return found
    return state


def _listed(word: str, names: list[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{word} {', '.join(names[:SHOWN])}{more}"
