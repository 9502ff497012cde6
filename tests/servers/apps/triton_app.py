"""NVIDIA Triton, through its Python wheel: ONNX files behind REST, raw tensors and gRPC."""

import os
from pathlib import Path

import numpy as np
import onnxruntime as ort
from pytriton.decorators import batch
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig


def served(path: Path):
    """A function that answers a batch."""
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    @batch
    def infer(input: np.ndarray):  # noqa: A002 - the input's name
        return [session.run(None, {"input": input})[0]]

    return infer


if __name__ == "__main__":
    config = TritonConfig(
        http_address="127.0.0.1",
        http_port=int(os.environ["PORT"]),
        grpc_address="127.0.0.1",
        grpc_port=int(os.environ["GRPC_PORT"]),
        metrics_port=int(os.environ["METRICS_PORT"]),
    )
    with Triton(config=config) as triton:
        for path in sorted(Path(os.environ["MODELS"]).glob("*.onnx")):
            triton.bind(
                model_name=path.stem,
                infer_func=served(path),
                inputs=[Tensor(name="input", dtype=np.float32, shape=(1, 4, 4))],
                outputs=[Tensor(name="scores", dtype=np.float32, shape=(-1,))],
                config=ModelConfig(max_batch_size=8),
                strict=True,
            )
        triton.serve()
