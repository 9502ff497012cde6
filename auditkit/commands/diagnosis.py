"""Examines what works on this machine, by using it (`auditkit doctor`).

Importing a package or asking a runtime for its providers is not enough: both succeed on machines
where the first inference fails.
"""

import contextlib
import ctypes
import platform
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from auditkit.core.arrays import FloatArray, Rows
from auditkit.core.errors import AuditkitError
from auditkit.core.escape import clean
from auditkit.core.requests import Options

WEIGHTS = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)
POINTS = np.linspace(0, 1, 8, dtype=np.float32).reshape(2, 4)
"""Of the small model that is run, and what it is asked."""

# Two names for the same Python module: installed together they write over each other's files.
RUNTIMES = ("onnxruntime", "onnxruntime-gpu")
NEEDED = (
    *("numpy", "scipy", "onnx", "safetensors", "cryptography", "httpx", "pillow", "typer", "rich"),
)


class State(StrEnum):
    """The state of one thing that audits may need."""

    WORKS = "works"
    ABSENT = "absent"
    """Not there, but not needed by every audit."""
    BROKEN = "broken"
    """There but not working, or not there although every audit needs it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was examined."""

    subject: str
    state: State
    told: str
    advice: str = ""
    """What to do if it does not work; empty if there is nothing to do."""


def examine() -> tuple[Finding, ...]:
    """Examine everything; this takes a few seconds and changes nothing."""
    # The runtime comes early: most later findings follow from it.
    looks = (_packages, _runtime, _cpu, _isolation, _cuda, _libraries, _torch, _grpc)
    return tuple(finding for look in looks for finding in look())


def fit_for(findings: tuple[Finding, ...], device: str) -> bool:
    """Return whether audits can be made on a device: `auto`, `cpu`, `cuda` or `cuda:N`."""
    works = {finding.subject for finding in findings if finding.state is State.WORKS}
    # Something absent is fine: only the owner's side needs torch, and a CPU will do.
    broken = any(finding.state is State.BROKEN for finding in findings)
    return not broken and ("CUDA provider" in works or not device.startswith("cuda"))


def _packages() -> Iterator[Finding]:
    """Yield the versions of auditkit, Python and the packages that it needs."""
    told = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    yield Finding("auditkit", State.WORKS, f"{_version('model-auditkit') or 'no package'}, {told}")
    found = {name: _version(name) for name in NEEDED}
    told = ", ".join(f"{name} {number or 'missing'}" for name, number in found.items())
    if all(found.values()):
        yield Finding("packages", State.WORKS, told)
    else:
        yield Finding("packages", State.BROKEN, told, "pip install model-auditkit")


def _runtime() -> Iterator[Finding]:
    """Yield whether exactly one build of ONNX Runtime is installed."""
    found = {name: number for name in RUNTIMES if (number := _version(name))}
    told = " and ".join(f"{name} {number}" for name, number in found.items()) or "not installed"
    if len(found) == 1:
        yield Finding("onnxruntime", State.WORKS, told)
        return
    advice = "pip install onnxruntime-gpu"
    if found:
        told += " write over each other's files"
        advice = f"pip uninstall -y {' '.join(RUNTIMES)}, then {advice}"
    yield Finding("onnxruntime", State.BROKEN, told, advice)


def _cpu() -> Iterator[Finding]:
    yield _seen("CPU provider", lambda: _ran("cpu"), "pip install --force-reinstall onnxruntime")


def _isolation() -> Iterator[Finding]:
    """Yield what a process that opens strangers' files is kept from."""
    from auditkit.suspects.isolation.isolated import walls_here
    from auditkit.suspects.isolation.walls import SAFE, Wall

    try:
        held = walls_here()
    except AuditkitError as error:
        yield Finding("isolation", State.BROKEN, clean(str(error)))
        return
    missing = frozenset(Wall) - held
    told = f"strangers' files are kept from {', '.join(sorted(held)) or 'nothing'}"
    if not missing:
        yield Finding("isolation", State.WORKS, told)
        return
    told += f", but not from {', '.join(sorted(missing))}"
    advice = "Linux 5.13 or newer with Landlock and seccomp"
    if SAFE - held:
        advice += "; until then ask for ONNX: TorchScript and .pt2 are refused"
    yield Finding("isolation", State.ABSENT, told, advice)


def _cuda() -> Iterator[Finding]:
    """Yield whether ONNX models run on a CUDA card."""
    from auditkit.adapters import runtime

    # The runtime falls back to the CPU without an error, so it is asked why before it is used.
    why = runtime.why_no_cuda()
    if why is not None:
        yield Finding("CUDA provider", State.ABSENT, why, "audits run on the CPU")
        return
    yield _seen("CUDA provider", lambda: _ran("cuda"), "compare the driver with `nvidia-smi`")
    # The driver opens files and sockets when it starts, and suspects' files run behind walls.
    advice = "update the driver; --isolation off asks ONNX files that you trust without walls"
    yield _seen("CUDA behind walls", lambda: _ran_shut_in("cuda"), advice)


def _libraries() -> Iterator[Finding]:
    """Yield which of the shared libraries that CUDA needs can't be loaded."""
    from auditkit.adapters import runtime

    # Named one by one: the advice is to install packages, and the names tell which of them.
    needed = runtime.libraries()
    missing = [name for name, found in needed.items() if not found]
    if not missing:
        yield Finding("CUDA libraries", State.WORKS, ", ".join(needed) or "not used")
        return
    yield Finding(
        "CUDA libraries",
        State.ABSENT,
        f"can't be loaded: {', '.join(missing)}",
        "with an NVIDIA card: pip install 'onnxruntime-gpu[cuda,cudnn]'",
    )


def _torch() -> Iterator[Finding]:
    """Yield whether PyTorch computes, on the CPU and on each CUDA card."""
    if _version("torch") is None:
        told = "not installed; fingerprinting, TorchScript and .pt2 need it"
        yield Finding("torch", State.ABSENT, told, "pip install 'model-auditkit[owner]'")
        return
    yield _seen("torch", _torch_ran, "pip install --force-reinstall torch")


def _torch_ran() -> str:
    """Multiply two small matrices on every device; return the version and the cards.

    Raises:
        RuntimeError: A device computes a wrong product.
    """
    # Imported by name: the import contracts let no module of the auditor's side import torch.
    torch = import_module("torch")
    # Every card, not the first alone: `--device cuda:1` must not be a surprise.
    devices = ["cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
    for device in devices:
        ones = torch.ones(8, 8, device=device)
        # A build for another compute capability opens the card and fails at the first kernel.
        if not bool((ones @ ones == 8).all()):
            raise RuntimeError(f"wrong product on {device}")
    cards = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return f"{torch.__version__}, " + (", ".join(cards) if cards else "no CUDA device")


def _grpc() -> Iterator[Finding]:
    """Yield whether gRPC can be imported."""
    if _version("grpcio") is None:
        told = "not installed; grpcs:// addresses need it"
        yield Finding("gRPC", State.ABSENT, told, "pip install 'model-auditkit[grpc]'")
        return
    advice = "pip install --force-reinstall grpcio"
    yield _seen("gRPC", lambda: f"grpcio {import_module('grpc').__version__}", advice)


def _seen(subject: str, use: Callable[[], str], advice: str) -> Finding:
    """Use one thing; return what that told, or how it failed."""
    try:
        return Finding(subject, State.WORKS, use())
    except AuditkitError as error:
        return Finding(subject, State.BROKEN, str(error), advice)
    # A broken installation may raise anything, and the other findings are wanted all the same.
    except Exception as error:
        told = f"{type(error).__name__}: {clean(' '.join(str(error).split()), 200)}"
        return Finding(subject, State.BROKEN, told, advice)


def _ran(device: str) -> str:
    """Run a small model on a device and check its answers; return where its nodes ran.

    Raises:
        AuditkitError: The device can't be used.
        AssertionError: The answers are wrong.
    """
    from auditkit.adapters import runtime

    session = runtime.opened(_model(WEIGHTS), device)
    _check(session.run(None, {"points": POINTS})[0])
    # ONNX Runtime silently runs nodes on the CPU that a provider can't run.
    nodes = ", ".join(f"{count} of its nodes" for count in runtime.placed(session).values())
    return f"a small model ran, {nodes} there" + (f", {_card()}" if device != "cpu" else "")


def _ran_shut_in(device: str) -> str:
    """Do the same as a suspect's file is asked: in a process behind walls.

    Raises:
        AuditkitError: The device can't be used there.
        AssertionError: The answers are wrong.
    """
    from auditkit.adapters import identified
    from auditkit.suspects.isolation import isolated

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "small.onnx"
        path.write_bytes(_model(WEIGHTS))
        adapter = isolated.opened(identified(str(path)), Options(device))
        with contextlib.closing(adapter):
            answers = adapter.answer(POINTS)
            _check(answers["scores"] if isinstance(answers, Mapping) else answers)
            return f"a small model ran, {adapter.runtime['provider']}"


def _check(answers: Rows) -> None:
    # Loosely, because cards multiply float32 with shortened mantissas (TF32).
    np.testing.assert_allclose(answers, np.maximum(POINTS @ WEIGHTS, 0), atol=1e-2)


def _model(weights: FloatArray) -> bytes:
    """Return an ONNX model of one matrix product and a ReLU, as bytes.

    Args:
        weights: (inputs, outputs).
    """
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("MatMul", ["points", "weights"], ["product"]),
        helper.make_node("Relu", ["product"], ["scores"]),
    ]
    ports = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", size])
        for name, size in zip(("points", "scores"), weights.shape, strict=True)
    ]
    constants = [numpy_helper.from_array(weights, "weights")]
    graph = helper.make_graph(nodes, "small", ports[:1], ports[1:], constants)
    # Old enough for every ONNX Runtime that auditkit supports.
    opset = [helper.make_opsetid("", 17)]
    made: bytes = helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
    return made


def _card() -> str:
    """Return the first card's name, as the CUDA driver tells it."""
    # By ctypes, because an auditor's machine has neither torch nor another CUDA binding.
    driver, name = ctypes.CDLL("libcuda.so.1"), ctypes.create_string_buffer(128)
    driver.cuInit(0)
    driver.cuDeviceGetName(name, len(name), 0)
    return name.value.decode(errors="replace") or "unknown card"


def _version(package: str) -> str | None:
    """Return the installed version of a package; None if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
