"""Reference models that are trained for an owner, on a few digits."""

import json
import re
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from auditkit.adapters import identified, open_suspect
from auditkit.core.errors import (
    AuditkitError,
    FingerprintError,
    SamplesError,
    TrainedModelsError,
)
from auditkit.core.points import InputSpec
from auditkit.core.requests import InputFacts, Options, Order, Patience, ReferencePlan
from auditkit.files.model_folder import TAUGHT, read_model_folder
from auditkit.owner.copies import matrix_weights
from auditkit.owner.opening import LoadedModel
from auditkit.owner.training import attacks, recipes, references, saving
from auditkit.owner.training.references import make_references
from auditkit.owner.training.workshop import recipe
from auditkit.suspects.client import Client
from auditkit.suspects.log import Memory
from tests.owner.conftest import save_script, trained

PLAN = ReferencePlan(homologous=6, pirated=8, epochs=4)
COPIED = re.compile("from-another-model")


def quiet(_stage: str, _done: int, _total: int) -> None:
    """Nobody looks."""


def listed(folder: Path) -> dict[str, dict]:
    """The manifest's lines by name."""
    models = json.loads((folder / "manifest.json").read_text())["models"]
    return {entry["name"]: entry for entry in models}


def opened(path: Path, spec: InputSpec) -> Client:
    """A model's file, asked in the owner's input domain."""
    adapter = open_suspect(identified(str(path)), Options(device="cpu"))
    return Client(adapter, spec, Patience(), Memory())


@pytest.fixture(scope="module")
def order(tmp_path_factory, net, samples_file) -> Order:
    """A TorchScript owner whose file says that it takes normalised inputs."""
    path = tmp_path_factory.mktemp("owner") / "net.pt"
    return Order(save_script(net, path), samples=samples_file, device="cpu")


@pytest.fixture(scope="module")
def made(tmp_path_factory, order):
    """A folder with one model of each attack, the counts, and what was told of the progress."""
    folder, told = tmp_path_factory.mktemp("references"), []
    counts = make_references(order, folder, PLAN, lambda *news: told.append(news))
    return folder, counts, told


@pytest.fixture
def shop(order):
    """The owner and its data, with short training."""
    made, _ = references._workshop(order, 1)
    return replace(made, rate=recipes.RATES[0])


def test_the_folder_holds_what_was_asked_for(made):
    """Counts, manifest and progress agree on how many models of each kind there are."""
    folder, counts, told = made
    kinds = [entry["kind"] for entry in listed(folder).values()]
    assert (counts.homologous, counts.pirated, counts.made) == (6, 8, 14)
    assert [kinds.count(kind) for kind in ("homologous", "pirated", "owner")] == [6, 8, 1]
    assert [news[1:] for news in told] == [(done, 14) for done in range(15)]
    assert counts.anew is not None
    assert counts.seconds > 0
    assert not list(folder.glob(".*"))


def test_bench_reads_the_folder(made):
    """The population has the owner's model, its samples and all its copies."""
    population = read_model_folder(made[0])
    (owner,) = population.of("owner")
    assert Path(owner.model).read_bytes()[:2] == b"PK"
    assert len(np.load(population.samples)["y"]) == 500
    assert len(population.suspects(owner)) == 14
    assert {model.how for model in population.of("pirated")} == set(attacks.ATTACKS)


def test_every_file_answers_as_the_manifest_says(made, order):
    """Through auditkit's own adapter each model is as accurate on unseen samples as recorded."""
    folder = made[0]
    with np.load(order.samples) as archive:
        x, y = archive["x"][:, None] / np.float32(255), archive["y"]
    numbers = torch.arange(len(x))
    rows = recipes.split(recipes.Labelled(numbers, numbers), order.seed)[1].labels.numpy()
    spec = references._workshop(order, 1)[0].owner.spec
    for entry in listed(folder).values():
        suspect = opened(folder / entry["file"], spec)
        right = (suspect.answer(x[rows], spec).argmax(1) == y[rows]).mean()
        assert right == pytest.approx(entry["accuracy"], abs=0.021), entry["name"]
        assert suspect.port.digest == entry["digest"]
        assert right > 0.5 or entry["broken"], entry["name"]


def test_a_third_of_the_homologous_are_copies_of_other_models():
    """Every third number is one, and over a full round they meet every attack."""
    known = tuple(attacks.ATTACKS)
    made = [recipe("homologous", number, 0, known) for number in range(99)]
    copied = [one for one in made if COPIED.search(one.name)]
    assert len(copied) == 33
    assert {one.attack for one in copied} == set(known)
    assert all("from another model" in one.how for one in copied)


def test_frozen_normalisation_is_seen_and_told(shop, net):
    """A scripted net learns its statistics, a traced one can't, and the command says so."""
    inputs = shop.data.inputs
    assert not recipes.frozen_normalisation(shop.owner, inputs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(net, torch.zeros(2, *inputs.shape[1:]))
    frozen = replace(shop.owner, model=replace(shop.owner.model, module=traced))
    assert recipes.frozen_normalisation(frozen, inputs)
    counts = references.Counts(9, 3, 12, 1.0, 0.9, 0.9, frozen=True)
    assert "batch normalisation is frozen" in counts.told()
    assert "frozen" not in counts._replace(frozen=False).told()
    assert "too far below" in counts._replace(anew=0.85).told()


def test_quantised_copies_differ(shop):
    """The fourth round has the first one's bits, but no two copies are one model."""
    first, again = (
        shop.copy(recipe("pirated", number, 0, ("quantised",)), shop.owner, 1.0)
        for number in (0, 4)
    )
    pairs = zip(matrix_weights(first.model.module), matrix_weights(again.model.module), strict=True)
    assert not all(torch.equal(*pair) for pair in pairs)


def test_recipes_vary():
    """Half the nets are the owner's; parts, augmentation, smoothing and seeds go round."""
    made = [recipe("homologous", n, 0, tuple(attacks.ATTACKS)) for n in range(99)]
    scratch = [one for one in made if not one.attack]
    assert sum(one.net == 0 for one in scratch) == len(scratch) // 2
    seen = {(one.net, one.part, one.augment) for one in scratch}
    assert len(seen) == 3 * 4 * 3
    assert {one.smoothing for one in scratch} == {0.0, 0.1}
    assert len({one.seed for one in made}) == len({one.name for one in made}) == 99
    assert recipe("homologous", 7, 1, ()).seed != made[7].seed


def test_homologous_models_never_hear_the_owner(shop, monkeypatch):
    """None of them, copies of other models included, asks the owner anything or changes it."""
    owner = shop.owner.model.module
    before = [weight.clone() for weight in owner.parameters()]
    answer = LoadedModel.__call__

    def guarded(self: LoadedModel, inputs: torch.Tensor) -> torch.Tensor:
        assert self.module is not owner
        return answer(self, inputs)

    monkeypatch.setattr(LoadedModel, "__call__", guarded)
    for number in (0, *range(2, 24, 3)):
        wanted = recipe("homologous", number, 0, tuple(attacks.ATTACKS))
        student, _ = shop.make(replace(wanted, net=0, student=0))
        for weight, old in zip(student.model.module.parameters(), before, strict=True):
            assert weight.ndim < 2 or not torch.allclose(weight, old, atol=1e-2)
    for weight, old in zip(owner.parameters(), before, strict=True):
        torch.testing.assert_close(weight, old)


def test_copies_are_what_they_are_called(shop):
    """Pruning stays pruned through training, 8 bits have 255 steps, a new head has an old body."""
    made = {
        one.attack: matrix_weights(shop.copy(one, shop.owner, 1.0).model.module)
        for one in (recipe("pirated", n, 0, tuple(attacks.ATTACKS)) for n in range(8))
    }
    own = matrix_weights(shop.owner.model.module)
    for weight, old in zip(made["heavily pruned and tuned"], own, strict=True):
        assert 0.65 < float((weight == 0).float().mean()) < 0.85
        assert not torch.equal(weight[weight != 0], old[weight != 0])
    assert all(len(weight.unique()) <= 255 for weight in made["quantised"])
    *body, head = made["head retrained"]
    assert all(torch.equal(new, old) for new, old in zip(body, own, strict=False))
    assert not torch.allclose(head, own[-1], atol=0.1)


def test_adversarial_inputs_stay_near_and_inside(shop):
    """They differ by at most eps of the range, never leave it, and raise the loss."""
    data = shop.held_out
    how = recipes.Training(1, torch.Generator(), 1e-3, eps=8 / 255, ascents=2)
    moved = recipes._attacked(shop.owner, data.inputs, data.labels, how)
    assert 0 < (moved - data.inputs).abs().max() <= 8 / 255 + 1e-6
    assert moved.min() >= 0
    assert moved.max() <= 1
    losses = [
        nn.functional.cross_entropy(recipes.scores(shop.owner, inputs), data.labels)
        for inputs in (data.inputs, moved)
    ]
    assert losses[1] > losses[0]


def test_a_ruined_copy_is_made_once_more_and_then_marked(shop, monkeypatch):
    """The second try is milder; what still lost its accuracy counts as broken."""
    tries = []

    def ruin(job: attacks.Job) -> object:
        tries.append(job.strength)
        net = recipes.duplicate(job.parent)
        with torch.no_grad():
            for weight in net.model.module.parameters():
                weight.zero_()
        return net

    monkeypatch.setitem(attacks.ATTACKS, "fine-tuned", ruin)
    _, entry = shop.make(recipe("pirated", 0, 0, ("fine-tuned",)))
    assert entry["broken"]
    assert tries == [1.0, 0.5]


def test_a_second_run_makes_only_what_is_missing(tmp_path, order, made):
    """Lost and damaged models come back the same to the byte, and asking for more goes on."""
    for path in made[0].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    before = listed(tmp_path)
    names = sorted(before)
    (tmp_path / before[names[1]]["file"]).unlink()
    (tmp_path / before[names[7]]["file"]).write_bytes(b"half")
    kept = set(names) - {names[1], names[7]}
    moments = {name: (tmp_path / before[name]["file"]).stat().st_mtime_ns for name in kept}
    counts = make_references(order, tmp_path, replace(PLAN, homologous=7), quiet)
    assert (counts.homologous, counts.pirated, counts.made) == (7, 8, 3)
    after = listed(tmp_path)
    assert {name: after[name] for name in names} == before
    for name, moment in moments.items():
        assert (tmp_path / before[name]["file"]).stat().st_mtime_ns == moment
    fewer = make_references(order, tmp_path, ReferencePlan(1, 1, 4), quiet)
    assert (fewer.homologous, fewer.pirated, fewer.made) == (7, 8, 0)


def test_a_killed_run_leaves_whole_models(tmp_path, order):
    """What the manifest lists is there and right, whenever a run ends."""

    def killed(_stage: str, done: int, _total: int) -> None:
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_references(order, tmp_path, ReferencePlan(0, 2, 1), killed)
    assert [model.kind for model in read_model_folder(tmp_path).models] == ["owner", "pirated"]
    counts = make_references(order, tmp_path, ReferencePlan(0, 2, 1), quiet)
    assert (counts.pirated, counts.made) == (2, 1)


@pytest.mark.parametrize("what", ["model", "data", "input", "seed"])
def test_a_folder_for_something_else_is_refused(what, tmp_path, order, made):
    """Another owner, other data, another input domain or seed: one line that says which."""
    with np.load(order.samples) as archive:
        np.savez(tmp_path / "other.npz", x=archive["x"][::-1], y=archive["y"][::-1])
    other = {
        "model": {"model": save_script(trained(1), tmp_path / "other.pt")},
        "data": {"samples": tmp_path / "other.npz"},
        "input": {"facts": InputFacts(mean=(0.5,), std=(0.5,))},
        "seed": {"seed": 1},
    }[what]
    with pytest.raises(TrainedModelsError, match=f"another {what};") as caught:
        make_references(replace(order, **other), made[0], PLAN, quiet)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["junk", "[]", "{}", '{"made_for": {}, "models": 3}'])
def test_a_folder_of_somebody_else_is_left_alone(text, tmp_path, order):
    """A manifest that these models were not written with is neither used nor replaced."""
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(TrainedModelsError, match="choose another folder"):
        make_references(order, tmp_path, PLAN, quiet)
    assert (tmp_path / "manifest.json").read_text() == text
    with pytest.raises(TrainedModelsError, match="can't be used"):
        make_references(order, tmp_path / "manifest.json", PLAN, quiet)


@pytest.mark.parametrize(("rows", "labels"), [(500, False), (199, True)])
def test_data_that_teach_nothing_are_refused(rows, labels, tmp_path, order):
    """Without labels, or with fewer than 200 samples, one line says what is wanted."""
    with np.load(order.samples) as archive:
        arrays = {"x": archive["x"][:rows], "y": archive["y"][:rows]}
    if not labels:
        del arrays["y"]
    np.savez(tmp_path / "data.npz", **arrays)
    wanted = f"has {rows} {'with' if labels else 'without'};"
    with pytest.raises(SamplesError, match=wanted) as caught:
        make_references(
            replace(order, samples=tmp_path / "data.npz"), tmp_path / "made", PLAN, quiet
        )
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "made").exists()


def test_a_traced_owner_is_trained_anew(tmp_path, order, net):
    """Its normalisation, frozen when it was traced, starts from the data, and it learns."""
    path = tmp_path / "traced.pt"
    torch.jit.save(torch.jit.trace(net, torch.zeros(2, 1, 8, 8)), path)
    shop, _ = references._workshop(replace(order, model=str(path)), 6)
    module = recipes.reinitialised(shop.owner, shop.data.inputs).model.module
    state = module.state_dict()
    passed = nn.functional.conv2d(
        shop.data.inputs[:256], state["body.0.weight"], state["body.0.bias"], padding=1
    )
    torch.testing.assert_close(state["body.1.running_mean"], passed.mean((0, 2, 3)))
    torch.testing.assert_close(state["body.1.running_var"], passed.var((0, 2, 3), correction=0))
    assert shop.tried() == recipes.RATES[0]


@pytest.mark.parametrize("save", [torch.jit.script, lambda net: net])
def test_a_net_trained_anew_starts_from_nothing_of_the_owner(save, shop, net):
    """Its fresh weights have no correlation with the owner's, and another seed draws others."""
    owner = replace(shop.owner, model=replace(shop.owner.model, module=save(net)))
    drawn = []
    for seed in (7, 8):  # the owner itself was drawn with 0
        torch.manual_seed(seed)
        fresh = recipes.reinitialised(owner, shop.data.inputs)
        drawn.append(matrix_weights(fresh.model.module))
    for one, other, old in zip(*drawn, matrix_weights(net), strict=True):
        rows = torch.stack([weight.detach().flatten() for weight in (one, other, old)])
        assert (torch.corrcoef(rows) - torch.eye(3)).abs().max() < 0.35


def test_an_owner_without_weights_is_replaced_by_built_in_nets(tmp_path, order, net):
    """A frozen archive can only be learnt from: its copies are distilled or extracted."""
    path = tmp_path / "frozen.pt"
    torch.jit.save(torch.jit.freeze(torch.jit.script(net)), path)
    counts = make_references(
        replace(order, model=str(path)), tmp_path / "made", ReferencePlan(2, 2, 1), quiet
    )
    entries = listed(tmp_path / "made")
    assert counts.anew is None
    assert "built-in nets stand in for it" in counts.told()
    assert all(e["net"] != recipes.OWN_NET for e in entries.values() if e["kind"] != "owner")
    assert {e["how"] for e in entries.values() if e["kind"] == "pirated"} == set(TAUGHT)


def test_a_factory_is_kept_as_a_file(tmp_path, order, net):
    """The folder of a factory's owner is complete: bench opens what was traced."""
    save_file(net.state_dict(), tmp_path / "net.safetensors")
    model = f"{type(net).__module__}:Net"
    asked = replace(order, model=model, weights=tmp_path / "net.safetensors")
    make_references(asked, tmp_path / "made", ReferencePlan(1, 1, 1), quiet)
    (owner,) = read_model_folder(tmp_path / "made").of("owner")
    x = torch.rand(3, 1, 8, 8)
    torch.testing.assert_close(torch.jit.load(owner.model)(x), net(x))


def test_an_exported_program_of_one_batch_size_is_served(tmp_path, order, net):
    """Its copies take the same batch size, and it learns anew as well."""
    path = tmp_path / "net.pt2"
    torch.export.save(torch.export.export(net, (torch.rand(64, 1, 8, 8),)), path)
    folder = tmp_path / "made"
    counts = make_references(replace(order, model=str(path)), folder, ReferencePlan(1, 1, 6), quiet)
    assert counts.anew is not None
    entries = listed(folder)
    assert {entry["net"] for entry in entries.values()} == {recipes.OWN_NET}
    spec = references._workshop(replace(order, model=str(path)), 1)[0].owner.spec
    suspect = opened(folder / "homologous-000-trained-from-scratch.onnx", spec)
    assert suspect.answer(np.zeros((5, 1, 8, 8), np.float32), spec).shape == (5, 10)
    (batch, *_) = onnx.load(folder / "owner.onnx").graph.input[0].type.tensor_type.shape.dim
    assert batch.dim_value == 64


def test_rows_with_probabilities_and_a_normalised_input(tmp_path):
    """An owner of table rows that returns probabilities of normalised inputs is served too."""
    x = np.random.default_rng(0).normal(3, 2, size=(600, 6)).astype(np.float32)
    y = (x[:, 0] > x[:, 1]).astype(np.int64) + (x[:, 2] > 4)
    np.savez(tmp_path / "data.npz", x=x, y=y)
    net = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 3), nn.Softmax(1))
    facts = InputFacts(mean=(3.0,) * 6, std=(2.0,) * 6)
    order = Order(
        save_script(net.eval(), tmp_path / "net.pt"),
        samples=tmp_path / "data.npz",
        device="cpu",
        facts=facts,
    )
    make_references(order, tmp_path / "made", ReferencePlan(6, 2, 6), quiet)
    entries = listed(tmp_path / "made")
    nets = {entry["net"] for entry in entries.values()}
    assert nets > {recipes.OWN_NET}
    assert all(
        entry["accuracy"] > 0.6 for entry in entries.values() if entry["kind"] == "homologous"
    )


def test_what_onnx_can_not_say_is_one_line(shop):
    """A model that can't be exported is named with the reason."""

    class Odd(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.fft.fft(x.flatten(1)).real

    odd = replace(shop.owner, model=LoadedModel("odd", "", Odd()))
    with pytest.raises(FingerprintError, match="'odd' can't be written as ONNX") as caught:
        saving.onnx(odd)
    assert "\n" not in str(caught.value)


def test_missing_data_and_missing_cuda_are_told(order, tmp_path):
    """Neither is a traceback."""
    with pytest.raises(SamplesError, match="--data"):
        make_references(replace(order, samples=None), tmp_path, PLAN, quiet)
    if not torch.cuda.is_available():
        with pytest.raises(AuditkitError, match="--device cuda"):
            make_references(replace(order, device="cuda"), tmp_path, PLAN, quiet)
