"""What is left of a suspect whose file holds weights and no program: they can be compared."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from auditkit.adapters.base import Port
from auditkit.core.arrays import Rows
from auditkit.core.errors import QueryError, SuspectLoadError
from auditkit.core.weights import Layer


@dataclass(slots=True)
class WeightsAlone:
    """An adapter of layers that nobody can ask anything.

    Raises:
        SuspectLoadError: There are no layers.
    """

    digest: str
    layers: tuple[Layer, ...]
    runtime: Mapping[str, str]
    port: Port = field(init=False)

    def __post_init__(self) -> None:
        if not self.layers:
            raise SuspectLoadError("the file holds no weights; export the model to ONNX")
        self.port = Port(self.digest, self.digest, local=True, answers=False)

    def answer(self, _batch: Rows) -> Rows:
        """See `Adapter.answer`; it always fails."""
        raise QueryError("the file holds weights and no program; export the model to ONNX")

    def weights(self) -> tuple[Layer, ...]:
        """See `HasWeights.weights`."""
        return self.layers

    def close(self) -> None:
        """See `Adapter.close`."""
        self.layers = ()
