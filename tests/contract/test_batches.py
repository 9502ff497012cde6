"""However many points a suspect takes at once, it is asked right, whatever kind it is."""

import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch.export import Dim

from auditkit.adapters import identified, open_suspect
from auditkit.core.errors import QueryError
from auditkit.core.points import CORE
from auditkit.core.requests import Options
from auditkit.owner.batches import sized
from auditkit.owner.opening import LoadedModel
from tests.conftest import CLASSES, SHAPE, WEIGHTS, answered_by, linear

pytestmark = pytest.mark.torch
TRUSTING = Options("cpu")


class Picky(torch.nn.Module):
    """The linear owner, for batches of `least` to `most` points that are a multiple of `step`."""

    def __init__(self, least: int, most: int, step: int):
        super().__init__()
        self.least, self.most, self.step = least, most, step
        self.register_buffer("weights", torch.from_numpy(WEIGHTS))

    def forward(self, x):
        """(n, 1, 4, 4) -> (n, 5)."""
        n = x.shape[0]
        if n < self.least or n > self.most or n % self.step:
            raise ValueError("no such batch")
        return x.flatten(1) @ self.weights


class Squeezing(torch.nn.Module):
    """The linear owner, with every axis of size 1 dropped from its answer, or some added."""

    added: list[int]

    def __init__(self, added: tuple[int, ...] = ()):
        super().__init__()
        self.added = list(added)
        self.register_buffer("weights", torch.from_numpy(WEIGHTS))

    def forward(self, x):
        """(n, 1, 4, 4) -> (n, 5), (5,) or with more axes."""
        found = (x.flatten(1) @ self.weights).squeeze()
        for axis in self.added:
            found = found.unsqueeze(axis)
        return found


class Alone(torch.nn.Module):
    """The linear owner, for one point without a batch axis."""

    def __init__(self):
        super().__init__()
        self.register_buffer("weights", torch.from_numpy(WEIGHTS))

    def forward(self, x):
        """(1, 4, 4) -> (5,)."""
        if x.dim() != 3:
            raise ValueError("one point, please")
        return x.flatten() @ self.weights


def scripted(net: torch.nn.Module, path: Path) -> str:
    """The net as TorchScript."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(net.eval()), str(path))
    return str(path)


def exported(net: torch.nn.Module, path: Path, example: torch.Tensor, batch) -> str:
    """The net as .pt2."""
    shapes = None if batch is None else ({0: batch},)
    torch.export.save(torch.export.export(net, (example,), dynamic_shapes=shapes), path)
    return str(path)


def reshaped(path: Path, batch: int, shape=("n", *SHAPE)) -> str:
    """The linear owner as ONNX, with a batch size written into a Reshape."""
    sizes = numpy_helper.from_array(np.array([batch, 16]), "sizes")
    graph = helper.make_graph(
        [
            helper.make_node("Reshape", ["x", "sizes"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weights"], ["scores"]),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, None)],
        [sizes, numpy_helper.from_array(WEIGHTS, "weights")],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return str(path)


def called(path: Path, condition: str) -> str:
    """The linear owner as a function that raises unless the number of points fits."""
    np.save(path.with_suffix(".npy"), WEIGHTS)
    path.with_suffix(".py").write_text(
        "import numpy as np\n"
        f"W = np.load({str(path.with_suffix('.npy'))!r})\n"
        "def ask(x):\n"
        "    n = len(x)\n"
        f"    if not ({condition}):\n"
        "        raise ValueError('no such batch')\n"
        "    return x.reshape(n, -1) @ W\n"
    )
    sys.modules.pop(path.stem, None)
    return f"python:{path.stem}:ask"


MANY = torch.zeros(16, *SHAPE)
SUSPECTS: dict[str, Callable[[Path], str]] = {
    "onnx of 1": lambda p: reshaped(p / "m.onnx", 1),
    "onnx of 4": lambda p: reshaped(p / "m.onnx", 4),
    "onnx of 7": lambda p: reshaped(p / "m.onnx", 7),
    "onnx of 100": lambda p: reshaped(p / "m.onnx", 100),
    "onnx without a batch axis": lambda p: reshaped(p / "m.onnx", 1, SHAPE),
    "onnx without a batch axis, grey": lambda p: reshaped(p / "m.onnx", 1, SHAPE[1:]),
    "onnx without a batch axis, flat": lambda p: reshaped(p / "m.onnx", 1, (16,)),
    "script of 1": lambda p: scripted(Picky(1, 1, 1), p / "m.pt"),
    "script of 7": lambda p: scripted(Picky(7, 7, 1), p / "m.pt"),
    "script of 100": lambda p: scripted(Picky(100, 100, 1), p / "m.pt"),
    "script to 32": lambda p: scripted(Picky(1, 32, 1), p / "m.pt"),
    "script from 8": lambda p: scripted(Picky(8, 999, 1), p / "m.pt"),
    "script by 8": lambda p: scripted(Picky(1, 999, 8), p / "m.pt"),
    "script without a batch axis": lambda p: scripted(Alone(), p / "m.pt"),
    "script that squeezes": lambda p: scripted(Squeezing(), p / "m.pt"),
    "script with (n, 5, 1, 1)": lambda p: scripted(Squeezing((-1, -1)), p / "m.pt"),
    "script with (n, 1, 1, 5)": lambda p: scripted(Squeezing((1, 1)), p / "m.pt"),
    "script with (1, n, 5)": lambda p: scripted(Squeezing((0,)), p / "m.pt"),
    "pt2 of 1": lambda p: exported(Picky(1, 1, 1), p / "m.pt2", MANY[:1], None),
    "pt2 to 32": lambda p: exported(Squeezing(), p / "m.pt2", MANY, Dim("n", min=2, max=32)),
    "pt2 from 8": lambda p: exported(Squeezing(), p / "m.pt2", MANY, Dim("n", min=8)),
    "pt2 by 8": lambda p: exported(Squeezing(), p / "m.pt2", MANY, 8 * Dim("k", min=1)),
    "callable of 1": lambda p: called(p / "vendor_of_1", "n == 1"),
    "callable to 10": lambda p: called(p / "vendor_to_10", "n <= 10"),
    "callable from 8": lambda p: called(p / "vendor_from_8", "n >= 8"),
    "callable by 4": lambda p: called(p / "vendor_by_4", "n % 4 == 0"),
}


@pytest.mark.parametrize("kind", SUSPECTS)
def test_any_number_at_once_gives_the_owners_answers(kind, tmp_path, bundle, monkeypatch):
    """A batch that fails is tried in other sizes, and filled up, until the suspect answers."""
    monkeypatch.chdir(tmp_path)
    adapter = open_suspect(identified(SUSPECTS[kind](tmp_path)), TRUSTING)
    points = bundle.fingerprint.sheet.of_family(CORE).points
    for part in (points, points[:43], points[:1]):  # the last batch of an audit is smaller
        found = answered_by(adapter, part, bundle.fingerprint.spec)
        np.testing.assert_allclose(found, linear(part), atol=1e-4)
    adapter.close()


@pytest.mark.parametrize(
    "make",
    [
        lambda p: scripted(Picky(999, 0, 1), p / "m.pt"),
        lambda p: called(p / "vendor_never", "False"),
    ],
)
def test_who_never_answers_is_refused_in_one_line(make, tmp_path, bundle, monkeypatch):
    """The line repeats what it says to one point, and how much was tried."""
    monkeypatch.chdir(tmp_path)
    adapter = open_suspect(identified(make(tmp_path)), TRUSTING)
    points = bundle.fingerprint.sheet.of_family(CORE).points
    with pytest.raises(QueryError, match=r"no such batch.*sizes of batches failed too") as caught:
        answered_by(adapter, points, bundle.fingerprint.spec)
    assert "\n" not in str(caught.value)
    adapter.close()


@pytest.mark.parametrize(
    ("net", "size"),
    [
        (Picky(1, 10**6, 1), None),
        (Picky(1, 32, 1), 32),
        (Picky(8, 10**6, 1), 256),
        (Picky(1, 10**6, 8), 256),
        (Picky(5, 5, 1), 5),
        (Picky(1, 1, 1), 1),
    ],
)
def test_an_owners_batch_is_found_before_it_is_used(net, size):
    """Whatever sizes the owner's model takes, one that always works is settled at the beginning."""
    model = sized(LoadedModel("owner", "sha256:00", net), torch.zeros(2, *SHAPE))
    assert model.batch == size
    for count in (1, 7, 43, 300):
        assert model(torch.zeros(count, *SHAPE)).shape == (count, CLASSES)


def test_an_owner_that_takes_no_batch_says_why():
    """Its own words about the inputs are raised."""
    with pytest.raises(ValueError, match="no such batch"):
        sized(LoadedModel("owner", "sha256:00", Picky(999, 0, 1)), torch.zeros(2, *SHAPE))
