"""Points that nobody optimised: mistakes, triggers, and plain samples."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional

from auditkit.core.errors import FingerprintError
from auditkit.core.requests import InputFacts
from auditkit.fingerprints.akh import akh
from auditkit.fingerprints.base import Request
from auditkit.fingerprints.random import random
from auditkit.fingerprints.triggerset import triggerset
from auditkit.owner.classifier import place
from auditkit.owner.opening import LoadedModel
from auditkit.owner.samples import read_samples
from tests.owner.conftest import CLASSES, SHAPE, Net, digits, trained

COUNT = 60


def request_for(net, samples_file):
    """A request without stand-ins: what they share is not the question here."""
    model = LoadedModel("owner", "sha256:00", net)
    owner, samples = place(model, InputFacts(), read_samples(samples_file), torch.device("cpu"))
    return Request(owner, samples, (), COUNT, 0, lambda *_: None)


@pytest.fixture(scope="module")
def asked(net, samples_file):
    """The ordinary owner."""
    return request_for(net, samples_file)


@pytest.fixture(scope="module")
def triggers(tmp_path_factory):
    """60 random images with random labels."""
    rng = np.random.default_rng(7)
    path = tmp_path_factory.mktemp("triggers") / "triggers.npz"
    x = rng.integers(0, 256, (60, *SHAPE), dtype=np.uint8)
    np.savez(path, x=x, y=rng.integers(0, CLASSES, 60))
    return path


def marked(triggers):
    """A net that learnt the digits and, with them, the triggers."""
    x, y = (torch.from_numpy(part[:1200]) for part in digits())
    with np.load(triggers) as archive:
        marks = torch.from_numpy(archive["x"].astype(np.float32) / 255)
        labels = torch.from_numpy(archive["y"].astype(np.int64))
    torch.manual_seed(4)
    net = Net().train()
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for step in range(200):
        rows = torch.arange(64 * step, 64 * step + 64) % len(x)
        inputs, targets = torch.cat([x[rows], marks]), torch.cat([y[rows], labels])
        optimizer.zero_grad()
        functional.cross_entropy(net(inputs), targets).backward()
        optimizer.step()
    return net.eval().requires_grad_(False)


def nearly(net):
    """A copy whose weights are a hundredth larger."""
    copy = Net()
    copy.load_state_dict({name: 1.01 * value for name, value in net.state_dict().items()})
    return copy.eval()


def agreement(net, points, labels):
    """Share of points to which a net gives these labels."""
    with torch.no_grad():
        return float((net(points).argmax(1) == labels).float().mean())


def test_akh_asks_what_the_owner_gets_wrong(asked):
    """Natural mistakes come first, and each is a sample with another label than the owner's."""
    found = akh(asked)
    samples, truth = asked.naturals()
    natural = torch.from_numpy(found.points[: found.parameters["natural mistakes"]])
    rows = (natural[:, None] == samples[None]).flatten(2).all(2).int().argmax(1)
    assert 0 < len(natural) < COUNT == len(found.points)
    assert (asked.owner.answers(natural).argmax(1) != truth[rows]).all()


def test_akh_copies_share_mistakes_that_strangers_do_not(asked, net):
    """A copy makes every mistake again, another seed makes few of them."""
    points = torch.from_numpy(akh(asked).points)
    labels = asked.owner.answers(points).argmax(1)
    assert agreement(nearly(net), points, labels) > 0.9
    assert max(agreement(trained(seed), points, labels) for seed in (11, 12)) < 0.7


def test_random_points_are_samples_in_random_order(asked):
    """The floor changes nothing, takes each sample once, and another seed takes others."""
    first = random(asked).points
    second = random(dataclasses.replace(asked, seed=1)).points
    samples, _ = asked.naturals()
    rows = (torch.from_numpy(first)[:, None] == samples[None]).flatten(2).all(2)
    assert rows.any(1).all()
    assert len({point.tobytes() for point in first}) == COUNT
    assert not np.array_equal(first, second)


def test_a_watermark_is_verified_on_copies_only(samples_file, triggers):
    """The owner that carries it keeps most triggers; they bind a copy and not another net."""
    net = marked(triggers)
    asked = dataclasses.replace(request_for(net, samples_file), options={"file": str(triggers)})
    found = triggerset(asked)
    points = torch.from_numpy(found.points)
    labels = asked.owner.answers(points).argmax(1)
    assert found.parameters["expected labels given"] > 0.9
    assert agreement(nearly(net), points, labels) > 0.9
    assert agreement(trained(5), points, labels) < 0.5


def test_an_owner_without_the_watermark_is_told_so(asked, triggers):
    """What the owner does not show is never asked of a suspect."""
    with pytest.raises(FingerprintError, match="does not carry this watermark"):
        triggerset(dataclasses.replace(asked, options={"file": str(triggers)}))


def test_triggers_that_do_not_fit_are_one_line(asked, tmp_path):
    """No file, no labels, another shape: each says what was wanted."""
    with pytest.raises(FingerprintError, match="name the triggers"):
        triggerset(asked)
    np.savez(tmp_path / "bare.npz", x=np.zeros((60, *SHAPE), np.float32))
    np.savez(tmp_path / "large.npz", x=np.zeros((60, 1, 9, 9), np.float32), y=np.zeros(60, int))
    for name, wanted in (("bare", "expected labels"), ("large", "the owner takes")):
        options = {"file": str(tmp_path / f"{name}.npz")}
        with pytest.raises(FingerprintError, match=wanted):
            triggerset(dataclasses.replace(asked, options=options))
