"""A linear owner in plain numpy, its bundle, and the same weights as an ONNX file; no torch."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import settings
from onnx import TensorProto, helper, numpy_helper

from auditkit.adapters.base import Adapter
from auditkit.core.access import Access
from auditkit.core.answers import Answers
from auditkit.core.fingerprint import Discrimination, Fingerprint, Siblings
from auditkit.core.models import OwnerRecord, Reference, ReferenceKind
from auditkit.core.points import CONTROL, CORE, Family, InputSpec, Sheet
from auditkit.core.requests import Patience
from auditkit.files.bundle import Bundle
from auditkit.suspects.client import Client
from auditkit.suspects.log import Memory

# How long an example takes depends on the machine's other work, and says nothing of what holds.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

SHAPE, CLASSES = (1, 4, 4), 5
WEIGHTS = np.random.default_rng(0).normal(size=(16, CLASSES)).astype(np.float32)


def linear(points: np.ndarray, weights: np.ndarray = WEIGHTS) -> np.ndarray:
    """(n, 1, 4, 4) -> (n, 5) logits."""
    return points.reshape(len(points), -1) @ weights


def family(count: int, seed: int) -> Family:
    """Random points on the 8-bit grid."""
    levels = np.random.default_rng(seed).integers(0, 256, size=(count, *SHAPE))
    points = (levels / 255).astype(np.float32)
    return Family(points, linear(points))


def stand_in(sheet: Sheet) -> Reference:
    """A stranger that always answers class 0."""
    zeros = np.zeros((len(sheet), CLASSES), np.float32)
    answers = Answers(np.zeros(len(sheet), np.int64), zeros, Access.LOGITS)
    return Reference("net", ReferenceKind.STAND_IN, "sha256:aa", answers, {"steps": 1})


@pytest.fixture(scope="session")
def bundle() -> Bundle:
    """100 core and 20 control points of the linear owner."""
    return small_bundle()


def small_bundle() -> Bundle:
    """The bundle of the linear owner."""
    sheet = Sheet.of({CORE: family(100, 1), CONTROL: family(20, 2)})
    made = Fingerprint(
        "deepcore",
        {"level": 1.0},
        0,
        InputSpec(SHAPE, (0.0,), (1.0,)),
        OwnerRecord("owner.pt", "sha256:00", Access.LOGITS, CLASSES),
        sheet,
        Discrimination.DISCRIMINATING,
        "measured",
        siblings=Siblings((0.2, 0.3), ""),
    )
    return Bundle(made, (stand_in(sheet),), {"auditkit": "0"}, "2026-01-01T00:00:00Z")


@pytest.fixture(scope="session")
def write_onnx() -> Callable[..., Path]:
    """A writer of linear ONNX models."""
    return linear_onnx


def linear_onnx(
    path: Path,
    *,
    weights: np.ndarray = WEIGHTS,
    shape: tuple[int | str, ...] = ("batch", *SHAPE),
    kind: int = TensorProto.FLOAT,
    transpose: bool = False,
    last: str | None = None,
    extra_output: bool = False,
) -> Path:
    """Flatten, cast, multiply; optionally NHWC first, softmax or argmax last."""
    nodes, name = [], "input"
    if transpose:
        nodes.append(helper.make_node("Transpose", [name], ["nchw"], perm=[0, 3, 1, 2]))
        name = "nchw"
    nodes.append(helper.make_node("Cast", [name], ["single"], to=TensorProto.FLOAT))
    nodes.append(helper.make_node("Flatten", ["single"], ["flat"]))
    nodes.append(helper.make_node("MatMul", ["flat", "weights"], ["scores"]))
    outputs = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", weights.shape[1]])]
    if last == "Softmax":
        nodes.append(helper.make_node("Softmax", ["scores"], ["prob"], axis=1))
        outputs = [helper.make_tensor_value_info("prob", TensorProto.FLOAT, ["n", CLASSES])]
    if last == "ArgMax":
        nodes.append(helper.make_node("ArgMax", ["scores"], ["label"], axis=1, keepdims=0))
        outputs = [helper.make_tensor_value_info("label", TensorProto.INT64, ["n"])]
    if extra_output:
        outputs.insert(0, helper.make_tensor_value_info("flat", TensorProto.FLOAT, ["n", 16]))
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("input", kind, shape)],
        outputs,
        [numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


def said_by(points: np.ndarray, weights: np.ndarray) -> Answers:
    """What a linear model says to these points."""
    scores = linear(points, weights)
    log = scores - np.log(np.exp(scores).sum(1, keepdims=True))
    return Answers(log.argmax(1), log, Access.LOGITS)


def answered_by(
    adapter: Adapter,
    points: np.ndarray,
    spec: InputSpec,
    *,
    resize: bool = False,
    patience: Patience = Patience(),
    classes: int | None = None,
) -> np.ndarray:
    """What an opened suspect replies to points of this spec, asked as an audit asks."""
    client = Client(adapter, spec, patience, Memory(), resize=resize, classes=classes)
    return client.answer(points, spec)


def stranger_weights(number: int) -> np.ndarray:
    """An independent linear model of the task: what all of them share, and noise of its own."""
    noise = np.random.default_rng((1, number)).normal(size=WEIGHTS.shape)
    return (0.5 * WEIGHTS + noise).astype(np.float32)


def copy_weights(number: int) -> np.ndarray:
    """A copy of the linear owner, a little changed."""
    noise = np.random.default_rng((2, number)).normal(size=WEIGHTS.shape)
    return (WEIGHTS + 0.1 * noise).astype(np.float32)


COPY, STRANGER = copy_weights(1000), stranger_weights(1000)


@pytest.fixture(scope="session")
def calibrated(bundle: Bundle) -> Bundle:
    """The same with 99 independent and 20 pirated reference models, and right controls."""
    points = bundle.fingerprint.sheet.points
    references = [
        Reference(f"{kind}{n}", kind, f"sha256:{kind}{n}", said_by(points, made(n)))
        for kind, count, made in (
            (ReferenceKind.HOMOLOGOUS, 99, stranger_weights),
            (ReferenceKind.PIRATED, 20, copy_weights),
        )
        for n in range(count)
    ]
    return replace(bundle, references=(*bundle.references, *references))


@pytest.fixture
def drop(tmp_path, monkeypatch):
    """A writer of `brand_new.py` into a plug-in folder; it is gone afterwards."""
    used = []

    def write(package, text):
        folder = tmp_path / "dropped" / package.__name__
        folder.mkdir(parents=True)
        (folder / "brand_new.py").write_text(text)
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
        used.append(package)

    yield write
    for package in used:
        sys.modules.pop(f"{package.__name__}.brand_new", None)
        vars(package).pop("brand_new", None)
