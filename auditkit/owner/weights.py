"""The weights of the owner's model as layers."""

from torch import nn

from auditkit.core.weights import Layer, layers


def layers_of(module: nn.Module) -> tuple[Layer, ...]:
    """Return the layers of the owner's module, in the order of its definition.

    Embeddings are left out where the module tells which they are: their rows are words, and no
    channels.
    """
    words = {
        id(part.weight)
        for part in module.modules()
        if isinstance(part, nn.Embedding | nn.EmbeddingBag)
    }
    named = [*module.named_parameters(), *module.named_buffers()]
    return layers(
        (name, tensor.detach().float().cpu().numpy())
        for name, tensor in named
        if id(tensor) not in words
    )
