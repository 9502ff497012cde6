"""The owner's side end to end: points that copies keep and strangers don't, the same each time."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import Flatten, Linear, ReLU, Sequential
from typer.testing import CliRunner

from auditkit import api, fingerprints
from auditkit.cli import app
from auditkit.core.access import Access
from auditkit.core.fingerprint import FIRST_IDENTIFICATIONS, Discrimination
from auditkit.core.models import ReferenceKind
from auditkit.core.plugins import load
from auditkit.core.points import CONTROL, CORE, MISTAKE
from auditkit.core.requests import InputFacts, Order
from auditkit.core.verdicts import Decision
from auditkit.files import bundle as bundles
from auditkit.fingerprints import deepcore, making
from auditkit.fingerprints.core_points.candidates import Candidates, first_of_each
from auditkit.reports.wording import sentence
from tests.owner.conftest import CLASSES, SHAPE, outcomes, save_script, trained, trained_on_rows


def labels_of(net, points):
    """A net's classes."""
    return net(torch.from_numpy(np.array(points))).argmax(1).numpy()


def test_copies_keep_core_points_and_strangers_do_not(made, net):
    """A noisy copy agrees on nearly all points, an independent net on far fewer."""
    family = made.fingerprint.sheet.of_family(CORE)
    noisy = trained(0)
    with torch.no_grad():
        for weight in noisy.parameters():
            weight.add_(0.03 * weight.std() * torch.randn_like(weight) if weight.ndim > 1 else 0)
    kept = (labels_of(noisy, family.points) == family.labels).mean()
    shared = (labels_of(trained(5), family.points) == family.labels).mean()
    assert kept >= 0.9
    assert kept - shared >= 0.3


def test_core_points_are_verified_and_on_the_grid(made, net):
    """Each point has its label from the owner itself, and survives a PNG."""
    family = made.fingerprint.sheet.of_family(CORE)
    assert len(family) == 40
    assert labels_of(net, family.points).tolist() == family.labels.tolist()
    levels = family.points * 255
    np.testing.assert_allclose(levels, np.rint(levels), atol=1e-4)


def test_no_class_gets_more_than_half_again_its_share():
    """However cheap a class's points are, others come first while they have any left."""
    classes, count = 10, 40
    targets = torch.arange(200) % classes
    kept = torch.ones(1, len(targets), dtype=torch.bool)
    kept[0, targets != 8] = False  # all but one class are dearer
    points = torch.zeros(len(targets), 2)
    owner = SimpleNamespace(inputs=lambda rows: rows, record=SimpleNamespace(classes=classes))
    task = SimpleNamespace(request=SimpleNamespace(owner=owner, strangers=(), count=count))
    chosen = deepcore._chosen(task, Candidates(1.0, 0.25, points, targets, kept, {}, 200))
    assert len(chosen) == count
    taken = torch.bincount(targets[chosen], minlength=classes)
    assert taken[8] == taken.max() == 6  # 1.5 times 4


def test_few_samples_of_two_classes_make_no_point_twice(tmp_path):
    """A sample is pushed to each other class once at most, so points are fewer, and all differ."""
    torch.manual_seed(0)
    model = save_script(Sequential(Linear(6, 16), ReLU(), Linear(16, 2)).eval(), tmp_path / "m.pt")
    x = np.random.default_rng(0).normal(size=(60, 6)).astype(np.float32)
    y = labels_of(torch.jit.load(model), x)
    np.savez(tmp_path / "few.npz", x=x, y=y)
    made = api.fingerprint(Order(model, samples=tmp_path / "few.npz", points=40, siblings=0))
    assert 20 <= len(made.fingerprint.sheet.of_family(CORE)) <= 40
    assert made.fingerprint.parameters["starts"] == 60


def test_points_in_one_corner_count_once():
    """Climbs that end at the same point make one point of it, the first."""
    points = torch.tensor([[1.0, 0], [0, 1], [1, 0], [1, 1], [0, 1]])
    assert first_of_each(points).tolist() == [True, True, False, True, False]
    assert first_of_each(points[:0]).tolist() == []


def test_natural_families_say_what_they_are(made, samples_file):
    """Controls are what the owner knows, mistakes what it gets wrong."""
    sheet = made.fingerprint.sheet
    assert sheet.counts()[CONTROL] == 30
    with np.load(samples_file) as archive:
        truth = {
            image.tobytes(): label for image, label in zip(archive["x"], archive["y"], strict=True)
        }
    for name, right in ((CONTROL, True), (MISTAKE, False)):
        if name in sheet.names:
            family = sheet.of_family(name)
            pixels = np.rint(family.points[:, 0] * 255).astype(np.uint8)
            labels = [truth[image.tobytes()] for image in pixels]
            assert all((family.labels == labels) == right)


def test_stand_ins_are_recorded(made):
    """Recipe and answers of every stand-in are in the bundle, its samples are not."""
    kinds = [reference.kind for reference in made.references]
    assert kinds == [ReferenceKind.STAND_IN] * 5 + [ReferenceKind.SIBLING]
    core = made.fingerprint.sheet.rows(CORE)
    for reference in made.references[:5]:
        assert {"net", "seed", "steps", "accuracy"} <= reference.recipe.keys()
        assert reference.answers.at(core).answered.sum() == 40
        assert reference.answers.answered.all()


def test_the_owner_is_left_as_it_was(made, model_file, net):
    """Making copies and tuning them changes nothing in the end."""
    again = api.fingerprint(Order(model_file, points=20, facts=InputFacts(SHAPE, (0.0, 1.0))))
    family = again.fingerprint.sheet.of_family(CORE)
    expected = net(torch.from_numpy(np.array(family.points))).numpy()
    np.testing.assert_allclose(family.outputs, expected, atol=1e-4)


def test_the_same_order_gives_the_same_bytes(rows_file, row_samples, tmp_path, monkeypatch):
    """Twice the same command, twice the same file, time apart."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    for name in ("a.fp", "b.fp"):
        order = Order(rows_file, samples=row_samples, points=20, siblings=1)
        bundles.write(api.fingerprint(order), tmp_path / name)
    assert (tmp_path / "a.fp").read_bytes() == (tmp_path / "b.fp").read_bytes()


def test_without_samples_uniqueness_is_unmeasured(model_file):
    """The bundle says so, and even the owner's own file is inconclusive."""
    facts = InputFacts(SHAPE, (0.0, 1.0))
    made = api.fingerprint(Order(model_file, points=20, facts=facts))
    assert made.fingerprint.discrimination is Discrimination.UNMEASURED
    [outcome] = outcomes(made, [model_file])
    assert outcome.decision is Decision.INCONCLUSIVE
    assert "--samples" in sentence(outcome.reason)


def test_a_bundle_names_the_identification_that_its_method_brings(
    model_file, samples_file, monkeypatch
):
    """The lead of an installed method is no built-in one, and has a say all the same."""
    method = replace(load(fingerprints, "random"), lead="second_best")
    monkeypatch.setattr(making, "load", lambda *_: method)
    order = Order(model_file, samples=samples_file, method="random", points=20, siblings=0)
    made = api.fingerprint(order).fingerprint
    assert set(made.speaking) == {*FIRST_IDENTIFICATIONS, "weights", "second_best"}


def test_the_owner_itself_is_pirated_through_torchscript(made, model_file):
    """The whole way: fingerprint, ask, judge."""
    [outcome] = outcomes(made, [model_file], Access.LABEL)
    assert outcome.decision is Decision.PIRATED


def test_an_independent_model_is_not_pirated(made, tmp_path):
    """Nor when it has the same architecture and was trained on the same kind of data."""
    suspect = save_script(trained(9), tmp_path / "other.pt")
    [outcome] = outcomes(made, [suspect], Access.LABEL)
    assert outcome.decision is not Decision.PIRATED


@pytest.mark.parametrize(
    ("name", "shape", "build"),
    [
        ("table rows", (6,), lambda: Linear(6, 3)),
        (
            "a series",
            (2, 20),
            lambda: Sequential(Flatten(), Linear(40, 3)),
        ),
        (
            "a spectrogram",
            (1, 9, 14),
            lambda: Sequential(Flatten(), Linear(126, 3)),
        ),
    ],
)
def test_any_input_shape_is_fingerprinted(tmp_path, name, shape, build):
    """Rows, series and spectrograms work; bounds of rows are each feature's own."""
    rng = np.random.default_rng(0)
    scale = rng.uniform(1, 50, shape)
    x = (rng.normal(size=(120, *shape)) * scale).astype(np.float32)
    torch.manual_seed(0)
    module = build().eval()
    y = module(torch.from_numpy(x)).argmax(1).numpy()
    np.savez(tmp_path / "s.npz", x=x, y=y)
    model = save_script(module, tmp_path / "m.pt")
    made = api.fingerprint(Order(model, samples=tmp_path / "s.npz", points=20, siblings=0))
    points = made.fingerprint.sheet.of_family(CORE).points
    assert points.shape == (20, *shape), name
    if len(shape) < 3:
        assert (points >= x.min(axis=0)).all()
        assert (points <= x.max(axis=0)).all()


def test_samples_that_teach_nothing_measure_nothing(tmp_path, rows_file):
    """Random labels make stand-ins that guess, and the bundle says that they show nothing."""
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(200, 64)).astype(np.float32)
    np.savez(tmp_path / "noise.npz", x=x, y=rng.integers(0, CLASSES, 200))
    made = api.fingerprint(Order(rows_file, samples=tmp_path / "noise.npz", points=20, siblings=0))
    assert made.fingerprint.discrimination is Discrimination.UNMEASURED
    assert "learnt too little" in made.fingerprint.reason


def test_frozen_weights_are_said_not_hidden(tmp_path, row_samples):
    """Where no copy can be made, robustness is not claimed."""
    net = trained_on_rows(0)
    with torch.no_grad():
        frozen = torch.jit.freeze(torch.jit.script(net))
    torch.jit.save(frozen, str(tmp_path / "m.pt"))
    made = api.fingerprint(Order(str(tmp_path / "m.pt"), samples=row_samples, points=20))
    assert made.fingerprint.discrimination is Discrimination.NOT_DISCRIMINATING
    assert "no weights to train" in made.fingerprint.siblings.reason


def test_an_interrupted_command_says_that_it_goes_on(net, samples_file, tmp_path, monkeypatch):
    """The next one does not look for points again, and takes the parts away at its end."""
    monkeypatch.setattr("auditkit.files.unfinished.WORTH", 0.0)
    monkeypatch.chdir(tmp_path)
    save_script(net, tmp_path / "net.pt")
    command = ["fingerprint", "net.pt", "--samples", str(samples_file), "--points", "20", "-q"]

    def interrupted(*_arguments, **_named):
        raise KeyboardInterrupt

    with monkeypatch.context() as during:
        during.setattr(making, "train_siblings", interrupted)
        stopped = CliRunner().invoke(app, command)
    assert "the same command goes on where it was; net.fp.part" in stopped.stderr
    assert not (tmp_path / "net.fp").exists()
    monkeypatch.setattr(deepcore, "climbed", interrupted)
    assert CliRunner().invoke(app, [*command, "--siblings", "0"]).exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.fp", "net.pt"]
