"""Engines: what is asked for together, and what is said where Ray is not installed."""

import sys
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from auditkit.cli import app
from auditkit.core import cluster
from auditkit.core.cluster import Desk
from auditkit.core.commitment import Commitment
from auditkit.core.errors import FleetError
from auditkit.core.requests import Asking, Options
from auditkit.fleet.engines import local, ray
from auditkit.fleet.tasks import Bundled, Done, Lost, Setup, Task
from tests.calm import CalmCluster


def refused(*arguments):
    """The one line with which a scan ends."""
    found = CliRunner().invoke(app, ["scan", "a.fp", "models", *arguments])
    assert (found.exit_code, found.stderr.count("\n")) == (5, 1), found.output
    return found.stderr


def test_without_ray_one_line_says_what_to_install(folder, monkeypatch):
    """Nothing else of the scan is begun."""
    monkeypatch.setitem(sys.modules, "ray", None)
    assert "pip install 'model-auditkit[ray]'" in refused("--engine", "ray")
    assert not (folder / "audit.db").exists()


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["--gpus-each", "0.5"], "--gpus-each is for a Ray cluster; add --engine ray"),
        (["--ray-address", "head:6379"], "--ray-address is for a Ray cluster"),
        (["--engine", "ray", "--device", "cuda:1"], "wants --gpus-each"),
        (["--engine", "ray", "--gpus-each", "1.5"], "a part of one card or whole cards, got 1.5"),
    ],
)
def test_options_that_contradict_each_other_are_one_line(folder, arguments, wanted):
    """What is wanted is named before anything is loaded."""
    assert wanted in refused(*arguments)


@pytest.mark.parametrize("address", ["ray://head:10001", "head", "127.0.0.1:1"])
def test_an_address_where_no_cluster_is_costs_one_line(folder, monkeypatch, address):
    """It is tried before Ray, which would wait for minutes."""
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(is_initialized=lambda: False))
    said = refused("--engine", "ray", "--ray-address", address)
    assert address in said


@pytest.fixture
def crew(folder, bundle, monkeypatch):
    """A function that returns the workers of a scan on a cluster."""
    monkeypatch.setattr(ray, "taken", lambda ref: ref)
    named = Bundled("a.fp", bundle.digest, "owner", Commitment())
    setup = Setup((named,), Asking(options=Options("cpu")), folder / "journals", 0)
    return lambda calm: ray.OnRay(calm).crew(setup, 1, 1)


def heard(crew):
    """What is heard of all tasks, in order."""
    events = []
    while crew.busy:
        events += crew.wait(0.0)
    return events


def test_a_task_says_what_a_worker_says(crew):
    """A verdict for each bundle, then that it is done; one that is lost is told to the scan."""
    here = crew(CalmCluster())
    here.give(Task(1, "models/copy0.onnx", (0,)))
    assert here.idle == 0
    said, done = heard(here)
    assert (said.judged.verdict, done, here.idle) == ("pirated", Done(1), 1)
    lost = crew(CalmCluster(losses=1))
    lost.give(Task(2, "models/copy0.onnx", (0,)))
    assert heard(lost) == [Lost(2, "a crash", hung=False)]


def test_a_silent_task_is_given_up(crew, monkeypatch):
    """Its time counts from its start; what still waits for a node is not hung."""
    calm = CalmCluster()
    here = crew(calm)
    here.give(Task(1, "models/copy0.onnx", (0,), seconds=0.0))
    with monkeypatch.context() as patch:
        patch.setattr(calm, "heard", lambda _works, _seconds: [])
        assert list(here.wait(0.0)) == []
    assert list(here.wait(0.0)) == [Lost(1, "being ended", hung=True)]
    assert calm.given_up == 1


def test_a_changed_bundle_ends_the_scan(crew, folder):
    """Verdicts by another bundle than the one that was named must not be kept."""
    here = crew(CalmCluster())
    (folder / "a.fp").write_bytes((folder / "a.fp").read_bytes()[:-1])
    with pytest.raises(FleetError, match=r"a\.fp"):
        here.give(Task(1, "models/copy0.onnx", (0,)))


def test_a_node_must_be_like_the_machine_that_asks(tmp_path, monkeypatch):
    """Another version, or a folder that is not shared, is one line that names the node."""
    monkeypatch.chdir(tmp_path)
    here = Desk.here(cards=True)
    here.take()
    with pytest.raises(FleetError, match="has no folder"):
        Desk(str(tmp_path / "gone"), here.path, True, here.version).take()
    monkeypatch.setattr(cluster, "_version", lambda: "0.0.1")
    with pytest.raises(FleetError, match=r"has auditkit 0\.0\.1, wanted"):
        here.take()


@pytest.mark.parametrize(
    ("device", "card", "workers"),
    [("cpu", True, 16), ("auto", False, 16), ("auto", True, 4), ("cuda:1", True, 4)],
)
def test_few_workers_share_a_card(monkeypatch, device, card, workers):
    """Each starts CUDA for itself, and a small card has no room for as many as there are cores."""
    monkeypatch.setattr(local, "has_card", lambda: card)
    monkeypatch.setattr(local.os, "sched_getaffinity", lambda _process: set(range(16)))
    assert local.room(device) == workers
