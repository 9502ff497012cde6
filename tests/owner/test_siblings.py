"""Nets of the owner's architecture, trained anew: they refuse bundles and change nothing else."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from auditkit import api
from auditkit.core.errors import FingerprintError
from auditkit.core.fingerprint import Discrimination, Siblings
from auditkit.core.models import ReferenceKind
from auditkit.core.points import CORE
from auditkit.core.progress import silent
from auditkit.core.requests import InputFacts, Order
from auditkit.core.verdicts import Decision
from auditkit.files.bundle import Bundle
from auditkit.fingerprints import making
from auditkit.fingerprints.base import Findings
from auditkit.fingerprints.making import weighed_by_siblings
from auditkit.owner import room
from auditkit.owner.classifier import place
from auditkit.owner.opening import LoadedModel
from auditkit.owner.samples import RawSamples
from auditkit.owner.training import siblings
from auditkit.owner.training.siblings import train_siblings
from auditkit.reports.wording import sentence
from tests.owner.conftest import CLASSES, digits, outcomes, save_script

CPU = torch.device("cpu")


class Linear(nn.Module):
    """A net so small that all who learn the task answer alike."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(64, CLASSES)

    def forward(self, x):
        """(n, 1, 8, 8) -> (n, 10)."""
        return self.layer(x.flatten(1))


def placed(module, count=500):
    """An owner in its domain, and its samples."""
    x, y = (part[1250 : 1250 + count] for part in digits())
    return place(LoadedModel("owner", "sha256:0", module), InputFacts(), RawSamples(x, y), CPU)


def weights(sibling):
    """All in one row."""
    return torch.nn.utils.parameters_to_vector(sibling.net.model.module.parameters())


@pytest.fixture(scope="module")
def linear():
    """A linear owner that knows the task."""
    inputs, targets = (torch.from_numpy(part[:1200]) for part in digits())
    torch.manual_seed(0)
    net = Linear()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    for _ in range(200):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(inputs), targets).backward()
        optimizer.step()
    return net.eval()


@pytest.fixture(scope="module")
def order(tmp_path_factory, linear, samples_file):
    """Twenty samples, for points that take no time, and two siblings."""
    model = save_script(linear, tmp_path_factory.mktemp("siblings") / "model.pt")
    return Order(model, samples=samples_file, points=20, siblings=2, method="random")


@pytest.fixture(scope="module")
def made(order) -> tuple[Bundle, Bundle]:
    """The bundle with siblings, and without; nobody waits for stand-ins."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(making, "train_standins", lambda *_: iter(()))
        return api.fingerprint(order), api.fingerprint(replace(order, siblings=0))


def test_siblings_are_recorded(made):
    """Recipe, answers and the share of core points of each are in the bundle."""
    bundle, _ = made
    known = [r for r in bundle.references if r.kind is ReferenceKind.SIBLING]
    sheet = bundle.fingerprint.sheet
    core, labels = sheet.rows(CORE), sheet.labels
    shares = tuple(round(float((r.answers.labels == labels)[core].mean()), 4) for r in known)
    assert len(known) == 2
    assert bundle.fingerprint.siblings.shares == shares
    assert all(r.recipe["accuracy"] > 0.7 for r in known)


def test_siblings_choose_no_points(made):
    """Points, outputs, measurements and stand-ins are the same without them."""
    first, second = made
    with_them, without = (bundle.fingerprint.sheet for bundle in made)
    assert with_them.counts() == without.counts()
    np.testing.assert_array_equal(with_them.points, without.points)
    np.testing.assert_array_equal(with_them.outputs, without.outputs)
    assert first.fingerprint.parameters == second.fingerprint.parameters
    assert not second.references


def test_without_siblings_the_owner_itself_is_inconclusive(made, order):
    """Only a bundle that tried them may accuse, and the other says what to do."""
    decisions = []
    for bundle in made:
        discriminating = replace(bundle.fingerprint, discrimination=Discrimination.DISCRIMINATING)
        [outcome] = outcomes(replace(bundle, fingerprint=discriminating), [order.model])
        decisions.append(outcome.decision)
    assert decisions == [Decision.PIRATED, Decision.INCONCLUSIVE]
    assert "--siblings 0" in sentence(outcome.reason)


@pytest.mark.parametrize("before", [Discrimination.DISCRIMINATING, Discrimination.UNMEASURED])
@pytest.mark.parametrize(("shares", "refused"), [((0.1, 0.6), False), ((0.61, 0.1), True)])
def test_siblings_that_share_the_points_refuse_the_bundle(before, shares, refused):
    """One above 60 % is enough; they recommend nothing, and their own remark stays with them."""
    found = Findings(np.zeros((1, 1), np.float32), {}, before, "as measured")
    weighed = weighed_by_siblings(found, Siblings(shares, "a remark"))
    wanted = Discrimination.NOT_DISCRIMINATING if refused else before
    assert weighed.discrimination is wanted
    assert ("innocents of the owner's recipe would be accused" in weighed.reason) is refused
    assert f"{max(shares):.0%}" in weighed.reason
    assert "a remark" not in weighed.reason


@pytest.mark.parametrize("state", list(Discrimination))
def test_siblings_that_were_not_tried_change_no_judgement(state):
    """The bundle says what it said; the verdict is what accuses nobody."""
    found = Findings(np.zeros((1, 1), np.float32), {}, state, "as measured")
    assert weighed_by_siblings(found, Siblings()) is found


def test_siblings_leave_the_global_generator_alone_and_repeat(linear):
    """Twice the same nets, and random numbers go on as if nothing was trained."""
    owner, samples = placed(linear)
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    (first, _), (second, _) = (train_siblings(owner, samples, 1, 0, silent) for _ in range(2))
    torch.testing.assert_close(torch.rand(3), expected, rtol=0, atol=0)
    assert weights(first[0]).equal(weights(second[0]))


def test_siblings_do_not_start_where_the_owner_started(linear, monkeypatch):
    """From one and the same seed: an owner's first weights are drawn anew, a sibling's are not."""
    owner, samples = placed(linear)
    monkeypatch.setattr(siblings, "SKILLED", -1.0)
    monkeypatch.setattr(siblings.recipes, "fit", lambda net, *_, **__: net)
    [(untrained,), _] = train_siblings(owner, samples, 1, 0, silent)
    torch.manual_seed(0)
    first = torch.nn.utils.parameters_to_vector(Linear().parameters())
    torch.manual_seed(0)
    again = siblings.recipes.reinitialised(owner, owner.inputs(owner.tensor(samples.x)))
    assert torch.nn.utils.parameters_to_vector(again.model.module.parameters()).equal(first)
    assert not weights(untrained).equal(first)


class Untrainable(Linear):
    """Raises when it is trained."""

    def forward(self, x):
        """(n, 1, 8, 8) -> (n, 10)."""
        if self.training:
            raise KeyError("only for\ninference")
        return super().forward(x)


@pytest.mark.parametrize(
    ("module", "count", "wanted", "reason"),
    [
        (Linear(), 500, 0, "--siblings 0"),
        (Linear(), 40, 2, "40 samples are too few"),
        (Untrainable(), 500, 2, "can't be trained anew"),
    ],
)
def test_why_no_siblings_were_tried_is_one_line(module, count, wanted, reason):
    """Whatever is missing, there is a reason and no traceback."""
    owner, samples = placed(module.eval(), count)
    raised, told = train_siblings(owner, samples, wanted, 0, silent)
    assert raised == ()
    assert reason in told
    assert "\n" not in told


def test_siblings_that_learn_too_little_do_not_count(linear, monkeypatch):
    """Nets far below the owner show nothing, and the reason has both figures."""
    monkeypatch.setattr(siblings.recipes, "RATES", (1e-9,))
    raised, told = train_siblings(*placed(linear), 2, 0, silent)
    assert raised == ()
    assert "% right" in told
    assert "more samples" in told


def test_siblings_that_take_too_long_are_left_out_unless_they_are_asked_for(linear, monkeypatch):
    """By default the reason says how long and what to do; a given number is trained anyway."""
    monkeypatch.setattr(siblings, "LONGEST", 0.0)
    raised, told = train_siblings(*placed(linear), None, 0, silent)
    assert raised == ()
    assert "minutes on this machine; give --siblings 4" in told
    raised, told = train_siblings(*placed(linear), 1, 0, silent)
    assert len(raised) == 1
    assert not told


def test_the_default_is_four_siblings_that_time_does_not_change(linear, monkeypatch):
    """The same nets whether somebody looked at the clock or not."""
    monkeypatch.setattr(siblings, "EPOCHS", 1)
    monkeypatch.setattr(siblings, "SKILLED", -1.0)  # whatever they learn
    by_default, by_number = (
        train_siblings(*placed(linear), count, 0, silent)[0] for count in (None, 4)
    )
    assert len(by_default) == 4
    for one, other in zip(by_default, by_number, strict=True):
        assert weights(one).equal(weights(other))


def test_a_negative_count_is_refused():
    """Before anything is opened or trained."""
    with pytest.raises(FingerprintError, match="0 or more"):
        Order("model.pt", siblings=-1)


def test_siblings_of_a_large_net_are_not_begun(net, monkeypatch):
    """One small pass tells that they would take too long; a step would take gigabytes."""
    x, y = digits()
    raw = RawSamples(x[:200], y[:200])
    owner, samples = place(LoadedModel("owner", "sha256:0", net), InputFacts(), raw, CPU)
    monkeypatch.setattr(room, "ROOM", 1 << 18)
    monkeypatch.setattr(siblings, "LONGEST", 1e-3)
    monkeypatch.setattr(siblings, "_raised", None)
    found, why = train_siblings(owner, samples, None, 0, silent)
    assert not found
    assert "they would take about" in why
    assert "--siblings 4" in why
