"""`auditkit.fingerprint` takes a module and samples as users of torch hold them."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

import auditkit
from auditkit.owner.opening import load_model
from auditkit.owner.samples import read_samples

pytestmark = pytest.mark.torch

RNG = np.random.default_rng(0)
X = RNG.random((60, 1, 4, 4)).astype(np.float32)
Y = RNG.integers(0, 3, 60)
PAIRS = TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))


class Dicts(Dataset):
    """A data set whose samples are dicts, as those of transformers."""

    def __getitem__(self, number):
        return {"pixel_values": torch.from_numpy(X[number]), "label": int(Y[number])}

    def __len__(self):
        return len(X)


class Stream(IterableDataset):
    """A data set without a length."""

    def __iter__(self):
        return iter(PAIRS)


@pytest.fixture
def file(tmp_path):
    """The samples as a file."""
    np.savez(tmp_path / "samples.npz", x=X, y=Y)
    return tmp_path / "samples.npz"


@pytest.mark.parametrize(
    "given",
    [
        (X, Y),
        [X, Y],
        (torch.from_numpy(X), torch.from_numpy(Y)),
        {"x": X, "y": Y},
        PAIRS,
        DataLoader(PAIRS, batch_size=7),
        DataLoader(PAIRS, batch_size=None),
        DataLoader(Dicts(), batch_size=25),
        Dicts(),
        Stream(),
        [(image, label) for image, label in zip(X, Y, strict=True)],
    ],
    ids=lambda given: type(given).__name__,
)
def test_samples_are_the_same_however_they_are_held(given, file):
    """Arrays, pairs, data sets and loaders give what the file gives."""
    found, wanted = read_samples(given), read_samples(str(file))
    assert np.array_equal(found.x, wanted.x)
    assert np.array_equal(found.y, wanted.y)


@pytest.mark.parametrize("given", [X, torch.from_numpy(X), (X, None), DataLoader(X, batch_size=9)])
def test_samples_may_have_no_classes(given):
    """An array alone is inputs alone."""
    found = read_samples(given)
    assert np.array_equal(found.x, X)
    assert found.y is None


class Failing(Dataset):
    """A data set that can't be read."""

    def __getitem__(self, number):
        raise OSError("the disk is gone")

    def __len__(self):
        return 60


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (3, "samples are a path, an array"),
        (X[:20], "at least 50 samples"),
        ({"rows": X}, "keys"),
        (Failing(), "OSError: the disk is gone"),
        ((X, Y[:9]), "must be 60 whole numbers"),
        (np.full((60, 4), np.nan), "NaN or infinity"),
        ("gone.npz", "no such file"),
    ],
)
def test_samples_that_are_none_are_one_line(given, line):
    """What was wanted, and what was got."""
    with pytest.raises(auditkit.AuditkitError, match=line) as caught:
        read_samples(given)
    assert "\n" not in str(caught.value)


ROWS = X.reshape(len(X), -1)


@pytest.fixture(scope="module")
def net():
    """A small net in training mode, with a layer that behaves otherwise in evaluation mode."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(16, 24), nn.ReLU(), nn.Dropout(), nn.Linear(24, 3))


@pytest.fixture(scope="module")
def made(net):
    """The fingerprint of that net, without samples, which is quickest."""
    facts = {"input_shape": (16,), "input_range": (0, 1)}
    return auditkit.fingerprint(net, points=20, siblings=0, device="cpu", **facts)


def test_a_module_is_fingerprinted_and_left_as_it_was(net, made):
    """A copy is asked: the module still trains, and its weights still learn."""
    assert made.fingerprint.owner.name == "Sequential"
    assert net.training
    assert all(weight.requires_grad for weight in net.parameters())
    points = torch.from_numpy(made.fingerprint.sheet.points.copy())
    said = copy.deepcopy(net).eval()(points).detach().numpy()
    assert np.allclose(said, made.fingerprint.sheet.outputs, atol=1e-4)


def test_the_same_module_is_the_same_owner(net, made):
    """Its digest is that of its class and weights, and changes with a weight."""
    cpu, other = torch.device("cpu"), copy.deepcopy(net)
    assert load_model(net, None, cpu).digest == made.fingerprint.owner.digest
    with torch.no_grad():
        other[0].weight[0, 0] += 1
    assert load_model(other, None, cpu).digest != made.fingerprint.owner.digest


def test_a_module_is_checked_where_it_lies(net, made):
    """In evaluation mode, and then as it was; its weights are seen as those of a file are."""
    found = auditkit.check(made, net)
    told = found.to_dict()
    similar = {one["name"]: one["value"] for one in told["identifications"]}
    assert similar["label_similarity"] == similar["weights"] == 1
    assert told["digest"].startswith("sha256:")
    assert net.training
    assert net[2].training


def test_samples_reach_the_fingerprint(net, monkeypatch):
    """What is given as samples, twins and options is what the order holds."""
    seen = []
    monkeypatch.setattr("auditkit.api.fingerprint", lambda order, _progress: seen.append(order))
    auditkit.fingerprint(net, (X, Y), twins=["a", "b"], robust="jpeg", mean=[0.5], seed=3)
    auditkit.fingerprint(auditkit.Order(net, samples=(X, Y)))
    assert all(order.samples == (X, Y) for order in seen)
    assert (seen[0].twins, seen[0].robust) == ((Path("a"), Path("b")), ("jpeg",))
    assert (seen[0].facts.mean, seen[0].seed) == ((0.5,), 3)


def test_text_serves_for_paths(file, net):
    """`Order(net, samples="holdout.npz")` holds a path, and so do its twins."""
    order = auditkit.Order(net, samples=str(file), twins="runs")
    assert (order.samples, [str(path) for path in order.twins]) == (file, ["runs"])


@pytest.mark.parametrize("model", [3, None, [nn.Linear(2, 2)]])
def test_a_model_that_is_none_is_one_line(model):
    """What was wanted, and what was got."""
    with pytest.raises(auditkit.AuditkitError, match=r"a model is a path.*, got "):
        auditkit.fingerprint(model, (X, Y))


def test_twins_are_trained_by_a_function_at_hand(net, tmp_path):
    """A function of a notebook has no name to import it by."""
    runs = tmp_path / "runs"
    told = auditkit.twins(
        net, str(runs), train=lambda _seed: copy.deepcopy(net), data=(ROWS, Y), count=2
    )
    assert "2 twins, 2 of them made now" in told
    assert len(list(runs.glob("*.pt"))) == 2
