"""What SAC, ModelDiff, FBI and UAP claim of their points, on the small digits owner."""

import dataclasses

import numpy as np
import pytest
import torch

from auditkit.core.errors import FingerprintError
from auditkit.core.requests import InputFacts
from auditkit.fingerprints.base import Request
from auditkit.fingerprints.benign import benign
from auditkit.fingerprints.modeldiff import modeldiff
from auditkit.fingerprints.sac import sac
from auditkit.fingerprints.uap import uap
from auditkit.owner.classifier import place
from auditkit.owner.opening import LoadedModel
from auditkit.owner.samples import RawSamples, read_samples
from auditkit.owner.standins import StandIn
from tests.owner.conftest import CLASSES, trained

COUNT = 100
HALF = 0.5 / 255  # of a grid step: what 8 bits may add to a change


def silent(_stage, _done, _total):
    """No progress."""


@pytest.fixture(scope="module")
def asked(net, samples_file):
    """The owner, samples, and two strangers that learnt the task."""
    model = LoadedModel("owner", "sha256:00", net)
    owner, samples = place(model, InputFacts(), read_samples(samples_file), torch.device("cpu"))
    strangers = tuple(StandIn(f"net {seed}", trained(seed), 1.0, 1.0) for seed in (5, 6))
    return Request(owner, samples, strangers, COUNT, 0, silent)


@pytest.fixture(scope="module")
def rows():
    """A linear owner of table rows with features of several ranges."""
    generator = torch.Generator().manual_seed(0)
    net = torch.nn.Linear(12, 3).requires_grad_(False)
    net.weight.copy_(torch.randn(net.weight.shape, generator=generator))
    x = torch.rand((200, 12), generator=generator) * torch.arange(1, 13)
    raw = RawSamples(x.numpy(), torch.randint(3, (200,), generator=generator).numpy())
    model = LoadedModel("rows", "sha256:01", net)
    owner, samples = place(model, InputFacts(), raw, torch.device("cpu"))
    return Request(owner, samples, (), 60, 0, silent)


def found(method, request, **options):
    """A method's points as a tensor, and its measurements."""
    findings = method(dataclasses.replace(request, options=options))
    return torch.from_numpy(np.array(findings.points)), findings.parameters


def labels_of(request, points):
    """The owner's."""
    return request.owner.answers(points).argmax(1)


def known(request, points):
    """Row of the sample that each point is."""
    samples, _ = request.naturals()
    distance = (points[:, None] - samples[None]).abs().flatten(2).amax(2)
    assert float(distance.amin(1).max()) < 1e-6
    return distance.argmin(1)


def test_wrong_samples_are_wrong(asked):
    """Every one that SAC-w calls a mistake gets another label from the owner than its own."""
    points, measured = found(sac, asked, inputs="wrong")
    mistakes = points[: measured["natural mistakes"]]
    _, truth = asked.naturals()
    assert len(points) == COUNT
    assert 0 < len(mistakes) < COUNT
    assert (labels_of(asked, mistakes) != truth[known(asked, mistakes)]).all()


def test_mistakes_that_strangers_share_come_last(asked):
    """Of the owner's mistakes those come first that no independent model makes."""
    points, measured = found(sac, asked, inputs="wrong")
    mistakes = points[: measured["natural mistakes"]]
    shared = sum(
        (stranger.answers(mistakes).argmax(1) == labels_of(asked, mistakes)).int()
        for stranger in asked.strangers
    )
    assert shared.tolist() == sorted(shared.tolist())
    assert shared[0] < shared[-1]


def test_mixed_samples_keep_nearly_all_of_the_image(asked):
    """SAC-m changes one patch of at most 2 x 2 of 8 x 8 pixels, near a corner."""
    points, _ = found(sac, asked, inputs="mixed")
    samples, _ = asked.naturals()
    differs = (points[:, None] != samples[None])[:, :, 0]
    nearest = differs.flatten(2).sum(2).argmin(1)
    changed = differs[torch.arange(COUNT), nearest]
    assert changed.flatten(1).sum(1).max() <= 4
    assert changed.any(0)[2:5].logical_not().all()
    assert changed.any(0)[:, 2:5].logical_not().all()
    assert changed.any()


def test_mixed_rows_swap_a_fifth_of_the_features(rows):
    """Each row keeps most of one sample, and on average a fifth is another's."""
    points, _ = found(sac, rows, inputs="mixed")
    samples, _ = rows.naturals()
    kept = (points[:, None] == samples[None]).float().mean(2).amax(1)
    assert 0.7 < float(kept.mean()) < 0.9


def test_compressed_samples_look_like_samples(asked, rows):
    """JPEG changes each image a little, more at a lower quality; rows are refused."""
    samples, _ = asked.naturals()

    def change(quality):
        points, _ = found(sac, asked, inputs="jpeg", quality=quality)
        distance = (points[:, None] - samples[None]).flatten(2).square().mean(2).amin(1)
        return float(distance.mean())

    assert 0 < change("90") < change("10") < 0.05
    with pytest.raises(FingerprintError, match="jpeg needs grey or colour images"):
        found(sac, rows, inputs="jpeg")


def test_an_unknown_kind_of_inputs_is_named(asked):
    """A typing error is answered with what there is."""
    with pytest.raises(FingerprintError, match="one of wrong, mixed, jpeg, got 'mixt'"):
        found(sac, asked, inputs="mixt")


@pytest.mark.parametrize(("eps", "least"), [(0.03, 0.2), (0.1, 0.9)])
def test_twins_change_the_answer_and_stay_near(asked, eps, least):
    """ModelDiff's pairs get two labels first, though no pixel differs by more than eps.

    Few digits lie within the paper's 0.03 of a boundary.
    """
    points, measured = found(modeldiff, asked, eps=str(eps))
    before, after = points[::2], points[1::2]
    known(asked, before)
    moved = labels_of(asked, before) != labels_of(asked, after)
    assert len(points) == COUNT
    assert float((before - after).abs().max()) <= eps + HALF + 1e-6
    assert float(moved.float().mean()) > least
    assert measured["twins that change the answer"] == round(float(moved.float().mean()), 4)
    assert moved.int().tolist() == sorted(moved.int().tolist(), reverse=True)


def test_twins_of_rows_stay_within_each_features_share(rows):
    """Of table rows, every feature has its own range."""
    points, _ = found(modeldiff, rows)
    lower, upper = rows.owner.spec.bounds()
    change = (points[::2] - points[1::2]).abs().amax(0)
    assert (change <= torch.from_numpy(0.03 * (upper - lower)) + 1e-5).all()
    assert (change > 0).all()


def test_benign_samples_are_the_doubtful_ones(asked):
    """FBI's images are samples as they are, of higher entropy than the average, best first."""
    points, measured = found(benign, asked)
    known(asked, points)
    samples, _ = asked.naturals()

    def entropy(some):
        return torch.special.entr(asked.owner.answers(some).softmax(1)).sum(1)

    assert float(entropy(points).mean()) > 1.5 * float(entropy(samples).mean())
    assert float(entropy(points[:50]).mean()) > float(entropy(points[50:]).mean())
    assert measured["entropy of answers, chosen"] > measured["entropy of answers, all"]


def test_one_perturbation_fools_the_owner_on_most_samples(asked):
    """UAP adds the same change to every point; noise of the same size fools on far fewer."""
    eps = 0.3  # digits of 8 x 8 pixels are told apart by large differences
    points, measured = found(uap, asked, eps=str(eps))
    before, after = points[::2], points[1::2]
    known(asked, before)
    assert len(points) == COUNT
    inner = (after > 0) & (after < 1)  # elsewhere the input's range cut the change off
    change = torch.where(inner, after - before, torch.nan)
    one = change.nanmedian(0, keepdim=True).values
    assert float((change - one).abs().nan_to_num().max()) <= 2 * HALF + 1e-6
    assert inner.any(0).float().mean() > 0.5
    assert float(one.abs().nan_to_num().max()) <= eps + HALF + 1e-6
    generator = torch.Generator().manual_seed(1)
    signs = torch.randint(0, 2, before.shape[1:], generator=generator) * 2 - 1
    noisy = torch.clamp(before + eps * signs, 0, 1)
    fooled, by_noise = (
        float((labels_of(asked, before) != labels_of(asked, other)).float().mean())
        for other in (after, noisy)
    )
    assert fooled > 0.5
    assert fooled > by_noise + 0.2
    assert measured["samples fooled"] == pytest.approx(fooled, abs=0.15)


def test_perturbed_samples_are_spread_over_the_classes(asked):
    """The first so many pairs hold one sample of each class of the owner's."""
    points, _ = found(uap, asked)
    assert sorted(labels_of(asked, points[: 2 * CLASSES : 2]).tolist()) == list(range(CLASSES))


def test_a_universal_change_of_rows_respects_every_range(rows):
    """Of table rows no feature is changed by more than its share, and the owner is fooled."""
    points, measured = found(uap, rows, eps="0.1")
    lower, upper = rows.owner.spec.bounds()
    change = (points[1::2] - points[::2]).abs().amax(0)
    assert (change <= torch.from_numpy(0.1 * (upper - lower)) + 1e-5).all()
    assert measured["samples fooled"] > 0


@pytest.mark.parametrize("method", [sac, modeldiff, benign, uap])
def test_too_few_samples_are_refused(method, asked):
    """With less than 20 points, or 10 pairs, there is no fingerprint."""
    few = dataclasses.replace(asked.samples, x=asked.samples.x[:9], y=np.array(asked.samples.y[:9]))
    with pytest.raises(FingerprintError, match="9 samples"):
        method(dataclasses.replace(asked, samples=few))
