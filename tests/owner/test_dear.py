"""Owners whose passes are dear, and samples that cover few of an owner's classes."""

import numpy as np
import pytest
import torch
from torch import nn

from auditkit import api
from auditkit.core.errors import FingerprintError
from auditkit.core.points import CORE
from auditkit.core.requests import InputFacts, Order
from auditkit.fingerprints.core_points.candidates import FIRST
from auditkit.owner import room
from auditkit.owner.batches import WIDE
from auditkit.owner.classifier import place
from auditkit.owner.copies import copy_labels
from auditkit.owner.opening import LoadedModel
from auditkit.owner.samples import RawSamples
from auditkit.owner.standins import LARGEST, train_standins
from auditkit.owner.tuned import tuned_copies
from tests.owner.conftest import digits

CPU = torch.device("cpu")
POINTS = 24


@pytest.fixture
def little_room(monkeypatch):
    """As if few inputs fitted into memory at once."""
    monkeypatch.setattr(room, "ROOM", 1 << 18)


def order(rows_file, row_samples, points=POINTS, **more):
    """An order of few points."""
    return Order(rows_file, samples=row_samples, points=points, siblings=0, **more)


def test_a_dear_owner_climbs_fewer_starts(rows_file, row_samples, monkeypatch):
    """A first batch finds the depth; the others climb until there are enough points."""
    # So many points that two batches after the first give enough, however few of them arrive.
    monkeypatch.setattr(room, "ROOM", 1 << 13)
    wanted = 2 * POINTS
    made = api.fingerprint(order(rows_file, row_samples, wanted)).fingerprint
    assert FIRST <= made.parameters["starts"] < 3 * wanted
    assert len(made.sheet.of_family(CORE).points) == wanted
    assert not made.parameters["cut short"]


def test_a_climb_without_time_ends_with_the_fewest_points(rows_file, row_samples, little_room):
    """The bundle says so, and nobody claims to make the same points again."""
    given = order(rows_file, row_samples, minutes=1e-6)
    bundle = api.fingerprint(given)
    made = bundle.fingerprint
    assert made.parameters["cut short"]
    assert 20 <= len(made.sheet.of_family(CORE).points) <= POINTS
    assert "--minutes" in made.reason
    checks = {one.claim: one.holds for one in api.regenerate(bundle, given)}
    assert checks == {"owner": True, "outputs": True, "points": None}


def test_minutes_are_more_than_none(rows_file):
    """One line says what is wanted."""
    with pytest.raises(FingerprintError, match="--minutes wants more than 0"):
        Order(rows_file, minutes=0)


def test_copies_keep_classes_that_samples_do_not_cover(net):
    """Tuned on three of ten digits, a copy still knows the others."""
    x, y = digits()
    few = np.flatnonzero(y < 3)[:150]
    raw = RawSamples(x[few], y[few])
    owner, _ = place(LoadedModel("owner", "sha256:0", net), InputFacts(), raw, CPU)
    labels = torch.from_numpy(y[few])
    copies = tuned_copies(owner, owner.tensor(x[few]), labels, 0.8, 0)
    assert [copy.name for copy in copies] == ["fine-tuned"]
    others = owner.tensor(x[y >= 3][:300])
    kept = copy_labels(owner, others, copies) == owner.answers(others).argmax(1)
    assert kept.float().mean(1).min() > 0.8


class Viewing(nn.Module):
    """Refuses inputs that lie in memory otherwise than its author thought."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3, 4)

    def forward(self, x):
        """(n, 3, side, side) -> (n, 4)."""
        return self.head(x.view(len(x), -1)[:, :3])


@pytest.mark.parametrize(("views", "layout"), [(False, "channels_last"), (True, "contiguous")])
def test_large_images_lie_channels_last_where_the_model_takes_them(views, layout):
    """Whoever can't is asked as before."""
    torch.manual_seed(0)  # outputs that all lie within 0..1 would pass for probabilities
    pooled = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 4))
    net = (Viewing() if views else pooled).eval()
    owner, _ = place(
        LoadedModel("owner", "sha256:0", net), InputFacts((3, WIDE, WIDE), (0, 1)), None, CPU
    )
    assert layout in str(owner.model.layout)
    points = torch.rand(5, 3, WIDE, WIDE)
    torch.testing.assert_close(owner.scores(points), net(points))


def test_stand_ins_see_large_images_small():
    """Large and small images of the same content are the same to them."""
    small = torch.rand(60, 3, LARGEST, LARGEST, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(60) % 3
    large = small.repeat_interleave(3, 2).repeat_interleave(3, 3)
    stranger = next(iter(train_standins(small, labels, 3, 0)))
    torch.testing.assert_close(stranger.answers(large), stranger.answers(small))
