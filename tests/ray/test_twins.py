"""Twins that a cluster trains are those that this machine trains."""

import json
import os
import signal
import sys
from pathlib import Path

import pytest
import torch

from auditkit.core.requests import Order, TwinPlan
from auditkit.owner.training.twins import make_twins
from tests.owner.conftest import digits, net, samples_file, save_script
from tests.ray.conftest import awaited

__all__ = ["digits", "net", "samples_file"]
pytestmark = [pytest.mark.ray, pytest.mark.torch]
TRAINING = """
import os, pathlib, time
from tests.owner.conftest import trained

def train(seed):
    asked = pathlib.Path("asked")
    if pathlib.Path("slow").exists() and not asked.exists():
        asked.write_text(str(os.getpid()))
        time.sleep(600)
    return trained(seed % 1000 + 100)
"""


@pytest.fixture
def workplace(tmp_path, monkeypatch, net) -> Path:
    """A folder with an owner and its training code."""
    (tmp_path / "owntraining.py").write_text(TRAINING)
    save_script(net, tmp_path / "net.pt")
    monkeypatch.chdir(tmp_path)
    sys.modules.pop("owntraining", None)
    return tmp_path


def made(folder: Path) -> dict[str, dict[str, bytes]]:
    """The bytes of each weight of each model of a folder, by file name.

    The files also hold the places in code that a net was traced from, which differ.
    """
    states = {file.name: torch.jit.load(file).state_dict() for file in folder.glob("*.pt")}
    return {
        name: {key: value.numpy().tobytes() for key, value in state.items()}
        for name, state in states.items()
    }


def told(folder: Path) -> list[dict]:
    """What the manifest says of each model, but for the file's digest."""
    models = json.loads((folder / "manifest.json").read_text())["models"]
    return [{**one, "digest": ""} for one in models]


def test_twins_of_a_cluster_are_those_of_this_machine(workplace, samples_file, started):
    """Byte for byte, of the owner's own training or of auditkit's."""
    order = Order("net.pt", samples=samples_file, device="cpu")
    data = ("--data", str(samples_file))
    for plan, options in (
        (TwinPlan(3, train="owntraining:train", workers=2), ("--train", "owntraining:train")),
        (TwinPlan(2, epochs=1, workers=2), ("--epochs", "1")),
    ):
        here, there = (workplace / f"{plan.count} {where}" for where in ("here", "there"))
        count = ("--count", str(plan.count))
        process = started("twins", "net.pt", "-o", str(there), *count, *options, *data)
        _, said = process.communicate(timeout=240)
        assert process.returncode == 0, said
        make_twins(order, here, plan, lambda *_: None)
        assert len(made(here)) == plan.count
        assert made(here) == made(there)
        assert told(here) == told(there)


def test_a_killed_training_is_made_good(workplace, samples_file, started):
    """The twin whose process was killed is trained again, and is the same twin."""
    order = Order("net.pt", samples=samples_file, device="cpu")
    plan = TwinPlan(2, train="owntraining:train")
    make_twins(order, workplace / "here", plan, lambda *_: None)
    (workplace / "slow").touch()
    options = ("--count", "2", "--train", "owntraining:train", "--data", str(samples_file))
    process = started("twins", "net.pt", "-o", "there", *options)
    os.kill(int(awaited(workplace / "asked")), signal.SIGKILL)
    _, said = process.communicate(timeout=240)
    assert process.returncode == 0, said
    assert made(workplace / "here") == made(workplace / "there")
