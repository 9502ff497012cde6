"""Writes trained models as files: ONNX for suspects and references, TorchScript for twins."""

import io
import warnings

import torch

from auditkit.core.arrays import JsonObject
from auditkit.core.errors import FingerprintError
from auditkit.owner.classifier import Owner
from auditkit.owner.training import recipes


def _example(net: Owner) -> torch.Tensor:
    # Two rows, since tracing keeps the path of its example, and one row may be a special case.
    return torch.zeros(net.model.batch or 2, *net.spec.shape, device=net.device)


def traced(net: Owner) -> bytes:
    """Return the net as a TorchScript archive."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(net.model.module, _example(net)), buffer)
    return buffer.getvalue()


def onnx(net: Owner) -> bytes:
    """Return the net as an ONNX file, from `input` to `scores`."""
    buffer = io.BytesIO()
    axes = {} if net.model.batch else {"input": {0: "batch"}, "scores": {0: "batch"}}
    # torch's older exporter, since the newer one needs a package more (onnxscript).
    how: JsonObject = {"dynamo": False, "opset_version": 17, "dynamic_axes": axes}
    how |= {"input_names": ["input"], "output_names": ["scores"]}
    module = recipes.duplicate(net).model.module
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(module, (_example(net),), buffer, **how)  # type: ignore[arg-type]
    except Exception as error:  # the exporter raises whatever an operator's converter raises
        line = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise FingerprintError(
            f"{net.model.name!r} can't be written as ONNX, which suspects are asked as: {line}"
        ) from error
    return buffer.getvalue()
