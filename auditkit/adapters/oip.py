"""Models behind the Open Inference Protocol v2: Triton, MLServer, KServe, OpenVINO, Seldon.

`https://host/v2/models/NAME[/versions/V]` is queried over HTTP, with raw tensors if the server
offers that extension and JSON if not. `grpcs://host:port/NAME[/V]` is queried over gRPC and needs
the package grpcio.
"""

from auditkit.adapters.base import CONCURRENT, Kind, Outputs, Port
from auditkit.adapters.wire.addresses import parsed
from auditkit.adapters.wire.tensors import (
    DTYPES,
    FIRST_BYTES,
    FIRST_POINTS,
    Served,
    Tensor,
    Wire,
)
from auditkit.core.arrays import Rows
from auditkit.core.errors import SuspectMismatchError
from auditkit.core.requests import Options, Reach

__all__ = ["oip"]


class OipAdapter:
    """Queries a model as its server's metadata says: input, number type, shape, batch size."""

    def __init__(self, source: str, options: Options) -> None:
        parsed(source)
        self._wire = _wire(source, options.reach)
        try:
            served = self._wire.described()
            self._tensor = _input(served)
        except Exception:
            # Nobody else holds the connection yet: without an adapter there is no one to close it.
            self._wire.close()
            raise
        self.runtime = {
            "protocol": "Open Inference Protocol 2",
            # A server may repeat the request's token in what it says of itself.
            "platform": self._wire.hide(served.platform)[:60],
            "versions": self._wire.hide(served.version)[:60],
        }
        sizes = self._tensor.shape
        self.port = Port(
            source,
            shape=tuple(size if size > 0 else None for size in sizes[1:]) or None,
            dtype=DTYPES[self._tensor.datatype],
            batch=sizes[0] if sizes and sizes[0] > 0 else None,
            at_once=FIRST_POINTS,
            largest_request=FIRST_BYTES,
            concurrency=CONCURRENT,
        )

    def answer(self, batch: Rows) -> Outputs:
        """See `Adapter.answer`."""
        return self._wire.infer(self._tensor, batch)

    def close(self) -> None:
        """See `Adapter.close`."""
        self._wire.close()


def _wire(source: str, reach: Reach) -> Wire:
    """Connect over gRPC or HTTP, as the address says."""
    # Imported here, because both clients take long to load and grpcio is an optional dependency.
    if source.startswith("grpc"):
        from auditkit.adapters.wire.oip_grpc import GrpcWire

        return GrpcWire(source, reach)
    from auditkit.adapters.wire.oip_rest import RestWire

    return RestWire(source, reach)


def _input(served: Served) -> Tensor:
    if not served.inputs:
        # A server may leave the inputs to the model's code, as MLServer does for custom runtimes.
        # The owner's shape is tried then, under a name that such code mostly ignores.
        return Tensor("input", "FP32", ())
    if len(served.inputs) > 1:
        listed = ", ".join(repr(tensor.name[:40]) for tensor in served.inputs[:5])
        raise SuspectMismatchError(
            f"the suspect takes {len(served.inputs)} inputs ({listed}), auditkit asks with one "
            "tensor; describe the API in a file.toml"
        )
    [tensor] = served.inputs
    if tensor.datatype not in DTYPES:
        raise SuspectMismatchError(
            f"the suspect takes {tensor.datatype[:20]!r} inputs, points are float numbers"
        )
    return tensor


oip = Kind(
    OipAdapter,
    addresses=(r"grpcs?://[^/]+/.+", r"https?://.+/v2/models/[^/?]+"),
    remote=True,
)
