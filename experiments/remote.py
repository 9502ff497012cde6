"""Throughput against a server that takes 20 ms: `python -m experiments.remote`.

A bare httpx loop, raw tensors both ways, and auditkit's client (checks, journal on disk, patience)
ask the same server for the same points in turn, eight requests at once, one point each; the ratio
counts, not the rate.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import httpx
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from auditkit.adapters import identified, open_suspect
from auditkit.core.points import InputSpec
from auditkit.core.requests import Options, Patience
from auditkit.files.journal import Journal
from auditkit.suspects.client import Client

SHAPE, CLASSES = (3, 32, 32), 10
LANES, DELAY = 8, 0.02
LENGTH = "Inference-Header-Content-Length"


def main() -> None:
    """Print one line a round, and the medians."""
    parser = argparse.ArgumentParser(prog="python -m experiments.remote", description=__doc__)
    parser.add_argument("--points", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    points = np.random.default_rng(0).random((options.points, *SHAPE)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        model = _model(Path(folder) / "model.onnx")
        with _served(model) as url:
            ways = {
                "bare httpx": lambda: _bare(url, points),
                "auditkit": lambda: _ours(url, points),
            }
            rates = {name: [] for name in ways}
            for _ in range(options.rounds):
                for name, way in ways.items():
                    rates[name].append(len(points) / _seconds(way))
    for name, found in rates.items():
        print(f"{name:12} {median(found):6.1f} points/s ({min(found):.1f} – {max(found):.1f})")
    ratio = median(o / b for o, b in zip(rates["auditkit"], rates["bare httpx"], strict=True))
    print(f"auditkit reaches {ratio:.1%} of the bare loop ({LANES / DELAY:.0f} points/s possible)")


def _seconds(way: Callable[[], object]) -> float:
    started = time.perf_counter()
    way()
    return time.perf_counter() - started


def _bare(url: str, points: NDArray[np.float32]) -> object:
    with httpx.Client(trust_env=False) as client, ThreadPoolExecutor(LANES) as pool:

        def ask(point: NDArray[np.float32]) -> NDArray[np.float32]:
            data = point.tobytes()
            tensor = {"name": "input", "datatype": "FP32", "shape": [1, *SHAPE]}
            entry = {**tensor, "parameters": {"binary_data_size": len(data)}}
            wanted = {"inputs": [entry], "parameters": {"binary_data_output": True}}
            header = json.dumps(wanted).encode()
            length = {LENGTH: str(len(header))}
            reply = client.post(f"{url}/infer", content=header + data, headers=length)
            size = int(reply.raise_for_status().headers[LENGTH])
            return np.frombuffer(reply.content[size:], np.float32)

        return list(pool.map(ask, points))


def _ours(url: str, points: NDArray[np.float32]) -> object:
    spec = InputSpec(SHAPE, (0.0,), (1.0,))
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "journal")
        adapter = open_suspect(identified(url), Options())
        client = Client(adapter, spec, Patience(), journal)
        rows = client.answer(points, spec)
        client.close()
        journal.close()
    return rows


class _served:  # noqa: N801 - used as a block
    def __init__(self, model: Path) -> None:
        command = [sys.executable, "-m", "auditkit", "serve", str(model), "--port", "0"]
        self._process = subprocess.Popen(
            [*command, "--delay", str(DELAY)], stderr=subprocess.PIPE, text=True
        )

    def __enter__(self) -> str:
        assert self._process.stderr is not None
        return self._process.stderr.readline().split()[-1]

    def __exit__(self, *_error: object) -> None:
        self._process.kill()
        self._process.wait()


def _model(path: Path) -> Path:
    size = int(np.prod(SHAPE))
    weights = np.random.default_rng(1).normal(size=(size, CLASSES)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["input"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weights"], ["scores"]),
        ],
        "linear",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, *SHAPE])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, CLASSES])],
        [numpy_helper.from_array(weights, "weights")],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


if __name__ == "__main__":
    main()
