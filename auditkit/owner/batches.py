"""How a model takes its inputs: in which batches, and how they lie in memory.

Both are found out by asking, before minutes are spent on a model.
"""

from dataclasses import replace

import torch
from torch import Tensor

from auditkit.owner.heads import listed, outputs_of
from auditkit.owner.opening import LoadedModel
from auditkit.owner.room import answered_at_once

BATCH = 256
"""Inputs that a model is asked at once when no gradients are needed."""
SIZES = (256, 128, 64, 32, 16, 8, 4, 2, 100, 50, 48, 40, 30, 25, 24, 20, 12, 10, 7, 6, 5, 3, 1)
"""Sizes of batches that are tried of a model that does not take any: powers of two first."""
MODEL_ERRORS = (RuntimeError, ValueError, IndexError, TypeError, AssertionError)
"""Exceptions that a module raises for an input that it can't take. No others are caught, so that
a fault of auditkit is not mistaken for one of the model."""
WIDE = 64
"""Pixels of a side from which images lie channels last in memory where the model takes them so.
Depthwise convolutions of 224 pixels take half the time then."""


def sized(model: LoadedModel, inputs: Tensor) -> LoadedModel:
    """Return the model with a batch size that it takes: any, or the largest that works.

    A batch may be written into a model, or bounded when it is exported. That is found out here,
    before minutes are spent on it.

    Args:
        model: Where its file tells its only batch size, that one is tried alone.
        inputs: (n, *shape) as the model takes them.

    Raises:
        Exception: One of `MODEL_ERRORS`: what it says to inputs of this shape.
    """
    errors = []
    most = answered_at_once(inputs, BATCH)
    for size in (None, *SIZES) if model.batch is None else (model.batch,):
        try:
            with torch.no_grad():
                # Who takes the largest batch that is ever asked, and a single input, takes any.
                for count in (most, 1) if size is None else (size,):
                    asked = inputs[:1].detach().expand(count, *inputs.shape[1:])
                    checked(model.module(asked), count)
        except MODEL_ERRORS as error:
            errors.append(error)
        else:
            return replace(model, batch=size)
    raise errors[-1]


def checked(outputs: object, count: int) -> Tensor:
    """Refuse outputs that are not (count, classes) float scores."""
    several = {} if isinstance(outputs, Tensor) else dict(outputs_of(outputs))
    if several:
        raise ValueError(
            f"the model returns {type(outputs).__name__} of {listed(several)}; name the one with "
            f"the scores, e.g. --head {_likeliest(several)}"
        )
    if not isinstance(outputs, Tensor) or outputs.ndim != 2 or len(outputs) != count:
        got = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        raise ValueError(f"the model must return ({count}, classes) scores, got {got}")
    if outputs.shape[1] < 2 or not outputs.is_floating_point():
        raise ValueError(
            f"the model must return a row of 2 or more float scores, "
            f"got {outputs.shape[1]} of {outputs.dtype}"
        )
    return outputs


def _likeliest(outputs: dict[str, Tensor]) -> str:
    rows = [name for name, one in outputs.items() if one.ndim == 2 and one.is_floating_point()]
    return next((name for name in ("logits", *rows) if name in outputs), next(iter(outputs)))


def laid_out(model: LoadedModel, inputs: Tensor) -> LoadedModel:
    """Return the model with the layout of inputs that is fastest, if it takes that."""
    if inputs.ndim != 4 or min(inputs.shape[2:]) < WIDE:
        return model
    turned = replace(model, layout=torch.channels_last)
    try:
        with torch.no_grad():
            same = torch.allclose(turned(inputs), model(inputs), rtol=1e-3, atol=1e-3)
    except MODEL_ERRORS:  # a model may look at how its input lies
        return model
    return turned if same else model
