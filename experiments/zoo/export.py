"""Nets as the files that strangers hand over."""

import logging
import warnings
from pathlib import Path

import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers.float16 import convert_float_to_float16
from torch import nn

from experiments.zoo.nets import Shape


def save_onnx(net: nn.Module, shape: Shape, path: Path) -> Path:
    """Opset 17, any batch size, one file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net,
            (torch.zeros(1, *shape),),
            str(path),
            dynamo=False,
            opset_version=17,
            input_names=["input"],
            output_names=["logits"],
            dynamic_axes={"input": {0: "batch"}, "logits": {0: "batch"}},
        )
    return path


def save_int8(source: Path, path: Path) -> Path:
    """Weights in 8 bits, activations quantised at run time."""
    logging.disable(logging.WARNING)
    quantize_dynamic(str(source), str(path), weight_type=QuantType.QUInt8)
    logging.disable(logging.NOTSET)
    return path


def save_fp16(source: Path, path: Path) -> Path:
    """Half precision inside, float32 at the edges."""
    onnx.save(convert_float_to_float16(onnx.load(source), keep_io_types=True), path)
    return path


def save_torchscript(net: nn.Module, shape: Shape, path: Path) -> Path:
    """A traced archive."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(net, torch.zeros(2, *shape))
        torch.jit.save(traced, str(path))
    return path
