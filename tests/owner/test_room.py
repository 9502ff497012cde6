"""Large inputs go in batches that fit, and come out as small ones do."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from auditkit.core.requests import InputFacts
from auditkit.owner import ascent, room
from auditkit.owner.classifier import Owner, place
from auditkit.owner.lineup import joint_points
from auditkit.owner.opening import LoadedModel
from tests.conftest import digest_of

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def owner() -> Owner:
    """A small net of convolutions."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 5)).eval()
    return place(
        LoadedModel("owner", digest_of("owner"), net), InputFacts((1, 8, 8), (0, 1)), None, CPU
    )[0]


def climbed(owner):
    """Points that climbed together, and which arrived."""
    starts = torch.rand(12, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    targets = torch.arange(12) % 5
    climb = ascent.Climb(owner, starts, targets, (), 0.5, 0.1, ascent.Gait(30, 0.05, 0.0))
    arrived = climb.to(1.0)
    return climb, arrived


def test_a_climb_in_batches_is_the_same_climb(owner, monkeypatch):
    """Points don't look at each other, so it does not matter who climbs beside whom."""
    whole, arrived = climbed(owner)
    assert whole._fit.rows >= 12
    monkeypatch.setattr(room, "ROOM", 3 * room.ROOM // whole._fit.rows)
    parts, arrived_in_parts = climbed(owner)
    assert 1 <= parts._fit.rows < 12
    torch.testing.assert_close(parts.points, whole.points, atol=1e-4, rtol=0)
    assert torch.equal(arrived, arrived_in_parts)
    assert arrived.any()


class Narrow(nn.Module):
    """A net for which a card has no memory beyond so many inputs at once."""

    def __init__(self, net: nn.Module, most: int) -> None:
        super().__init__()
        self.net, self.most, self.asked = net, most, []

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Answer, and note how many were asked."""
        self.asked.append(len(inputs))
        if len(inputs) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.net(inputs)


def test_a_climb_halves_its_batches_where_memory_is_short(owner):
    """The points are those of a climb with more memory, and later steps don't ask for as much."""
    whole, _ = climbed(owner)
    narrow = Narrow(owner.model.module, 5)
    parts, _ = climbed(replace(owner, model=replace(owner.model, module=narrow)))
    torch.testing.assert_close(parts.points, whole.points, atol=1e-4, rtol=0)
    assert parts._fit.rows == 3
    assert [count for count in narrow.asked if count > 5] == [
        12,
        6,
        12,
        6,
    ]  # and the answers at last


def test_members_of_a_line_up_climb_together_where_memory_is_short(owner):
    """One that needs more memory than there is makes all of them go on in smaller parts."""
    starts = torch.rand(12, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    narrow = replace(owner, model=replace(owner.model, module=Narrow(owner.model.module, 5)))
    found = [
        joint_points([owner, second], starts, 0, lambda *_: None, steps=3)
        for second in (owner, narrow)
    ]
    torch.testing.assert_close(*found, atol=1e-4, rtol=0)


def test_one_input_that_does_not_fit_is_said():
    """There is no smaller part than one."""
    with pytest.raises(torch.OutOfMemoryError):
        room.AtOnce(8).each(Narrow(nn.Identity(), 0), torch.zeros(8, 1))


def test_weights_are_not_counted_for_each_point():
    """What one more point takes is what counts, however large the net is."""
    net = nn.Linear(1000, 1000)
    fit = room.climbing_at_once(lambda points: net(points).square().sum(1), torch.rand(2, 1000))
    assert fit > room.ROOM // (1000 * 1000 * 4)


def test_large_inputs_are_asked_a_few_at_a_time():
    """Images of 224 pixels need a hundred times the memory of small ones."""
    assert room.answered_at_once(torch.zeros(1, 3, 32, 32), 256) == 256
    assert room.answered_at_once(torch.zeros(1, 3, 224, 224), 256) == 6
    assert room.answered_at_once(torch.zeros(1, 3, 4000, 4000), 256) == 1


def test_operations_are_those_of_one_point():
    """A dense layer multiplies and adds once for each of its weights."""
    layer = torch.nn.Linear(100, 7)
    assert room.operations(layer, torch.zeros(5, 100)) == 2 * 100 * 7
