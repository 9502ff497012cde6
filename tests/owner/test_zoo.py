"""The benchmark's population, trained for real on a few digits."""

import json

import numpy as np
import onnxruntime as ort
import pytest
import torch

from auditkit.files.model_folder import read_model_folder
from experiments.zoo.attacks import ATTACKS, MERGED, Setting, own_data
from experiments.zoo.data import load
from experiments.zoo.nets import new
from experiments.zoo.plan import Plan
from experiments.zoo.workers import build
from tests.owner.conftest import digits

WANTED = ("lenet-owner", "lenet-seed", "lenet-ftal", "lenet-int8", "lenet-merged")


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    """400 images of 12 pixels, so small that everything takes a second."""
    folder = tmp_path_factory.mktemp("zoo")
    x, y = (part[:400] for part in digits())
    x = np.pad(np.rint(x[:, 0] * 255).astype(np.uint8), ((0, 0), (2, 2), (2, 2)))
    np.savez(folder / "data.npz", x=x, y=y)
    np.savez(folder / "public.npz", x=x[::-1], y=y[::-1] % 3)
    return Plan(folder / "data.npz", folder / "public.npz", folder / "zoo", "tiny", epochs=1)


@pytest.fixture(scope="module")
def trained_zoo(plan):
    """An owner, an innocent and three copies on disk."""
    zoo, recipes = plan.open()
    records = list(build(plan, zoo, [recipes[name] for name in WANTED], {"title": "few"}, 1))
    return zoo, records


def test_the_folder_is_what_bench_reads(trained_zoo):
    """Every model is there as ONNX, the owner as TorchScript too, with samples."""
    zoo, _ = trained_zoo
    population = read_model_folder(zoo.folder)
    assert [model.name for model in population.models] == list(WANTED)
    assert population.models[0].model
    assert population.models[-1].task == MERGED
    assert population.title == "few"


def test_weights_and_onnx_are_the_same_model(trained_zoo):
    """What was trained is what a suspect answers."""
    zoo, records = trained_zoo
    for record in records:
        x = zoo.data.held_out.x[:20]
        session = ort.InferenceSession(zoo.folder / record.file, providers=["CPUExecutionProvider"])
        answered = session.run(None, {"input": x.contiguous().numpy()})[0]
        tolerance = 0.2 if record.form == "int8" else 1e-4
        with torch.inference_mode():
            expected = zoo.open(record)(x).numpy()
        np.testing.assert_allclose(answered, expected, atol=tolerance)


def test_it_goes_on_where_it_stopped(plan, trained_zoo):
    """A second run trains what is missing and nothing else."""
    zoo, records = trained_zoo
    _, recipes = plan.open()
    before = {record.name: (zoo.folder / record.file).stat().st_mtime_ns for record in records}
    wanted = [recipes[name] for name in (*WANTED, "lenet-fp16")]
    again = list(build(plan, zoo, wanted, {"title": "few"}, 1))
    assert [record.name for record in again] == [*WANTED, "lenet-fp16"]
    for name, moment in before.items():
        assert (zoo.folder / f"{name}.onnx").stat().st_mtime_ns == moment
    models = json.loads((zoo.folder / "manifest.json").read_text())["models"]
    assert len(models) == len(WANTED) + 1


@pytest.mark.parametrize("name", ATTACKS)
def test_every_attack_makes_a_working_net(name, plan):
    """Each leaves the stolen model alone and gives a net of the right label space."""
    data = load(plan.data, public=plan.public)
    parent = new("lenet", data.shape, data.classes, 0).eval()
    before = {key: value.clone() for key, value in parent.state_dict().items()}
    setting = Setting(data, "lenet", "strided", parent, new("lenet", data.shape, 10, 1), 1)
    made = ATTACKS[name].make(setting)
    outputs = made(own_data(data)[:3])
    assert outputs.shape == (3, {MERGED: 5, "": 10}.get(ATTACKS[name].task, 3))
    assert torch.isfinite(outputs).all()
    assert not made.training
    for key, value in parent.state_dict().items():
        torch.testing.assert_close(value, before[key])
