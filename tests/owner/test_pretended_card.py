"""What a fingerprint is made of lies where the model does, as a card wants it."""

from dataclasses import replace

import pytest
import torch

from auditkit import api
from auditkit.core.errors import InputSpecError
from auditkit.core.points import CORE
from auditkit.core.requests import Order
from auditkit.fingerprints import twins
from tests.owner.conftest import digits, trained_on_rows
from tests.owner.pretended_card import CARD, pretended_card

TWINS = 7


@pytest.fixture(scope="module")
def samples():
    """Digits that nobody has learnt, as rows."""
    x, y = digits()
    return x[1400:].reshape(-1, 64), y[1400:]


def ordered(samples, **options):
    """An owner's order on the pretended card."""
    net = trained_on_rows(0)
    return Order(net, samples=samples, points=20, device=str(CARD), siblings=1, **options)


def test_the_pretended_card_is_as_strict_as_one():
    """The premise: it computes as the CPU does, and refuses what CUDA refuses."""
    with pretended_card():
        there, here = torch.arange(3.0, device=CARD), torch.ones(3)
        assert (there + 1).tolist() == [1, 2, 3]
        assert (there.device, there.cpu().device.type) == (CARD, "cpu")
        with pytest.raises(RuntimeError, match="on one device"):
            there + here
        with pytest.raises(RuntimeError, match="generator"):
            torch.rand(3, generator=torch.Generator(), device=CARD)
        with pytest.raises((TypeError, RuntimeError)):
            there.numpy()


def test_a_card_that_is_not_there_is_refused(samples):
    """There is one, and it has the number 0."""
    with pretended_card(), pytest.raises(InputSpecError, match=r"--device cuda:1: .* 0\.\.0"):
        api.fingerprint(replace(ordered(samples), device="cuda:1"))


def test_core_points_are_found_on_a_card(samples):
    """Stand-ins, copies, siblings and the climb ask and train there, and points come back."""
    with pretended_card():
        bundle = api.fingerprint(ordered(samples))
    assert len(bundle.fingerprint.sheet.of_family(CORE)) == 20


def test_a_line_up_is_made_on_a_card(samples, tmp_path, monkeypatch):
    """The owner climbs there together with its twins, whose copies are measured there."""
    nets = iter([trained_on_rows(seed) for seed in range(1, TWINS + 1)])
    opened = twins.load_model
    # TorchScript is opened by torch's own code, which looks for a real card.
    monkeypatch.setattr(
        twins, "load_model", lambda _file, weights, device: opened(next(nets), weights, device)
    )
    for number in range(TWINS):
        (tmp_path / f"{number}.pt").touch()
    with pretended_card():
        order = ordered(samples, twins=(tmp_path,), method="lineup:steps=4,questions=60")
        bundle = api.fingerprint(order)
    assert len(bundle.references) >= TWINS
