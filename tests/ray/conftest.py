"""A cluster of two nodes with one CPU each, and commands that use it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.fleet.conftest import ROOT, folder

__all__ = ["folder"]
HERE = Path(__file__).parent
NODE = {"num_cpus": 1, "object_store_memory": 100_000_000}


def pytest_collection_modifyitems(config, items):
    """Without `-m ray` these tests are left out."""
    if config.getoption("-m") == "ray":
        return
    left_out = [item for item in items if HERE in item.path.parents]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)


@pytest.fixture(scope="session")
def cluster():
    """The address of the cluster's head."""
    cluster_utils = pytest.importorskip("ray.cluster_utils", exc_type=ImportError)
    with pytest.MonkeyPatch.context() as patch:
        # Nodes on other machines have auditkit installed.
        patch.setenv("PYTHONPATH", os.pathsep.join((ROOT, os.environ.get("PYTHONPATH", ""))))
        made = cluster_utils.Cluster(
            initialize_head=True, head_node_args={**NODE, "include_dashboard": False}
        )
        made.add_node(**NODE)
        yield made.address
        made.shutdown()


@pytest.fixture
def started(cluster):
    """A function that starts a command on the cluster."""
    processes = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "auditkit", *arguments, "--device", "cpu"),
                *("--engine", "ray", "--ray-address", cluster),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ['PYTHONPATH']}"},
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def awaited(path: Path) -> str:
    """What a file says, once it is there."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if path.exists() and path.read_text():
            return path.read_text()
        time.sleep(0.05)
    raise AssertionError(f"{path} never came")
