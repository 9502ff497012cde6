"""One battery for every fingerprint method: what any of them must deliver to be a bundle."""

import json

import numpy as np
import pytest
import torch

from auditkit import fingerprints
from auditkit.fingerprints.base import Request
from auditkit.order import InputFacts
from auditkit.owner.domain import place
from auditkit.owner.models import LoadedModel
from auditkit.owner.samples import read_samples
from auditkit.owner.standins import train_standins
from auditkit.registry import load, names
from auditkit.types import Discrimination
from tests.owner.conftest import CLASSES, Net, samples_file, trained

__all__ = ["samples_file"]
COUNT = 30


@pytest.fixture(scope="module", params=names(fingerprints))
def found(request, samples_file):
    """A method's name, its request, the owner's net, and what it found twice."""
    net: Net = trained(3)
    model = LoadedModel("owner", "sha256:00", net)
    owner, samples = place(model, InputFacts(), read_samples(samples_file), torch.device("cpu"))
    assert samples is not None
    inputs, labels = owner.tensor(samples.x), torch.from_numpy(np.array(samples.y))
    strangers = tuple(train_standins(inputs, labels, CLASSES, 0))
    asked = Request(owner, samples, strangers, COUNT, 0, lambda *_: None)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    method = load(fingerprints, request.param)
    return asked, before, method(asked), method(asked)


def test_points_fit_the_input(found):
    """At most as many as asked for, of the owner's shape, finite and within its bounds."""
    asked, _, findings, _ = found
    lower, upper = asked.owner.spec.bounds()
    assert 0 < len(findings.points) <= COUNT
    assert findings.points.shape[1:] == asked.owner.spec.shape
    assert np.isfinite(findings.points).all()
    assert ((findings.points >= lower) & (findings.points <= upper)).all()


def test_images_survive_eight_bits(found):
    """What becomes a PNG file stays the same point."""
    points = found[2].points
    np.testing.assert_allclose(np.rint(points * 255) / 255, points, atol=1e-6)


def test_the_same_request_finds_the_same(found):
    """Points, measurements and judgement repeat to the byte."""
    _, _, first, second = found
    np.testing.assert_array_equal(first.points, second.points)
    assert (first.parameters, first.reason) == (second.parameters, second.reason)


def test_measurements_are_json_and_the_judgement_has_a_reason(found):
    """A bundle can hold what was measured, and says in one line what it comes to."""
    findings = found[2]
    assert json.loads(json.dumps(findings.parameters, allow_nan=False)) == findings.parameters
    assert isinstance(findings.discrimination, Discrimination)
    assert findings.reason
    assert "\n" not in findings.reason


def test_the_owner_is_left_as_it_was(found):
    """Whatever a method does to the weights on the way, it undoes."""
    asked, before, _, _ = found
    for name, value in asked.owner.model.module.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
