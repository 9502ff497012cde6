"""onnxruntime sessions: no output, no files beside the model, and a device that is really used.

onnxruntime lists the execution providers it was compiled with, and a session lists CUDA first even
if its libraries are missing and everything runs on the CPU. So the device is read from the provider
to which each node of the model was assigned.
"""

import atexit
import contextlib
import ctypes
import functools
import io
from collections import Counter
from collections.abc import Mapping, Sequence

import onnxruntime as ort

from auditkit.adapters.onnx_external import PLACE, Tensor
from auditkit.core.errors import SuspectLoadError
from auditkit.files.temporary import Folder

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
DRIVER = "libcuda.so.1"
# Asked one by one, because onnxruntime only says that its provider could not be loaded, not why.
LIBRARIES = {
    "12": ("libcudart.so.12", "libcublasLt.so.12", "libcublas.so.12", "libcufft.so.11",
           "libcurand.so.10", "libnvrtc.so.12", "libcudnn.so.9"),
    "13": ("libcudart.so.13", "libcublasLt.so.13", "libcublas.so.13", "libcufft.so.12",
           "libcurand.so.10", "libnvrtc.so.13", "libcudnn.so.9"),
}  # fmt: skip
"""CUDA's major version -> the libraries that onnxruntime's CUDA provider loads."""
Provider = str | tuple[str, dict[str, str]]
"""An execution provider, perhaps with its options."""


def opened(
    data: bytes,
    device: str,
    beside: Mapping[str, ort.OrtValue] | None = None,
    threads: int | None = None,
) -> ort.InferenceSession:
    """Open a session that prints nothing and reads no other file.

    Args:
        data: Contents of an ONNX file.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        beside: Initialisers that the model says are in other files, by their names, as `values`
            gives them; they must outlive the session, which does not hold them.
        threads: How many compute; None: as many as onnxruntime takes.

    Raises:
        SuspectLoadError: `device` is CUDA, and no node of the model would run on it.
        Exception: The model can't be read; onnxruntime's errors have no common base class.
    """
    # 4 is FATAL. onnxruntime logs to stderr from C++, where Python can't redirect it, and its
    # messages repeat names that a stranger chose.
    ort.set_default_logger_severity(4)
    why = _why_not_on(device) if device.startswith("cuda") else None
    if why is not None:
        raise SuspectLoadError(_nothing_there(device, why))
    session = _session(data, device, beside or {}, threads)
    # Otherwise an error of CUDA while a batch runs would reopen the session on the CPU and go on,
    # and the report would name the wrong device.
    session.disable_fallback()
    if device.startswith("cuda") and not placed(session).get(CUDA):
        raise SuspectLoadError(_nothing_there(device, "the model has no node for it"))
    return session


def _nothing_there(device: str, why: str) -> str:
    return f"--device {device}: nothing would run on CUDA here, since {why}; use --device cpu"


def values(beside: Mapping[str, Tensor]) -> dict[str, ort.OrtValue]:
    """Return large weights as onnxruntime takes them, without copying them."""
    return {
        name: ort.OrtValue.ortvalue_from_numpy_with_onnx_type(one.numbers, one.kind)
        for name, one in beside.items()
    }


def _session(
    data: bytes, device: str, beside: Mapping[str, ort.OrtValue], threads: int | None
) -> ort.InferenceSession:
    # onnxruntime's own fallback prints what it does to stdout, which belongs to the report.
    try:
        return _opened(data, _providers(device), beside, threads)
    except Exception:
        if device != "auto":
            raise
        return _opened(data, [CPU], beside, threads)


def _opened(
    data: bytes,
    providers: Sequence[Provider],
    beside: Mapping[str, ort.OrtValue],
    threads: int | None,
) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads or 0
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    # Weights in other files would not be covered by the hash, and a model could name any file of
    # this machine as its weights. So it is told that they lie in a folder of nothing but an empty
    # file: onnxruntime wants one to be there even for weights that it is given.
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", empty_folder()
    )
    # CUDA is listed wherever onnxruntime was built with it, card or not.
    _give(options, beside, on_cpu=len(providers) == 1 or why_no_cuda() is not None)
    return ort.InferenceSession(data, options, providers=providers, enable_fallback=0)


@functools.cache
def empty_folder() -> str:
    """Return a folder of nothing but an empty file, which is removed with the process."""
    folder = Folder(PLACE)
    atexit.register(folder.cleanup)
    return folder.name


def _give(options: ort.SessionOptions, beside: Mapping[str, ort.OrtValue], *, on_cpu: bool) -> None:
    if not on_cpu:
        options.add_external_initializers(list(beside), list(beside.values()))  # copied to the card
        return
    for name, value in beside.items():
        options.add_initializer(name, value)  # used where it lies
    if beside:
        # Packing weights anew for each kernel would take their size in memory again.
        options.add_session_config_entry("session.disable_prepacking", "1")
        # Optimisers would look for the numbers in the files.
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL


def placed(session: ort.InferenceSession) -> Mapping[str, int]:
    """Count the nodes of the optimised model that each execution provider runs."""
    nodes: Counter[str] = Counter()
    for part in session.get_provider_graph_assignment_info():
        nodes[part.ep_name] += len(part.get_nodes())
    return nodes


def described(session: ort.InferenceSession, device: str) -> dict[str, str]:
    """Version and providers for the report.

    If the model runs on the CPU although the machine has an NVIDIA driver and nobody asked for the
    CPU, the reason is added.

    Args:
        session: An open session.
        device: What it was opened for: `auto`, `cpu`, `cuda` or `cuda:N`.
    """
    nodes = placed(session)
    provider = CUDA if nodes.get(CUDA) else CPU
    told = {"onnxruntime": str(ort.__version__), "provider": provider}
    if len(nodes) > 1:
        told["nodes"] = ", ".join(f"{count} through {name}" for name, count in nodes.items())
    if provider == CPU and device != "cpu" and _loads(DRIVER):
        told["not on CUDA"] = _why_not_on("cuda") or "no node was placed there"
    return told


@functools.cache
def why_no_cuda() -> str | None:
    """Return why onnxruntime can't use CUDA on this machine; None if nothing prevents it."""
    if CUDA not in ort.get_available_providers():
        return "this onnxruntime was built without it (pip install onnxruntime-gpu)"
    if not _loads(DRIVER):
        return f"there is no NVIDIA driver ({DRIVER})"
    missing = [name for name, found in libraries().items() if not found]
    if missing:
        return f"{missing[0]} can't be loaded (pip install 'onnxruntime-gpu[cuda,cudnn]')"
    return None


def _why_not_on(device: str) -> str | None:
    """Return why nothing can run on a card; None if nothing prevents it.

    It starts the driver, so this process can't be forked any more.
    """
    return why_no_cuda() or _why_no_card(int(device.partition(":")[2] or 0))


def _why_no_card(number: int) -> str | None:
    if not (needed := _needed()):
        return None
    library, count = ctypes.CDLL(needed[0]), ctypes.c_int()
    code = library.cudaGetDeviceCount(ctypes.byref(count))
    if code:
        library.cudaGetErrorString.restype = ctypes.c_char_p
        return f"CUDA does not start: {library.cudaGetErrorString(code).decode()} ({code})"
    if number >= count.value:
        return f"CUDA finds {count.value} card{'s'[: count.value != 1]}, and counts them from 0"
    return None


def libraries() -> Mapping[str, bool]:
    """Names of the CUDA libraries that this onnxruntime needs, and whether each can be loaded."""
    preload()
    return {name: _loads(name) for name in _needed()}


def _needed() -> Sequence[str]:
    """Return the libraries of the CUDA that onnxruntime was built for, its runtime first."""
    return LIBRARIES.get(str(getattr(ort, "cuda_version", "")).partition(".")[0], ())


@functools.cache
def preload() -> None:
    """Load CUDA's libraries from installed Python packages, once in a process."""
    # It prints the libraries that it can't find, and stdout belongs to the report.
    if hasattr(ort, "preload_dlls"):
        with contextlib.redirect_stdout(io.StringIO()):
            ort.preload_dlls()


def _providers(device: str) -> list[Provider]:
    if device == "cpu" or CUDA not in ort.get_available_providers():
        return [CPU]
    preload()
    options = {
        "device_id": device.partition(":")[2] or "0",
        # The default doubles the memory ahead of need, which other suspects on the card lack.
        "arena_extend_strategy": "kSameAsRequested",
        # By default each size of batch is run through all of cuDNN's algorithms, and the fastest of
        # that moment answers: seconds for few questions, and other last digits in each run.
        "cudnn_conv_algo_search": "HEURISTIC",
        # Else float32 is multiplied with mantissas of 10 bits, and answers are not those of a CPU.
        "use_tf32": "0",
    }
    return [(CUDA, options), CPU]


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True
