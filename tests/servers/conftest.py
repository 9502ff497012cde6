"""The models that every server serves, and the servers."""

import os
from pathlib import Path

import pytest

from tests.conftest import COPY, STRANGER, WEIGHTS, linear_onnx
from tests.servers.starting import COMMANDS, NAMES, running

READY = {
    "bentoml": "/readyz",
    "kserve": "/v2/health/live",
    "litserve": "/health",
    "triton": "/v2/models/stranger/ready",
}


def pytest_collection_modifyitems(config, items):
    """Without `-m servers` these tests are left out."""
    if "servers" in config.getoption("-m"):
        return
    here = Path(__file__).parent
    left_out = [item for item in items if here in item.path.parents]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """Folder of the owner, a copy and an independent model."""
    folder = tmp_path_factory.mktemp("models")
    for name, weights in zip(NAMES, (WEIGHTS, COPY, STRANGER), strict=True):
        linear_onnx(folder / f"{name}.onnx", weights=weights)
    return folder


@pytest.fixture(scope="module", params=sorted(COMMANDS))
def server(request, models, tmp_path_factory):
    """Each server's name and where it answers."""
    cache = Path(os.environ.get("AUDITKIT_SERVERS", "build/servers")).resolve()
    ready = READY.get(request.param, "/v2/health/ready")
    folder = tmp_path_factory.mktemp(request.param)
    with running(request.param, cache, models, folder, ready) as found:
        yield request.param, found
