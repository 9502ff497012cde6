"""Twins: trained and kept, opened and checked, and lined up with their owner."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from auditkit.core.errors import (
    FingerprintError,
    MissingRuntimeError,
    OwnerLoadError,
    SamplesError,
    TrainedModelsError,
)
from auditkit.core.models import ReferenceKind
from auditkit.core.points import CONTROL, CORE, DISPUTED, NATURAL
from auditkit.core.requests import Asking, Engine, Machines, Options, Order, TwinPlan
from auditkit.core.verdicts import Decision
from auditkit.files import bundle as bundles
from auditkit.files.bundle import Bundle
from auditkit.fingerprints.making import make_fingerprint
from auditkit.fingerprints.twins import doubt
from auditkit.owner.lineup import mixtures, most_disputed, undisputed
from auditkit.owner.training.engines import ray
from auditkit.owner.training.twins import make_twins
from auditkit.suspects.examiner import examine
from experiments.evasions import asking, filters, functions, graphs
from tests.calm import CalmCluster
from tests.owner.conftest import Net, digits, save_script, trained

pytestmark = pytest.mark.torch
COUNT = 9
TRAINING = """
import torch
from tests.owner.conftest import trained

def train(seed):
    return trained(seed % 1000 + 100)

def nothing(seed):
    return 3
"""


def quiet(_stage: str, _done: int, _total: int) -> None:
    """Nobody looks."""


@pytest.fixture(scope="module")
def order(tmp_path_factory, net, samples_file) -> Order:
    """A TorchScript owner of 8-pixel digits."""
    path = tmp_path_factory.mktemp("owner") / "net.pt"
    return Order(save_script(net, path), samples=samples_file, points=60, device="cpu")


@pytest.fixture
def workplace(tmp_path, monkeypatch) -> Path:
    """A folder with somebody's training code."""
    (tmp_path / "owntraining.py").write_text(TRAINING)
    monkeypatch.chdir(tmp_path)
    sys.modules.pop("owntraining", None)
    return tmp_path


@pytest.fixture(scope="module")
def twins(tmp_path_factory) -> Path:
    """A folder of model files of other seeds, as owners often have one."""
    folder = tmp_path_factory.mktemp("twins")
    for number in range(COUNT):
        save_script(trained(100 + number), folder / f"seed{number}.pt")
    return folder


@pytest.fixture(scope="module")
def bundle(order, twins):
    """The owner in a line-up."""
    return make_fingerprint(replace(order, twins=(twins,)), quiet)


def suspect(net, folder: Path, name: str):
    """What comes of one net as a file."""
    path = save_script(net, folder / f"{name}.pt")
    return path, Asking(options=Options("cpu"))


def test_an_interrupted_fingerprint_goes_on_where_it_was(
    order, twins, bundle, tmp_path, monkeypatch
):
    """After interrupts in the climb and among the copies it ends with the bundle of one run."""
    monkeypatch.setattr("auditkit.files.unfinished.WORTH", 0.0)
    monkeypatch.setattr("auditkit.owner.lineup.EVERY", 0.0)
    wanted = replace(order, twins=(twins,), unfinished=tmp_path / "parts")
    runs: list[list[tuple[str, int]]] = []

    def run(stop: tuple[str, int]) -> Bundle:
        runs.append([])

        def progress(stage: str, done: int, _total: int) -> None:
            if (stage, done) == stop:
                raise KeyboardInterrupt
            runs[-1].append((stage, done))

        return make_fingerprint(wanted, progress)

    for stop in (("climbing with the twins", 50), ("making copies to measure", 3)):
        with pytest.raises(KeyboardInterrupt):
            run(stop)
    made = run(("", 0))
    assert replace(made, created=bundle.created) == bundle
    assert runs[0][0] == ("climbing with the twins", 0)
    assert runs[1][0] == ("climbing with the twins", 50)
    assert "climbing with the twins" not in [stage for stage, _ in runs[2]]


def test_own_training_is_called_with_other_seeds_and_goes_on(order, workplace):
    """Three twins are made, two more later, all different, and the first three are kept."""
    first = make_twins(order, workplace / "t", TwinPlan(3, train="owntraining:train"), quiet)
    before = {file.name: file.read_bytes() for file in (workplace / "t").glob("*.pt")}
    again = make_twins(order, workplace / "t", TwinPlan(5, train="owntraining:train"), quiet)
    assert (first.made, again.made, again.twins) == (3, 2, 5)
    after = {file.name: file.read_bytes() for file in (workplace / "t").glob("*.pt")}
    assert before.items() <= after.items()
    assert len(set(after.values())) == 5
    listed = json.loads((workplace / "t" / "manifest.json").read_text())["models"]
    assert len({entry["seed"] for entry in listed}) == 5


def test_twins_that_processes_train_at_once_are_the_same_twins(order, workplace):
    """Two processes make the files that one makes, of the owner's own training or of auditkit's."""
    for plan in (TwinPlan(3, train="owntraining:train"), TwinPlan(2, epochs=1)):
        made = []
        for workers in (1, 2):
            folder = workplace / f"{plan.count} twins by {workers}"
            make_twins(order, folder, replace(plan, workers=workers), quiet)
            made.append({f.name: torch.jit.load(f).state_dict() for f in folder.glob("*.pt")})
        assert len(made[0]) == plan.count
        assert made[0].keys() == made[1].keys()
        for name, state in made[0].items():
            torch.testing.assert_close(state, made[1][name])


def test_a_training_that_dies_in_its_process_is_one_line(order, workplace):
    """Its cure is named; twins that were done before are kept."""
    text = "import os\n\ndef train(seed):\n    os._exit(9)\n"
    (workplace / "deadly.py").write_text(text)
    plan = TwinPlan(2, train="deadly:train", workers=2)
    with pytest.raises(OwnerLoadError, match="try --workers 1"):
        make_twins(order, workplace / "d", plan, quiet)


def test_a_cluster_without_ray_is_one_line(order, workplace, monkeypatch):
    """What to install is said before anything is trained."""
    monkeypatch.setitem(sys.modules, "ray", None)
    plan = TwinPlan(1, train="owntraining:train", machines=Machines(Engine.RAY))
    with pytest.raises(MissingRuntimeError, match=r"model-auditkit\[ray\]"):
        make_twins(order, workplace / "t", plan, quiet)
    assert not list((workplace / "t").glob("*.pt"))


def test_a_lost_training_is_begun_once_more():
    """Lost once, all twins are there; lost twice, one line names the cure."""
    seeds = {"a": 1, "b": 2, "c": 3}
    assert dict(ray.results(str, seeds, None, CalmCluster(1))) == {"a": "1", "b": "2", "c": "3"}
    with pytest.raises(OwnerLoadError, match=r"ended 2 times, last by a crash.*--workers 1"):
        dict(ray.results(str, seeds, 1, CalmCluster(2)))


def test_twins_of_another_training_are_not_mixed(order, workplace):
    """A folder that was made in one way is not gone on with in another."""
    make_twins(order, workplace / "t", TwinPlan(1, train="owntraining:train"), quiet)
    with pytest.raises(TrainedModelsError, match="twins made for another training"):
        make_twins(order, workplace / "t", TwinPlan(1, epochs=1), quiet)


@pytest.mark.parametrize(
    ("training", "why"),
    [
        ("owntraining:nothing", "wanted a torch.nn.Module or the path"),
        ("owntraining:gone", "--train can't be had"),
        ("nowhere:train", "--train can't be had"),
    ],
)
def test_training_that_gives_no_model_is_one_line(order, workplace, training, why):
    """Whatever is wrong with somebody's own code, nothing is kept."""
    with pytest.raises(OwnerLoadError, match=why) as caught:
        make_twins(order, workplace / "t", TwinPlan(1, train=training), quiet)
    assert "\n" not in str(caught.value)


def test_samples_that_twins_learnt_are_refused(order, tmp_path):
    """Such twins differ from the owner where every innocent does: all would look like copies.

    It does not matter in which file and form they lie, or that others are among them.
    """
    make_twins(order, tmp_path / "t", TwinPlan(1, epochs=1), quiet)
    with pytest.raises(SamplesError, match="were trained on 100% of these samples; give --samples"):
        make_fingerprint(replace(order, twins=(tmp_path / "t",)), quiet)
    x, y = (part[1500:1797] for part in digits())  # 250 of them were learnt
    some = replace(order, twins=(tmp_path / "t",), samples=(x, y))
    with pytest.raises(SamplesError, match="on 84% of these"):
        make_fingerprint(some, quiet)


def test_auditkit_trains_the_architecture(order, tmp_path):
    """From data alone twins of the owner's accuracy are made; an ancestor's weights are a start."""
    counts = make_twins(order, tmp_path / "t", TwinPlan(2, epochs=6), quiet)
    assert min(counts.accuracies) > 0.7
    start = tmp_path / "start.pt"
    torch.save(trained(7).state_dict(), start)
    tuned = make_twins(order, tmp_path / "s", TwinPlan(1, epochs=1, start=start), quiet)
    assert min(tuned.accuracies) > 0.7
    facts = replace(order.facts, shape=(1, 8, 8), range=(0.0, 1.0))
    with pytest.raises(SamplesError, match="--train"):
        make_twins(replace(order, samples=None, facts=facts), tmp_path, TwinPlan(1), quiet)


def test_a_line_up_treats_all_alike_and_keeps_everybodys_answers(bundle):
    """All families are there, within what an API is asked, with the twins' answers and weights."""
    sheet = bundle.fingerprint.sheet
    assert set(sheet.names) == {CORE, CONTROL, DISPUTED, NATURAL}
    assert sheet.questions == 195
    assert bundle.fingerprint.line_up.twins == COUNT
    twins = [r for r in bundle.references if r.kind is ReferenceKind.TWIN]
    assert all(twin.weights is not None for twin in twins)
    kinds = {r.recipe["how"] for r in bundle.references if r.kind is ReferenceKind.MEASURED_COPY}
    assert {"fine-tuned", "quantised", "pruned"} <= kinds
    # A code is kept by its member, and to the others it is chance.
    core = sheet.rows(CORE)
    labels = np.stack([sheet.labels, *(twin.answers.labels for twin in twins)])[:, core]
    same = (labels[:, None] == labels[None]).mean(axis=2)
    assert (same.sum() - len(same)) / (len(same) * (len(same) - 1)) < 0.3


def test_copies_are_first_and_innocents_are_not(bundle, net, tmp_path):
    """A copy with noise is called pirated by what it says and weighs; new seeds never are."""
    copy = trained(0)
    generator = torch.Generator().manual_seed(1)
    for weight in copy.parameters():
        weight += 0.03 * weight.std() * torch.randn(weight.shape, generator=generator)
    found = examine(bundle, *suspect(copy, tmp_path, "copy"), quiet)
    assert found.outcome.decision is Decision.PIRATED
    assert {"core scores", "weights"} <= {p.measure for p in found.outcome.line_up.places}
    for seed in (200, 201, 202):
        innocent = examine(bundle, *suspect(trained(seed), tmp_path, str(seed)), quiet)
        assert innocent.outcome.decision is not Decision.PIRATED


@pytest.fixture(scope="module")
def other() -> Net:
    """An independent model, which a thief asks as well."""
    return trained(300)


def hidden_by(evasion: str, copy: Net, other: Net):
    """A copy of the owner behind one of the worst evasions, which keep its accuracy."""
    fronts = {"binary": filters.binary(0.5), "clean": filters.cleaned(0.3), "blur": filters.median}
    if evasion in fronts:
        return lambda x: copy(fronts[evasion](x))
    parts = graphs.Parts(copy, (other,) * 3, torch.from_numpy(digits()[0][:300]))
    if evasion == "exchanged":
        return functions.exchanged(other, copy, 150)()
    if evasion == "every second row":
        return functions.rows_of(copy, other, 2)
    return graphs.gates(parts)[evasion]


@pytest.mark.parametrize(
    "evasion",
    [
        *("binary", "clean", "blur", "exchanged", "every second row"),
        *("own answer if among another's best 2", "another's answer far from digits"),
    ],
)
def test_no_copy_that_gives_scores_is_cleared_by_an_evasion(
    bundle, net, other, evasion, monkeypatch
):
    """It ends pirated or inconclusive (`python -m experiments.evasions` asks many more)."""
    monkeypatch.setattr(asking, "_CURRENT", [hidden_by(evasion, net, other)])
    found = examine(bundle, "python:experiments.evasions.asking:answer", Asking(options=asking.OWN))
    assert found.outcome.decision is not Decision.HOMOLOGOUS


def test_line_ups_are_written_and_read(bundle, tmp_path):
    """What comes back has the same digest, twins' weights included."""
    bundles.write(bundle, tmp_path / "b.fp")
    assert bundles.read(tmp_path / "b.fp") == bundle


def test_bad_twins_are_one_line(order, twins, tmp_path):
    """Too few, the owner itself, the same twice, and an empty folder are refused."""
    one = sorted(twins.glob("*.pt"))[0]
    (tmp_path / "empty").mkdir()
    for given, why in (
        ((one,), "wants 7 or more"),
        ((Path(order.model), twins), "the owner itself"),
        ((twins, one), "the same file"),
        ((tmp_path / "empty",), "no twins in"),
    ):
        with pytest.raises(OwnerLoadError, match=why) as caught:
            make_fingerprint(replace(order, twins=given), quiet)
        assert "\n" not in str(caught.value)


def test_line_ups_need_samples(order, twins):
    """Without them there is nothing to make points of."""
    facts = replace(order.facts, shape=(1, 8, 8), range=(0.0, 1.0))
    with pytest.raises(SamplesError, match="--samples"):
        make_fingerprint(replace(order, twins=(twins,), samples=None, facts=facts), quiet)
    with pytest.raises(FingerprintError, match="--twins"):
        make_fingerprint(replace(order, method="lineup"), quiet)


def test_an_owner_that_stands_out_by_itself_is_no_twin():
    """More accuracy than all twins is a doubt; accuracy like theirs is none."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 10, 2000)

    def model(right: float) -> np.ndarray:
        return np.where(rng.uniform(size=2000) < right, truth, rng.integers(0, 10, 2000))

    others = [model(0.80) for _ in range(19)]
    assert doubt(model(0.80), others, truth) == ""
    assert "it is not one of them" in doubt(model(0.97), others, truth)
    assert "agrees" in doubt(model(0.97), others, None)
    alike = [np.where(np.arange(2000) < 1600, truth, (truth + 1 + n) % 10) for n in range(9)]
    better = np.where(np.arange(2000) < 1603, truth, (truth + 1) % 10)
    assert "is right on" in doubt(better, alike, truth)


def test_points_are_chosen_by_symmetric_rules():
    """Members in another order choose the same points; disputed ones are where they differ."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, (6, 40))
    labels[:, :5] = 1
    order = rng.permutation(6)
    assert (most_disputed(labels, 10) == most_disputed(labels[order], 10)).all()
    assert not set(most_disputed(labels, 30)) & set(range(5))
    assert set(undisputed(labels, np.ones(40), np.ones(40, int), 9)) == set(range(5))


def test_mixtures_are_means_within_the_samples():
    """So many as asked for, each between two samples."""
    points = torch.rand(7, 1, 4, 4)
    mixed = mixtures(points, 20, 0)
    assert mixed.shape == (20, 1, 4, 4)
    assert mixed.min() >= points.min() - 1e-6
    assert mixed.max() <= points.max() + 1e-6
