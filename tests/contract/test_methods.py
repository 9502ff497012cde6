"""One battery for every fingerprint method: what any of them must deliver to be a bundle."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from auditkit import fingerprints
from auditkit.core.errors import FingerprintError
from auditkit.core.fingerprint import Discrimination
from auditkit.core.plugins import load, names
from auditkit.core.requests import InputFacts
from auditkit.fingerprints.base import Need, Request
from auditkit.judging import identification
from auditkit.owner import shadows, standins
from auditkit.owner.classifier import place
from auditkit.owner.lineup import Twin
from auditkit.owner.opening import LoadedModel
from auditkit.owner.samples import read_samples
from auditkit.owner.standins import train_standins
from tests.owner.conftest import CLASSES, Net, samples_file, trained

__all__ = ["samples_file"]
COUNT = 30


@pytest.fixture(scope="module")
def owner_request(samples_file, tmp_path_factory):
    """The owner's weights as they were, and a request with everything a method may need."""
    net: Net = trained(3)
    model = LoadedModel("owner", "sha256:00", net)
    owner, samples = place(model, InputFacts(), read_samples(samples_file), torch.device("cpu"))
    assert samples is not None
    inputs, labels = owner.tensor(samples.x), torch.from_numpy(np.array(samples.y))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    points = owner.tensor(samples.x)
    with pytest.MonkeyPatch.context() as patch:
        # No contract asks how well others have learnt the task.
        patch.setattr(standins, "STEPS", 100)
        patch.setattr(shadows, "ROUNDS", 1)
        strangers = tuple(train_standins(inputs, labels, CLASSES, 0))
        shadow_models = shadows.train_shadows(owner, points, labels, strangers, 0, silent)
    triggers = tmp_path_factory.mktemp("triggers") / "triggers.npz"
    np.savez(triggers, x=samples.x[:60], y=owner.answers(points[:60]).argmax(1).numpy())
    twins = tuple(twin(owner, number) for number in range(3))
    asked = Request(owner, samples, strangers, COUNT, 0, silent, shadow_models, twins=twins)
    return before, asked, {"triggerset": {"file": str(triggers)}}


def twin(owner, number):
    """The owner's net with other weights."""
    model = LoadedModel(f"twin {number}", f"sha256:{number}", trained(10 + number))
    net = dataclasses.replace(owner, model=model)
    return Twin(model.name, model.digest, net.answers, net)


def silent(_stage, _done, _total):
    """No progress."""


@pytest.fixture(scope="module", params=names(fingerprints))
def found(request, owner_request):
    """A method's name, its request, the owner's net, and what it found twice."""
    before, asked, options = owner_request
    asked = dataclasses.replace(asked, options=options.get(request.param, {}))
    method = load(fingerprints, request.param)
    return asked, before, method(asked), method(asked)


@pytest.mark.parametrize("name", names(fingerprints))
def test_a_method_says_what_it_is(name):
    """Paper, needs and the identification that weighs its answers are there to be listed."""
    method = load(fingerprints, name)
    assert method.paper
    assert method.lead in names(identification)
    assert set(method.needs) <= set(Need)


@pytest.mark.parametrize("name", names(fingerprints))
def test_what_is_missing_is_one_line(name, owner_request):
    """Without samples, or with a setting it doesn't know, a method refuses and says what to do."""
    _, asked, _ = owner_request
    method = load(fingerprints, name)
    bare = dataclasses.replace(asked, samples=None, strangers=(), shadows=None)
    if method.needs:
        with pytest.raises(FingerprintError, match="--samples"):
            method(bare)
    if Need.TWINS in method.needs:
        with pytest.raises(FingerprintError, match="--twins"):
            method(dataclasses.replace(asked, twins=()))
    with pytest.raises(FingerprintError, match="no setting 'nonsense'"):
        method(dataclasses.replace(asked, options={"nonsense": "1"}))


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
