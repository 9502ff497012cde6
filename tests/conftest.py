"""A linear owner in plain numpy, its bundle, and the same weights as an ONNX file; no torch."""

import os
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
from auditkit.core.fingerprint import Discrimination, Fingerprint, LineUpTerms, Siblings
from auditkit.core.models import OwnerRecord, Reference, ReferenceKind
from auditkit.core.points import CONTROL, CORE, Family, InputSpec, Sheet
from auditkit.core.provenance import sha256
from auditkit.core.requests import Patience
from auditkit.files.bundle import Bundle
from auditkit.suspects.client import Client
from auditkit.suspects.log import Memory

# How long an example takes depends on the machine's other work, and says nothing of what holds.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

# Tests run side by side, and processes that took all cores would wait for each other.
os.environ["OMP_NUM_THREADS"] = "1"

SHAPE, CLASSES = (1, 4, 4), 5


def drawn(*seed: int) -> np.ndarray:
    """Random weights that sum up to 0 for each class, since the points' mean is not 0."""
    weights = np.random.default_rng(seed).normal(size=(16, CLASSES))
    return (weights - weights.mean(axis=0)).astype(np.float32)


WEIGHTS = drawn(0)


# The owner is half of what all models of the task share, and half its own: nothing but chance
# tells it from the models that `stranger_weights` returns.
SHARED = 0.5 * WEIGHTS + 0.5 * drawn(3)


def stranger_weights(number: int) -> np.ndarray:
    """An independent linear model of the task: what all of them share, and noise of its own."""
    return (SHARED + 0.5**0.5 * drawn(1, number)).astype(np.float32)


def linear(points: np.ndarray, weights: np.ndarray = WEIGHTS) -> np.ndarray:
    """(n, 1, 4, 4) -> (n, 5) logits."""
    return points.reshape(len(points), -1) @ weights


TWINS = 19


def points_of(count: int, seed: int) -> np.ndarray:
    """Random points on the 8-bit grid."""
    levels = np.random.default_rng(seed).integers(0, 256, size=(count, *SHAPE))
    return (levels / 255).astype(np.float32)


def families(core: int, control: int) -> dict[str, Family]:
    """Of many random points those on which models agree least, and most of each class."""
    points = points_of(20_000, 1)
    members = [WEIGHTS, *map(stranger_weights, range(TWINS))]
    labels = np.stack([linear(points, weights).argmax(1) for weights in members])
    agreed = (labels[..., None] == np.arange(CLASSES)).mean(axis=0).max(axis=1)
    order = agreed.argsort(kind="stable")
    each = [order[labels[0][order] == label][-(control // CLASSES) :] for label in range(CLASSES)]
    chosen = {CORE: points[order[:core]], CONTROL: points[np.concatenate(each)]}
    return {name: Family(rows, linear(rows)) for name, rows in chosen.items()}


def stand_in(sheet: Sheet) -> Reference:
    """A stranger that always answers class 0."""
    zeros = np.zeros((len(sheet), CLASSES), np.float32)
    answers = Answers(np.zeros(len(sheet), np.int64), zeros, Access.LOGITS)
    return Reference("net", ReferenceKind.STAND_IN, digest_of("net"), answers, {"steps": 1})


def sibling(sheet: Sheet, share: float) -> Reference:
    """A net that shares this part of the core points with the owner, and nothing else."""
    core = np.flatnonzero(sheet.rows(CORE))
    labels = (sheet.labels + 1) % CLASSES
    same = core[: round(share * len(core))]
    labels[same] = sheet.labels[same]
    name = f"sibling of {share}"
    return Reference(name, ReferenceKind.SIBLING, digest_of(name), Answers(labels))


def digest_of(name: str) -> str:
    """A digest such as a file has."""
    return sha256(name.encode())


@pytest.fixture(scope="session")
def bundle() -> Bundle:
    """100 core and 20 control points of the linear owner."""
    return small_bundle()


def small_bundle() -> Bundle:
    """The bundle of the linear owner."""
    sheet = Sheet.of(families(100, 20))
    made = Fingerprint(
        "deepcore",
        {"level": 1.0},
        0,
        InputSpec(SHAPE, (0.0,), (1.0,)),
        OwnerRecord("owner.pt", digest_of("owner"), Access.LOGITS, CLASSES),
        sheet,
        Discrimination.DISCRIMINATING,
        "measured",
        siblings=Siblings((0.2, 0.3), ""),
    )
    known = (stand_in(sheet), *(sibling(sheet, share) for share in made.siblings.shares))
    return Bundle(made, known, {"auditkit": "0"}, "2026-01-01T00:00:00Z")


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


def copy_weights(number: int) -> np.ndarray:
    """A copy of the linear owner, a little changed."""
    return (WEIGHTS + 0.1 * drawn(2, number)).astype(np.float32)


COPY, STRANGER = copy_weights(1000), stranger_weights(1000)


@pytest.fixture(scope="session")
def lined_up(bundle: Bundle) -> Bundle:
    """The same with 19 twins of the owner, and six copies that it was measured on."""
    points = bundle.fingerprint.sheet.points
    references = [
        Reference(f"{kind} {n}", kind, digest_of(f"{kind} {n}"), said_by(points, made(n)), recipe)
        for kind, count, made, recipe in (
            (ReferenceKind.TWIN, TWINS, stranger_weights, {}),
            (ReferenceKind.MEASURED_COPY, 6, copy_weights, {"how": "noisy"}),
        )
        for n in range(count)
    ]
    made = replace(bundle.fingerprint, line_up=LineUpTerms(TWINS))
    return replace(bundle, fingerprint=made, references=(*bundle.references, *references))


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
