"""Files of safetensors: weights alone, which answer nothing and are compared as they are."""

import re
from collections.abc import Callable

import numpy as np

from auditkit.adapters.base import Adapter, Kind, read_file
from auditkit.adapters.weights_alone import WeightsAlone
from auditkit.core.arrays import Json, Rows
from auditkit.core.errors import SuspectLoadError
from auditkit.core.escape import first_line
from auditkit.core.provenance import sha256
from auditkit.core.requests import Options
from auditkit.core.weights import Layer, layers

__all__ = ["safetensors"]


def _halves(data: bytes) -> Rows:
    """Read bfloat16 numbers, which are the upper halves of float32 numbers."""
    wide = np.frombuffer(data, "<u2").astype(np.uint32) << 16
    return wide.view(np.float32)


def _plain(kind: str) -> Callable[[bytes], Rows]:
    return lambda data: np.frombuffer(data, kind)


TYPES: dict[str, Callable[[bytes], Rows]] = {
    "F64": _plain("<f8"),
    "F32": _plain("<f4"),
    "F16": _plain("<f2"),
    "BF16": _halves,
    "I16": _plain("<i2"),
    "U16": _plain("<u2"),
    "I8": _plain("i1"),
    "U8": _plain("u1"),
}


def read_layers(data: bytes) -> tuple[Layer, ...]:
    """Return the layers in the bytes of a safetensors file, in the order of their names.

    Raises:
        SuspectLoadError: The bytes are no safetensors.
    """
    from safetensors import SafetensorError, deserialize  # takes long to load

    try:
        found: list[tuple[str, dict[str, Json]]] = deserialize(data)
    except (SafetensorError, ValueError) as error:
        raise SuspectLoadError(f"no readable safetensors: {first_line(error)}") from error
    known = [(name, one) for name, one in found if one["dtype"] in TYPES]
    return layers(
        (name, TYPES[one["dtype"]](one["data"]).reshape(one["shape"]))
        for name, one in sorted(known, key=lambda entry: _natural(entry[0]))
    )


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts `layer2` before `layer10`."""
    parts = re.split(r"([0-9]+)", name)
    # Leading digits compare by their number: fewer digits first, then digit by digit.
    return [
        (len(part.lstrip("0")), part.lstrip("0")) if part.isdigit() else (0, part) for part in parts
    ]


def _opened(source: str, _options: Options) -> Adapter:
    data = read_file(source)
    import safetensors as package

    runtime = {"safetensors": package.__version__}
    return WeightsAlone(sha256(data), read_layers(data), runtime)


def _prepare(_source: str) -> None:
    from safetensors import deserialize  # noqa: F401


safetensors = Kind(_opened, suffixes=(".safetensors",), prepare=_prepare, same_for_all=True)
