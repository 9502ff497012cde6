"""Carriers of a wrapped net: files, a Python function, and servers on this machine."""

import contextlib
import copy
import functools
import importlib
import io
import json
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from torch.export import Dim

from auditkit.commands.testserver.server import Server
from tests.api import Api, Asked, Told, told
from tests.wrapped.forms import only
from tests.wrapped.nets import population
from tests.wrapped.wrappings import Wrapped, Wrapping


@dataclass(frozen=True)
class Made:
    """What is carried: a wrapping, and which of the population's nets is in it."""

    way: Wrapping
    who: str
    """`copy` or `innocent`."""

    def wrapped(self) -> Wrapped:
        """The wrapped net; what was exported from it shares its weights."""
        net = _wrapped(self.way)
        net.net.load_state_dict(getattr(population(), self.who).state_dict())
        return net


@functools.cache
def _wrapped(way: Wrapping) -> Wrapped:
    nets = population()
    return Wrapped(copy.deepcopy(nets.copy), nets.decoy, way).eval()


Carrier = Callable[[Made, Path], AbstractContextManager[str]]
DTYPES = {torch.float32: "DT_FLOAT", torch.uint8: "DT_UINT8"}
VENDOR = '''\
import torch
NET = torch.jit.load({path!r})
def ask(batch):
    """What a vendor's client library does."""
    return NET(torch.from_numpy(batch).requires_grad_())
'''
"""The module of the carrier `python`."""


@contextlib.contextmanager
def as_onnx(made: Made, folder: Path) -> Iterator[str]:
    """An ONNX file."""
    yield str(_onnx(made, folder))


@contextlib.contextmanager
def as_script(made: Made, folder: Path) -> Iterator[str]:
    """A TorchScript file."""
    yield str(_script(made, folder))


@contextlib.contextmanager
def as_pt2(made: Made, folder: Path) -> Iterator[str]:
    """An exported program."""
    made.wrapped()  # with the right weights, which the program shares
    torch.export.save(_program(made.way), folder / "m.pt2")
    yield str(folder / "m.pt2")


@functools.cache
def _program(way: Wrapping) -> torch.export.ExportedProgram:
    named = way.keyword or "x"
    axes = {way.axis: Dim("n", min=1, max=way.most)} if way.batch is None else None
    example, net = way.example(3), _wrapped(way)
    given = ((), {named: example}) if way.keyword else ((example,), None)
    module = _Keyword(net) if way.keyword else net
    return torch.export.export(module, *given, dynamic_shapes={named: axes})


class _Keyword(torch.nn.Module):
    """The net with a named argument, as transformers have it."""

    def __init__(self, net: Wrapped) -> None:
        super().__init__()
        self.net = net

    def forward(self, *, pixel_values):
        """The net's answers."""
        return self.net(pixel_values)


@contextlib.contextmanager
def as_python(made: Made, folder: Path) -> Iterator[str]:
    """A function."""
    (folder / "wrapped_vendor.py").write_text(VENDOR.format(path=str(_script(made, folder))))
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield "python:wrapped_vendor:ask"
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop("wrapped_vendor", None)


@contextlib.contextmanager
def as_oip(made: Made, folder: Path) -> Iterator[str]:
    """A server of the Open Inference Protocol."""
    with Server(_onnx(made, folder)) as server:
        yield server.url


@contextlib.contextmanager
def as_predict(made: Made, folder: Path) -> Iterator[str]:
    """A server of the predict protocol, with TensorFlow Serving's page about the model."""
    run, way = _running(made, folder), made.way
    sizes = [-1 if size is None else size for size in (way.batch, *way.shape)]
    shape = {"dim": [{"size": str(size)} for size in sizes]}
    signature = {"inputs": {"x": {"dtype": DTYPES[way.dtype], "tensor_shape": shape}}}
    page = {"metadata": {"signature_def": {"signature_def": {"serving_default": signature}}}}

    def reply(asked: Asked) -> Told:
        if asked.method == "GET":
            return told(page) if asked.path.endswith("/metadata") else told({}, 404)
        outputs = run(np.asarray(json.loads(asked.body)["instances"]))
        rows = {name: array.tolist() for name, array in outputs.items()}
        single = only(rows) if len(rows) == 1 else None
        count = len(next(iter(rows.values())))
        several = [{name: listed[n] for name, listed in rows.items()} for n in range(count)]
        return told({"predictions": several if single is None else single})

    with Api(_guarded(reply)) as api:
        yield f"{api.url}/v1/models/m:predict"


@contextlib.contextmanager
def as_described(made: Made, folder: Path) -> Iterator[str]:
    """An API of its own kind, and a description of it."""
    run, form = _running(made, folder), made.way.form
    with Api(_guarded(lambda asked: told(form.say(run(form.read(asked.body)))))) as api:
        (folder / "api.toml").write_text(form.description(f"{api.url}/classify"))
        yield str(folder / "api.toml")


def _guarded(reply: Callable[[Asked], Told]) -> Callable[[Asked], Told]:
    """Answer an error where the model refuses its input, as servers do."""

    def answered(asked: Asked) -> Told:
        try:
            return reply(asked)
        except Exception as error:  # onnxruntime's errors have no common base class
            return told({"error": str(error)[:200]}, 400)

    return answered


CARRIERS: dict[str, Carrier] = {
    "onnx": as_onnx,
    "script": as_script,
    "pt2": as_pt2,
    "python": as_python,
    "oip": as_oip,
    "predict": as_predict,
    "described": as_described,
}


def _onnx(made: Made, folder: Path) -> Path:
    path = folder / "m.onnx"
    path.write_bytes(_onnx_bytes(made))
    if made.way.beside:
        model = onnx.load(path)
        onnx.save(model, path, save_as_external_data=True, location="m.onnx.data", size_threshold=0)
    return path


@functools.cache
def _onnx_bytes(made: Made) -> bytes:
    way, net, file = made.way, made.wrapped(), io.BytesIO()
    example = way.example(3)
    given = net(example)
    names = [*given] if isinstance(given, dict) else [f"output_{n}" for n in range(_count(given))]
    axes = {"x": {way.axis: "n"}, **{name: {0: "n"} for name in names}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            *(net, (example,), file),
            input_names=["x"],
            output_names=names,
            dynamic_axes=axes if way.batch is None else None,
            dynamo=False,
        )
    return file.getvalue()


def _count(given: object) -> int:
    return len(given) if isinstance(given, tuple) else 1


def _script(made: Made, folder: Path) -> Path:
    made.wrapped()  # with the right weights, which the traced module shares
    torch.jit.save(_traced(made.way), str(folder / "m.pt"))
    return folder / "m.pt"


@functools.cache
def _traced(way: Wrapping) -> torch.jit.ScriptModule:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.trace(_wrapped(way), way.example(3), strict=False, check_trace=False)


def _running(made: Made, folder: Path) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """The net in onnxruntime, for a server."""
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    session = ort.InferenceSession(_onnx(made, folder), options)
    names = [output.name for output in session.get_outputs()]
    dtype = made.way.example(1).numpy().dtype
    return lambda batch: dict(
        zip(names, session.run(names, {"x": batch.astype(dtype)}), strict=True)
    )
