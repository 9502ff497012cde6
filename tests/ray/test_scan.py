"""Scans on a cluster: the local engine's verdicts, also where workers and files are lost."""

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from auditkit.core.cluster import joined
from auditkit.core.commitment import Commitment
from auditkit.core.errors import FleetError
from auditkit.core.requests import Asking, Engine, Isolation, Machines, Options
from auditkit.fleet.engines.ray import OnRay
from auditkit.fleet.ledger import Ledger
from auditkit.fleet.tasks import Bundled, Done, Lost, Setup, Task
from tests.fleet.conftest import fill, scanned
from tests.fleet.test_workers import heard
from tests.ray.conftest import awaited

pytestmark = pytest.mark.ray
ONCE_SLOW = """
import os, pathlib, time
import numpy as np

def ask(points):
    asked = pathlib.Path("asked")
    if not asked.exists():
        asked.write_text(str(os.getpid()))
        time.sleep(600)
    return np.zeros((len(points), 10), np.float32)
"""
DEADLY = """
import os, pathlib

def ask(points):
    with pathlib.Path("deaths").open("a") as file:
        file.write("x")
    os._exit(0)
"""


def told(process):
    """The exit code of a scan, its JSON, and what it said on stderr."""
    out, said = process.communicate(timeout=240)
    return process.returncode, json.loads(out) if out else {}, said


def reports(ledger):
    """The report on each pair of a ledger, but for the time."""
    with Ledger.open(ledger) as found:
        return {
            (pair.bundle, pair.suspect, pair.how): {**found.verdict(pair), "generated": ""}
            for pair in found.pairs()
        }


def test_a_cluster_gives_the_verdicts_of_this_machine(folder, started):
    """Each report is the local engine's, and each suspect's process had the same walls."""
    fill(folder / "models", 8)
    scan = started("scan", "a.fp", "models", "--ledger", "ray.db", "-f", "json", "-q")
    code, found, said = told(scan)
    assert (code, said) == (3, "")
    here = scanned("a.fp", "models")
    assert (code, found["pairs"], found["counts"]) == (here[0], here[1]["pairs"], here[1]["counts"])
    assert reports("ray.db") == reports("audit.db")
    assert len(found["pairs"]) == 11
    again = started("scan", "a.fp", "models", "-f", "json")  # the other engine's ledger
    assert told(again)[1]["pairs"] == here[1]["pairs"]


def test_a_killed_worker_is_made_good(folder, started):
    """The suspect that it was at is examined again, and all verdicts are there."""
    (folder / "slow.py").write_text(ONCE_SLOW)
    (folder / "list.txt").write_text("python:slow:ask\n")
    scan = started("scan", "a.fp", "list.txt", "models", "-f", "json", "--isolation", "off")
    os.kill(int(awaited(folder / "asked")), signal.SIGKILL)
    code, found, _ = told(scan)
    verdicts = {Path(one["suspect"]).name: one["verdict"] for one in found["pairs"]}
    assert (code, len(verdicts)) == (3, 8)
    assert verdicts.pop("python:slow:ask") in ("homologous", "inconclusive")
    here = scanned("a.fp", "models", "--ledger", "here.db", "--isolation", "off")[1]
    assert verdicts == {Path(one["suspect"]).name: one["verdict"] for one in here["pairs"]}


def test_who_ends_its_worker_is_refused(folder, started):
    """A suspect that ends the task's own process is tried once more and refused."""
    (folder / "deadly.py").write_text(DEADLY)
    (folder / "list.txt").write_text("python:deadly:ask\nmodels/copy0.onnx\n")
    scan = started("scan", "a.fp", "list.txt", "-f", "json", "--isolation", "off")
    _, found, _ = told(scan)
    assert {one["suspect"]: one["reason_code"] for one in found["pairs"]}[
        "python:deadly:ask"
    ] == "crashed"
    assert (found["counts"]["pirated"], (folder / "deaths").read_text()) == (1, "xx")


def test_who_hangs_is_ended(folder, bundle, cluster):
    """A suspect that never answers costs its own task; the next suspect is examined."""
    (folder / "slow.py").write_text(ONCE_SLOW)
    named = Bundled("a.fp", bundle.digest, "owner", Commitment())
    asking = Asking(options=Options("cpu", isolation=Isolation.OFF))
    setup = Setup((named,), asking, folder / "journals", os.getpid())
    with joined(Machines(Engine.RAY, cluster)) as found:
        crew = OnRay(found).crew(setup, 1, 1)
        crew.give(Task(1, "python:slow:ask", (0,), seconds=3.0))
        assert heard(crew) == [Lost(1, "being ended", hung=True)]
        crew.give(Task(2, "models/copy0.onnx", (0,)))
        said, done = heard(crew)
        assert (said.judged.verdict, done) == ("pirated", Done(2))
        crew.close()


def test_what_a_cluster_lacks_is_one_line(folder, started):
    """Cards, and files that a node does not see; nothing is kept of what could not be read."""
    scan = started("scan", "a.fp", "models", "-q", "--gpus-each", "0.25")
    code, _, said = told(scan)
    assert (code, said.count("\n"), "has 1 CPU and 0.25 GPUs" in said) == (5, 1, True), said


def test_a_node_without_the_files_is_one_line(folder, bundle, cluster, monkeypatch):
    """A suspect that its task can't see is not refused: the scan ends and says what is wanted."""
    named = Bundled("a.fp", bundle.digest, "owner", Commitment())
    setup = Setup((named,), Asking(options=Options("cpu")), folder / "journals", os.getpid())
    with joined(Machines(Engine.RAY, cluster)) as found:
        crew = OnRay(found).crew(setup, 1, 1)
        crew.give(Task(1, "models/copy0.onnx", (0,)))
        (folder / "models").rename(folder / "unseen")  # before the task has started
        monkeypatch.setattr("auditkit.fleet.engines.ray.Path.exists", lambda _path: True)
        with pytest.raises(FleetError, match="shared by all nodes, at the same path"):
            heard(crew)
        crew.close()


def test_bundles_of_one_scan_are_asked_in_one_task(folder, started, tmp_path):
    """A suspect is opened once for all bundles."""
    golden = Path(__file__).parents[1] / "golden" / "files"
    for name in ("plain.fp", "lined_up.fp", "copy.onnx", "seven.onnx"):
        shutil.copy(golden / name, folder / name)
    names = ("plain.fp", "lined_up.fp", "copy.onnx", "seven.onnx")
    _, found, said = told(started("scan", *names, "-f", "json", "-q", "--ledger", "ray.db"))
    assert (said, len(found["pairs"])) == ("", 4)
    assert found["pairs"] == scanned(*names)[1]["pairs"]
