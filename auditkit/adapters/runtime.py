"""onnxruntime sessions: silent, without files beside the model, on a device that is really used.

Which providers onnxruntime lists, and even which one a session names first, says what was compiled,
not what runs; where each node was placed does.
"""

import contextlib
import ctypes
import functools
import io
from collections import Counter
from collections.abc import Mapping
from typing import Any

import onnxruntime as ort

from auditkit.core.errors import SuspectLoadError

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
OUT_OF_MEMORY = ("failed to allocate memory", "out of memory", "cudnn_status_alloc_failed",
                 "cublas_status_alloc_failed")  # fmt: skip
DRIVER = "libcuda.so.1"
LIBRARIES = {
    "12": ("libcudart.so.12", "libcublasLt.so.12", "libcublas.so.12", "libcufft.so.11",
           "libcurand.so.10", "libnvrtc.so.12", "libcudnn.so.9"),
    "13": ("libcudart.so.13", "libcublasLt.so.13", "libcublas.so.13", "libcufft.so.12",
           "libcurand.so.10", "libnvrtc.so.13", "libcudnn.so.9"),
}  # fmt: skip
"""CUDA's major version -> the libraries that onnxruntime's CUDA provider loads."""


def opened(data: bytes, device: str) -> Any:
    """A session over the very bytes, on the device, without a word on stdout or stderr.

    External weights are refused by a model path that can't exist: what a file would read from
    beside itself is not there.

    Args:
        data: An ONNX file's.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.

    Raises:
        SuspectLoadError: CUDA is asked for, and nothing of the model would run on it.
        Exception: The model can't be read; onnxruntime raises many kinds.
    """
    ort.set_default_logger_severity(4)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", "/nonexistent/auditkit"
    )
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    session = ort.InferenceSession(data, options, providers=_providers(device))
    session.disable_fallback()
    if device.startswith("cuda") and not placed(session).get(CUDA):
        raise SuspectLoadError(
            f"--device {device}: nothing would run on CUDA here, since "
            f"{why_no_cuda() or 'the model has no node for it'}; use --device cpu"
        )
    return session


def placed(session: Any) -> Mapping[str, int]:
    """How many nodes of the optimised model run through each provider."""
    nodes: Counter[str] = Counter()
    for part in session.get_provider_graph_assignment_info():
        nodes[part.ep_name] += len(part.get_nodes())
    return nodes


def described(session: Any) -> dict[str, str]:
    """What runs where, for a report; also why not on CUDA, where the machine has a card for it."""
    nodes = placed(session)
    provider = CUDA if nodes.get(CUDA) else CPU
    told = {"onnxruntime": str(ort.__version__), "provider": provider}
    if len(nodes) > 1:
        told["nodes"] = ", ".join(f"{count} through {name}" for name, count in nodes.items())
    if provider == CPU and _loads(DRIVER):
        told["not on CUDA"] = why_no_cuda() or "no node was placed there"
    return told


def is_out_of_memory(error: Exception) -> bool:
    """Whether the card had too little memory for a batch; a smaller one may fit."""
    return any(sign in str(error).lower() for sign in OUT_OF_MEMORY)


@functools.cache
def why_no_cuda() -> str | None:
    """The first thing that keeps onnxruntime from CUDA on this machine; None: nothing seen."""
    if CUDA not in ort.get_available_providers():
        return "this onnxruntime was built without it (pip install onnxruntime-gpu)"
    if not _loads(DRIVER):
        return f"there is no NVIDIA driver ({DRIVER})"
    missing = [name for name, found in libraries().items() if not found]
    if missing:
        return f"{missing[0]} can't be loaded (pip install 'onnxruntime-gpu[cuda,cudnn]')"
    return None


def libraries() -> Mapping[str, bool]:
    """CUDA's libraries that this onnxruntime needs -> whether they can be loaded."""
    major = str(getattr(ort, "cuda_version", "")).partition(".")[0]
    preload()
    return {name: _loads(name) for name in LIBRARIES.get(major, ())}


@functools.cache
def preload() -> None:
    """Once a process: CUDA's libraries from installed packages, where there are any."""
    if hasattr(ort, "preload_dlls"):
        with contextlib.redirect_stdout(io.StringIO()):
            ort.preload_dlls()


def _providers(device: str) -> list[Any]:
    if device == "cpu" or CUDA not in ort.get_available_providers():
        return [CPU]
    preload()
    options = {
        "device_id": device.partition(":")[2] or "0",
        "arena_extend_strategy": "kSameAsRequested",  # suspects share a card
    }
    return [(CUDA, options), CPU]


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True
