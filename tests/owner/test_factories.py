"""Owners as people have them: factories with arguments, checkpoints, several outputs, bounds."""

import time

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.export import Dim, export

from auditkit.core.errors import OwnerLoadError, SamplesError
from auditkit.core.requests import InputFacts
from auditkit.owner.classifier import place
from auditkit.owner.opening import load_model
from auditkit.owner.samples import RawSamples
from tests.owner.conftest import SHAPE, Net, digits

CPU = torch.device("cpu")
FACTS = InputFacts(SHAPE, (0.0, 1.0))
CODE = """
import collections, dataclasses
import torch
from torch import nn
from beside import WIDTH

class Body(nn.Module):
    def __init__(self, width, classes=10):
        super().__init__()
        self.features = nn.Linear(64, width)
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        return self.head(self.features(x.flatten(1)).relu())

class Several(Body):
    def __init__(self, kind="dict", width=WIDTH):
        super().__init__(width)
        self.kind = kind

    def forward(self, x):
        features = self.features(x.flatten(1)).relu()
        scores = self.head(features)
        if self.kind == "dict":
            return {"features": features, "logits": scores, "loss": None}
        if self.kind == "named":
            return collections.namedtuple("Out", ["features", "logits"])(features, scores)
        if self.kind == "list":
            return [features, scores]
        return features, scores

class Zoo:
    @staticmethod
    def from_pretrained(name, *, width=WIDTH):
        torch.manual_seed(len(name))
        return Body(width)

def fresh():
    return Body(WIDTH)

def number():
    return 3

def broken():
    raise ImportError("no such thing")
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with code of the owner's, which imports what lies beside it."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code/own_net.py").write_text(CODE)
    (tmp_path / "code/beside.py").write_text("WIDTH = 6\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def opened(source, weights=None, head="", raw=None):
    """The owner behind a source."""
    return place(load_model(str(source), weights, CPU, head), FACTS, raw, CPU)[0]


def state(width=6):
    """Weights of a `Body`."""
    torch.manual_seed(7)
    parts = {"features": nn.Linear(64, width), "head": nn.Linear(width, 10)}
    return nn.ModuleDict(parts).state_dict()


@pytest.fixture
def points():
    """A few inputs."""
    return torch.from_numpy(digits()[0][:5])


def expected(weights, points):
    """What a `Body` of these weights says."""
    hidden = points.flatten(1) @ weights["features.weight"].T + weights["features.bias"]
    return hidden.relu() @ weights["head.weight"].T + weights["head.bias"]


@pytest.mark.parametrize(
    "source",
    ["code/own_net.py:Body(6)", "code/own_net.py:Body(width=6, classes=10)", "{here}:Body(6)"],
)
def test_a_class_of_a_file_takes_its_arguments(here, points, source):
    """By a path of any kind, with plain values by place or name."""
    torch.save(state(), "w.pt")
    owner = opened(source.format(here=here / "code/own_net.py"), here / "w.pt")
    torch.testing.assert_close(owner.answers(points), expected(state(), points))


@pytest.mark.parametrize("name", ["'a'", "'a', width=8"])
def test_a_factory_that_brings_its_weights_needs_none(here, name):
    """A dotted method that makes the same model each time is an owner, named by its weights."""
    first, again = (opened(f"code/own_net.py:Zoo.from_pretrained({name})") for _ in range(2))
    assert first.record.digest == again.record.digest
    other = opened("code/own_net.py:Zoo.from_pretrained('another')")
    assert other.record.digest != first.record.digest


WRAPPED = {
    "plain": lambda s: s,
    "module.": lambda s: {f"module.{n}": v for n, v in s.items()},
    "_orig_mod.module.": lambda s: {f"_orig_mod.module.{n}": v for n, v in s.items()},
    "lightning": lambda s: {
        "epoch": 3,
        "pytorch-lightning_version": "2.5",
        "state_dict": {**{f"net.{n}": v for n, v in s.items()}, "loss.weight": torch.ones(10)},
        "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(2)}}}],
    },
    "model_state_dict": lambda s: {"model_state_dict": s, "loss": 0.5},
    "nested": lambda s: {"model": {f"module.{n}": v for n, v in s.items()}},
}


@pytest.mark.parametrize("wrap", WRAPPED)
@pytest.mark.parametrize("suffix", [".ckpt", ".pth", ".safetensors"])
def test_checkpoints_are_unwrapped(here, points, wrap, suffix):
    """Nested tables and prefixes of wrappers are taken off, and nothing else is."""
    found = WRAPPED[wrap](state())
    path = here / f"w{suffix}"
    if suffix == ".safetensors":
        found = found.get("state_dict", found.get("model", found.get("model_state_dict", found)))
        save_file({name: value.clone() for name, value in found.items()}, path)
    else:
        torch.save(found, path)
    owner = opened("code/own_net.py:Body(6)", path)
    torch.testing.assert_close(owner.answers(points), expected(state(), points))


def without(name):
    """The weights without one of them."""
    return {key: value for key, value in state().items() if key != name}


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (without("head.bias"), "missing head.bias"),
        ({**state(), "fc.weight": torch.ones(3)}, "unexpected fc.weight"),
        ({f"a.{n}": v for n, v in without("head.bias").items()}, "missing features.weight, feat"),
        (state(8), r"features.weight has shape \(8, 64\), wanted \(6, 64\)"),
        ({"epoch": 3}, "holds no state dict"),
        ([1, 2], "holds no state dict"),
    ],
)
def test_weights_that_do_not_fit_are_named(here, found, words):
    """Missing, unexpected and misshapen ones by name, in one line."""
    torch.save(found, "w.pt")
    with pytest.raises(OwnerLoadError, match=words) as caught:
        opened("code/own_net.py:Body(6)", here / "w.pt")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "head"), [("dict", "logits"), ("named", "logits"), ("tuple", "1"), ("list", "1")]
)
def test_one_of_several_outputs_is_read(here, points, kind, head):
    """By name or place; without a word the outputs are listed, and the likeliest is advised."""
    torch.save(state(), "w.pt")
    source = f"code/own_net.py:Several({kind!r})"
    owner = opened(source, here / "w.pt", head)
    torch.testing.assert_close(owner.answers(points), expected(state(), points))
    likely = "logits" if head == "logits" else "0"
    with pytest.raises(OwnerLoadError, match=rf"--head {likely}") as caught:
        opened(source, here / "w.pt")
    assert f"{head} (1, 10)" in str(caught.value)
    with pytest.raises(OwnerLoadError, match=r"no output 'scores'; it has"):
        opened(source, here / "w.pt", "scores")
    raw = RawSamples(digits()[0][:60], None)
    with pytest.raises(SamplesError, match="--head"):
        opened(source, here / "w.pt", raw=raw)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("code/own_net.py:fresh", "other weights each time, so it needs --weights"),
        ("code/own_net.py:Body", "missing a required argument: 'width'"),
        ("code/own_net.py:Body(6, 7, 8)", "too many positional"),
        ("code/own_net.py:Body(width=x)", "plain values"),
        ("code/own_net.py:Body(open('x'))", "plain values"),
        ("code/own_net.py:Body(6", "plain values"),
        ("code/own_net.py:number", "returned int, wanted a torch.nn.Module"),
        ("code/own_net.py:broken", "ImportError: no such thing"),
        ("code/own_net.py:Nothing", "has no attribute 'Nothing'"),
        ("code/other.py:Net", "no such file"),
        ("no_such_package:Net", "No module named"),
    ],
)
def test_what_makes_no_model_is_one_line(here, source, words):
    """Random weights, wrong arguments, code as an argument, other names."""
    with pytest.raises(OwnerLoadError, match=words) as caught:
        opened(source)
    assert "\n" not in str(caught.value)


BOUNDS = {
    "min 1 max 32": Dim("n", min=1, max=32),
    "min 2 max 32": Dim("n", min=2, max=32),
    "max 3": Dim("n", max=3),
    "min 40 max 50": Dim("n", min=40, max=50),
    "min 3": Dim("n", min=3),
    "multiples of 4": 4 * Dim("n", max=8),
    "multiples of 6": 6 * Dim("n", max=8),
    "any": Dim("n"),
}


@pytest.mark.parametrize("bounds", BOUNDS)
def test_a_bounded_batch_is_kept_to(tmp_path, points, bounds):
    """Whatever range was exported, any number of inputs is answered, and gradients flow."""
    torch.manual_seed(0)
    net = Net().eval()
    size = 48 if "40" in bounds else 24 if "multiples" in bounds else 3
    shapes = ({0: BOUNDS[bounds]},)
    torch.export.save(
        export(net, (torch.zeros(size, *SHAPE),), dynamic_shapes=shapes), tmp_path / "m.pt2"
    )
    started = time.monotonic()
    owner = opened(tmp_path / "m.pt2")
    assert time.monotonic() - started < 20
    for count in (1, 2, 5, 70, 300):
        asked = torch.from_numpy(np.array(digits()[0][:count])).requires_grad_()
        found = owner.scores(asked)
        torch.testing.assert_close(found, net(asked), atol=1e-4, rtol=1e-4)
        found.sum().backward()
        assert torch.isfinite(asked.grad).all()
