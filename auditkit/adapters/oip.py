"""Models behind the Open Inference Protocol v2: Triton, MLServer, KServe, OpenVINO, Seldon.

`https://host/v2/models/NAME[/versions/V]` by JSON, or raw tensors where the server offers them;
`grpcs://host:port/NAME[/V]` by gRPC, which needs grpcio.
"""

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditkit.adapters.base import LANES
from auditkit.adapters.wire.addresses import parsed
from auditkit.adapters.wire.tensors import DTYPES, Port, Served, Wire, answer, points_at_once
from auditkit.core.arrays import FloatArray
from auditkit.core.errors import MissingRuntimeError, SuspectMismatchError
from auditkit.core.points import InputSpec
from auditkit.core.requests import Options
from auditkit.suspects.arrangement import Arrangement, arrange

__all__ = ["OipAdapter"]


class OipAdapter:
    """Asks with what the server says of its model: names, number type, layout, batch axis."""

    def __init__(self, source: str, spec: InputSpec, options: Options) -> None:
        parsed(source)
        self._wire = _wire(source, options)
        self._classes = options.classes
        self.digest: str | None = None
        self.identity = source
        try:
            served = self._wire.described()
            self._port = _input(served, spec)
            self._arrangement = _arrangement(self._port, spec, options)
        except Exception:
            self._wire.close()
            raise
        self.runtime = {
            "protocol": "Open Inference Protocol 2",
            "platform": self._wire.hide(served.platform)[:60],
            "versions": self._wire.hide(served.version)[:60],
        }
        size = self._port.shape[0] if self._port.shape else -1
        self.batch = size if size > 0 else points_at_once(spec.shape)
        self.lanes = LANES
        self._fixed = size if size > 0 else 1

    def answer(self, points: FloatArray) -> NDArray[Any]:
        """See `Adapter.answer`; a fixed batch is filled up with its first point."""
        batch = self._arrangement(points)
        missing = -len(batch) % self._fixed
        whole = np.concatenate([batch, np.repeat(batch[:1], missing, axis=0)])
        outputs = self._wire.infer(self._port, whole)
        return answer(outputs, len(whole), self._classes)[: len(batch)]

    def close(self) -> None:
        """See `Adapter.close`."""
        self._wire.close()


def _wire(source: str, options: Options) -> Wire:
    name = "oip_grpc" if source.startswith("grpc") else "oip_rest"
    try:
        module = importlib.import_module(f"auditkit.adapters.wire.{name}")
    except ModuleNotFoundError as error:
        raise MissingRuntimeError(
            f"{source.partition(':')[0]}: addresses need {error.name!r}, which is not installed: "
            "pip install 'model-auditkit[grpc]'"
        ) from error
    made: Wire = (module.GrpcWire if name == "oip_grpc" else module.RestWire)(source, options.reach)
    return made


def _input(served: Served, spec: InputSpec) -> Port:
    if not served.inputs:  # some servers leave it to the model's code to say
        return Port("input", "FP32", (-1, *spec.shape))
    if len(served.inputs) > 1:
        listed = ", ".join(repr(port.name[:40]) for port in served.inputs[:5])
        raise SuspectMismatchError(
            f"the suspect takes {len(served.inputs)} inputs ({listed}), auditkit asks with one "
            "tensor; describe the API in a file.toml"
        )
    [port] = served.inputs
    if port.datatype not in DTYPES:
        raise SuspectMismatchError(
            f"the suspect takes {port.datatype[:20]!r} inputs, points are float numbers"
        )
    return port


def _arrangement(port: Port, spec: InputSpec, options: Options) -> Arrangement:
    sizes = tuple(size if size > 0 else None for size in port.shape[1:])
    wanted = sizes if len(port.shape) > 1 else spec.shape
    return arrange(spec, wanted, DTYPES[port.datatype], resize=options.resize)
