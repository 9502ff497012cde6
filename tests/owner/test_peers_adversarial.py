"""Peers that move samples by gradients: each shows what its own paper promises of its points."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional

from auditkit.core.requests import InputFacts
from auditkit.fingerprints.base import Request
from auditkit.fingerprints.conferrable import conferrable
from auditkit.fingerprints.ipguard import ipguard
from auditkit.fingerprints.metafinger import metafinger
from auditkit.owner import shadows
from auditkit.owner.classifier import place
from auditkit.owner.copies import copy_labels
from auditkit.owner.opening import LoadedModel
from auditkit.owner.samples import read_samples
from auditkit.owner.standins import train_standins
from auditkit.owner.tuned import tuned_copies
from tests.owner.conftest import CLASSES, Net, digits, trained

COUNT = 40


@pytest.fixture(scope="module")
def asked(samples_file):
    """A request for an ordinary owner, with few shadow models."""
    owner, samples = placed(trained(3), samples_file)
    points, labels = owner.tensor(samples.x), torch.from_numpy(np.array(samples.y))
    strangers = tuple(train_standins(points, labels, CLASSES, 0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shadows, "ROUNDS", 1)
        made = shadows.train_shadows(owner, points, labels, strangers, 0, silent)
    return Request(owner, samples, strangers, COUNT, 0, silent, made)


@pytest.fixture(scope="module")
def quirky(samples_file):
    """A request for an owner whose own habit, the next class where ink is high up, can be learnt.

    Its copies by label learn the habit; models of the samples' own labels can't.
    """
    owner, samples = placed(with_a_habit(), samples_file)
    made = shadow_nets(owner, samples, 0)
    return Request(owner, samples, made.independent, COUNT, 0, silent, made)


def with_a_habit():
    """A net that learnt it."""
    x, y = (torch.from_numpy(part[:1200]) for part in digits())
    y = (y + (x[:, 0, :4].sum((1, 2)) > x[:, 0, 4:].sum((1, 2)))) % CLASSES
    torch.manual_seed(3)
    net = Net().train()
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for step in range(300):
        rows = torch.arange(64 * step, 64 * step + 64) % len(x)
        optimizer.zero_grad()
        functional.cross_entropy(net(x[rows]), y[rows]).backward()
        optimizer.step()
    return net.eval().requires_grad_(False)


def placed(net, samples_file):
    """A net and samples as an owner has them."""
    model = LoadedModel("owner", "sha256:00", net)
    return place(model, InputFacts(), read_samples(samples_file), torch.device("cpu"))


def shadow_nets(owner, samples, seed):
    """Small nets of the owner's labels and of the samples' own."""
    points, labels = owner.tensor(samples.x), torch.from_numpy(np.array(samples.y))
    own = owner.answers(points).argmax(1)
    extracted = tuple(train_standins(points, own, CLASSES, seed + 100))
    return shadows.Shadows((), extracted, tuple(train_standins(points, labels, CLASSES, seed)))


def silent(_stage, _done, _total):
    """No progress."""


def leads(owner, points):
    """What the best score has over the second."""
    best = owner.answers(points).topk(2, dim=1).values
    return best[:, 0] - best[:, 1]


def mean_agreement(nets, owner, points):
    """Share of points to which a net gives the owner's label, over all nets."""
    labels = owner.answers(points).argmax(1)
    agreed = [(net.answers(owner.inputs(points)).argmax(1) == labels).float() for net in nets]
    return float(torch.stack(agreed).mean())


def test_ipguard_points_lie_at_the_boundary(asked):
    """With a small k, the owner hesitates on every point between its class and another one."""
    found = ipguard(dataclasses.replace(asked, options={"k": "0.1", "rate": "0.002"}))
    points = torch.from_numpy(found.points)
    naturals = asked.naturals()[0]
    assert found.parameters["arrived"] >= 0.9 * COUNT
    assert leads(asked.owner, points).median() < 0.1 * leads(asked.owner, naturals).median()


def test_ipguard_k_is_the_lead(asked):
    """A larger k moves points further behind the boundary, by about k."""
    found = ipguard(dataclasses.replace(asked, options={"k": "3"}))
    assert found.parameters["median lead"] == pytest.approx(3, abs=0.5)


def test_conferrable_points_transfer_to_copies_only(quirky):
    """Samples leave their class; extracted copies of another seed follow, references don't."""
    found = conferrable(dataclasses.replace(quirky, options={"eps": "0.3"}))
    points = torch.from_numpy(found.points)
    held_out = shadow_nets(quirky.owner, quirky.samples, 7777)
    copies = mean_agreement(held_out.extracted, quirky.owner, points)
    references = mean_agreement(held_out.independent, quirky.owner, points)
    assert found.parameters["flipped"] >= 0.75 * COUNT
    # The nets come out a little different on each kind of processor: 0.37 is the least seen.
    assert copies - references > 0.25


def test_metafinger_points_generalise(asked):
    """Modified copies of another seed keep the labels, independent models of another don't."""
    points = torch.from_numpy(metafinger(asked).points)
    owner, labels = asked.owner, torch.from_numpy(np.array(asked.samples.y))
    naturals = owner.tensor(asked.samples.x)
    copies = tuned_copies(owner, naturals, labels, 0.8, 7777)
    kept = copy_labels(owner, points, copies) == owner.answers(points).argmax(1)
    strangers = list(train_standins(naturals, labels, CLASSES, 7777))
    assert kept.float().mean() > 0.9
    assert kept.float().mean() - mean_agreement(strangers, owner, points) > 0.3
