"""One battery for every adapter: the same weights give the same answers, whoever serves them."""

import base64
import contextlib
import io
import json
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import save_file

from auditkit import adapters
from auditkit.adapters.base import Kind, weights_of
from auditkit.commands.testserver.server import Server
from auditkit.core.errors import QueryError, SuspectError, SuspectLoadError
from auditkit.core.plugins import load, names
from auditkit.core.points import CORE
from auditkit.core.requests import Options, Patience
from auditkit.suspects.client import Client
from auditkit.suspects.fitting import arrangements
from auditkit.suspects.log import Memory
from tests.api import Api, Asked, Told, told
from tests.conftest import CLASSES, SHAPE, WEIGHTS, linear, linear_onnx


class Linear(torch.nn.Module):
    """The linear owner."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(16, CLASSES, bias=False)
        with torch.no_grad():
            self.layer.weight.copy_(torch.from_numpy(WEIGHTS.T.copy()))

    def forward(self, x):
        """Flatten and multiply."""
        return self.layer(x.flatten(1))


def as_onnx(folder: Path, _points: np.ndarray) -> str:
    """The owner as ONNX."""
    return str(linear_onnx(folder / "model.onnx"))


def as_torchscript(folder: Path, _points: np.ndarray) -> str:
    """The owner as TorchScript."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(Linear().eval()), str(folder / "model.pt"))
    return str(folder / "model.pt")


def as_safetensors(folder: Path, _points: np.ndarray) -> str:
    """The owner's weights, which answer nothing."""
    save_file({"layer.weight": WEIGHTS.T.copy()}, folder / "model.safetensors")
    return str(folder / "model.safetensors")


def as_callable(folder: Path, _points: np.ndarray) -> str:
    """The owner as a function in a module of its own."""
    np.save(folder / "weights.npy", WEIGHTS)
    (folder / "vendor_model.py").write_text(
        "import numpy as np\n"
        f"W = np.load({str(folder / 'weights.npy')!r})\n"
        "def ask(x):\n"
        "    scores = x.reshape(len(x), -1) @ W\n"
        "    x[:] = 0\n"
        "    return scores\n"
    )
    sys.modules.pop("vendor_model", None)
    return "python:vendor_model:ask"


def as_recorded(folder: Path, points: np.ndarray) -> str:
    """The owner's answers in a file."""
    np.savez(folder / "answers.npz", scores=linear(points))
    return str(folder / "answers.npz")


def predicting(asked: Asked) -> Told:
    """A server of the predict protocol over the owner."""
    if asked.method == "GET":
        return told({"error": "no such page"}, 404)
    rows = np.array(json.loads(asked.body)["instances"], np.float32)
    return told({"predictions": linear(rows).tolist()})


def described(asked: Asked) -> Told:
    """An API of its own kind over the owner, one PNG at a time."""
    picture = Image.open(io.BytesIO(base64.b64decode(json.loads(asked.body)["image"])))
    row = np.array(picture, np.float32)[None, None] / 255
    return told({"result": {"scores": linear(row)[0].tolist()}})


@contextlib.contextmanager
def as_oip(folder: Path, _points: np.ndarray) -> Iterator[str]:
    """The owner behind the Open Inference Protocol."""
    with Server(linear_onnx(folder / "owner.onnx")) as server:
        yield server.url


@contextlib.contextmanager
def as_predict(_folder: Path, _points: np.ndarray) -> Iterator[str]:
    """The owner behind the predict protocol."""
    with Api(predicting) as api:
        yield f"{api.url}/v1/models/owner:predict"


@contextlib.contextmanager
def as_template(folder: Path, _points: np.ndarray) -> Iterator[str]:
    """The owner behind an API that a file describes."""
    with Api(described) as api:
        (folder / "api.toml").write_text(
            f'url = "{api.url}/classify"\n[request]\njson = {{ image = "$point.png" }}\n'
            '[response]\nscores = "result.scores"\n'
        )
        yield str(folder / "api.toml")


def at_hand(make: Callable[[Path, np.ndarray], str]):
    """A suspect that needs nothing running."""
    return lambda folder, points: contextlib.nullcontext(make(folder, points))


SERVED: dict[str, Callable[[Path, np.ndarray], contextlib.AbstractContextManager[str]]] = {
    "callable": at_hand(as_callable),
    "oip": as_oip,
    "onnx": at_hand(as_onnx),
    "predict": as_predict,
    "recorded": at_hand(as_recorded),
    "safetensors": at_hand(as_safetensors),
    "template": as_template,
    "torchscript": at_hand(as_torchscript),
}


HOLDING = ("onnx", "safetensors", "torchscript")
"""Adapters of what holds a model's weights."""
TRUSTING = Options("cpu")


@pytest.fixture(params=sorted(SERVED))
def opened(request, tmp_path, bundle, monkeypatch):
    """Every adapter over the same weights, and the points to ask."""
    monkeypatch.chdir(tmp_path)
    points = bundle.fingerprint.sheet.of_family(CORE).points
    with SERVED[request.param](tmp_path, points) as suspect:
        adapter = adapters.open_suspect(adapters.identified(suspect), TRUSTING)
        yield adapter, np.array(points)
        adapter.close()
        adapter.close()


def test_every_adapter_is_in_the_battery():
    """A new file in the folder needs a row here."""
    assert sorted(SERVED) == names(adapters)


def test_answers_are_the_owners(opened, bundle):
    """Scores, order and batches are the owner's, and the points are left alone.

    Weights alone answer nothing, and say so.
    """
    adapter, points = opened
    if not adapter.port.answers:
        with pytest.raises(QueryError, match="no program"):
            adapter.answer(points)
        return
    before = points.copy()
    client = Client(adapter, bundle.fingerprint.spec, Patience(), Memory())
    parts = [client.answer(points[at : at + 30], bundle.fingerprint.spec) for at in (0, 30, 60, 90)]
    np.testing.assert_allclose(np.concatenate(parts), linear(before), atol=1e-5)
    np.testing.assert_array_equal(points, before)


def test_runtime_and_digest_are_told(opened):
    """The report can say what ran where."""
    adapter, _ = opened
    assert adapter.runtime
    port = adapter.port
    assert port.digest is None or port.digest.startswith("sha256:")
    assert port.identity
    assert port.batch is None or port.batch >= 1
    assert port.at_once >= 1
    assert port.concurrency >= 1


def test_files_show_their_weights(opened, request):
    """What holds a model shows the owner's weights, either way round; what only answers, none."""
    adapter, _ = opened
    found = weights_of(adapter)
    assert bool(found) == (request.node.callspec.params["opened"] in HOLDING)
    for layer in found:
        rows = layer.rows if len(layer.rows) == CLASSES else layer.rows.T
        np.testing.assert_array_equal(rows, WEIGHTS.T)
    adapter.close()
    assert weights_of(adapter) == ()


def only(outputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """The only output."""
    [rows] = outputs.values()
    return rows


def test_concurrency_is_borne(opened, bundle):
    """As many questions at once as an adapter says it bears get their own answers."""
    adapter, points = opened
    arrangement = arrangements(bundle.fingerprint.spec, adapter.port, resize=False)[0]
    parts = [arrangement(points[start : start + 1]) for start in range(20)]
    if adapter.port.concurrency == 1:
        pytest.skip("one at a time")
    with ThreadPoolExecutor(adapter.port.concurrency) as pool:
        replies = list(pool.map(adapter.answer, parts))
    rows = [only(one) if isinstance(one, Mapping) else one for one in replies]
    np.testing.assert_allclose(np.concatenate(rows), linear(points[:20]), atol=1e-5)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x04K\x01.", b"PK\x03\x04", b"\x00" * 99])
@pytest.mark.parametrize("name", ["model.onnx", "model.pt", "model.pt2", "model.npz", "model.csv"])
def test_garbage_is_one_line(tmp_path, name, content):
    """A file that is no model is refused in one line, whatever its name."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SuspectLoadError) as caught:
        adapters.open_suspect(adapters.identified(str(tmp_path / name)), TRUSTING)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("suspect", "message"),
    [
        ("nothere.onnx", "no such file"),
        ("https://example.org/model", "does not tell its protocol"),
        ("https://me:word@example.org/model", "user name or password"),
        ("nothere.toml", "no such file"),
        ("model.bin", "does not tell how to ask it"),
        ("python:nowhere:ask", "can't be imported"),
        ("python:os", "wanted python:package.module:function"),
        ("python:os:sep", "wanted a function"),
    ],
)
def test_bad_names_are_one_line(suspect, message):
    """What can't be opened says what was wanted."""
    with pytest.raises(SuspectError, match=message):
        adapters.open_suspect(adapters.identified(suspect), TRUSTING)


def test_each_plug_in_file_has_one_public_object():
    """The registry finds exactly one kind of suspect in each adapter file."""
    for name in names(adapters):
        assert isinstance(load(adapters, name), Kind)


def test_shape_of_the_fixture():
    """The battery's premise: several classes and an image shape."""
    assert len(SHAPE) == 3
    assert len(set(linear(np.eye(16, dtype=np.float32).reshape(16, *SHAPE)).argmax(1))) > 2
