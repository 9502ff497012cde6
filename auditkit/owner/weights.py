"""The weights of the owner's model as layers, and what a bundle keeps of them."""

from torch import nn

from auditkit.core.fingerprint import OwnWeights
from auditkit.core.weights import Layer, layers, sketch
from auditkit.judging.likeness import likeness
from auditkit.owner.classifier import Owner
from auditkit.owner.copies import CHANGES, changed, data_free


def own_weights(owner: Owner, seed: int, *, from_scratch: bool) -> OwnWeights | None:
    """Sketch the owner's weights, and measure how alike those of its quick copies are.

    Args:
        owner: The model, which is not changed.
        seed: Fixes the projections of the sketch and the copies' noise.
        from_scratch: Whether it was trained from random weights, as its maker says.

    Returns:
        None where the model has no weights that can be read, or none of a useful size.
    """
    kept = sketch(layers_of(owner.model.module), seed)
    if not kept.outlines:
        return None
    alike = []
    for name, change in CHANGES.items():
        with changed(owner, data_free(name, change, seed)):
            alike.append(likeness(layers_of(owner.model.module), kept))
    return OwnWeights(kept, round(min(alike), 4), from_scratch)


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
