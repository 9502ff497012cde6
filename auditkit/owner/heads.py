"""Owners that return more than one row of scores: which of their outputs is read."""

from collections.abc import Iterator, Mapping

from torch import Tensor, nn

from auditkit.core.errors import OwnerLoadError

SHOWN = 6
"""Outputs that an error lists."""


class Head(nn.Module):
    """A model cut down to one of its outputs, so that everything else sees rows of scores."""

    def __init__(self, model: nn.Module, name: str) -> None:
        super().__init__()
        self.model, self.name = model, name
        self.training = False  # not by eval(), which exported programs refuse

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the output of this name, or at this place.

        Raises:
            OwnerLoadError: The model has no such output.
        """
        found = dict(outputs_of(self.model(inputs)))
        if self.name not in found:
            raise OwnerLoadError(f"the model has no output {self.name!r}; it has {listed(found)}")
        return found[self.name]


def outputs_of(returned: object) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors that a model returned: by name, or by place in a tuple or list."""
    # transformers' ModelOutput is a mapping.
    if isinstance(returned, Mapping):
        named = [(str(name), one) for name, one in returned.items()]
    elif hasattr(returned, "_asdict"):
        named = list(returned._asdict().items())
    elif isinstance(returned, tuple | list):
        named = [(str(place), one) for place, one in enumerate(returned)]
    else:
        named = [("0", returned)]
    yield from ((name, one) for name, one in named if isinstance(one, Tensor))


def listed(outputs: Mapping[str, Tensor]) -> str:
    """Return names and shapes of outputs, for an error."""
    named = [f"{name} {tuple(one.shape)}" for name, one in outputs.items()]
    return ", ".join(named[:SHOWN]) or "none"
