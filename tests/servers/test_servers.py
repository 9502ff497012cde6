"""What real servers serve is judged like the files that they serve."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from auditkit import api
from auditkit.adapters.wire import probing
from auditkit.core.requests import Asking, Reach
from auditkit.core.verdicts import Decision, Refusal, Verdict
from tests.servers.starting import Running

pytestmark = pytest.mark.servers
Suspect = Callable[[Running, str, Path], str]


def rest(running: Running, name: str, _folder: Path) -> str:
    """The Open Inference Protocol over HTTP."""
    return f"{running.http}/v2/models/{name}"


def grpc(running: Running, name: str, _folder: Path) -> str:
    """The same over gRPC."""
    return f"{running.grpc}/{name}"


def predict(running: Running, name: str, _folder: Path) -> str:
    """The predict protocol."""
    return f"{running.http}/v1/models/{name}:predict"


def as_json(running: Running, name: str, folder: Path) -> str:
    """What `auditkit probe` describes, unedited: JSON where raw tensors are offered."""
    (folder / "api.toml").write_text(
        probing.probe(rest(running, name, folder), Reach()).description
    )
    return str(folder / "api.toml")


def routed(running: Running, name: str, folder: Path) -> str:
    """What `auditkit probe` describes of a route, unedited."""
    (folder / "api.toml").write_text(probing.probe(f"{running.http}/{name}", Reach()).description)
    return str(folder / "api.toml")


def described(running: Running, name: str, folder: Path) -> str:
    """An API of its own kind, described by hand."""
    (folder / "api.toml").write_text(
        f'url = "{running.http}/predict"\nbatch = 16\n[request]\n'
        f'json = {{ model = "{name}", inputs = "$points.nested" }}\n'
        '[response]\nscores = "probabilities"\n'
    )
    return str(folder / "api.toml")


WAYS: dict[str, tuple[Suspect, ...]] = {
    "bentoml": (routed,),
    "kserve": (rest, grpc, predict),
    "litserve": (described,),
    "mlserver": (rest, grpc, as_json),
    "triton": (rest, grpc, as_json),
}
EXPECTED = {
    "owner": Decision.PIRATED,
    "copy": Decision.PIRATED,
    "stranger": Decision.HOMOLOGOUS,
}


@pytest.mark.parametrize("name", EXPECTED)
def test_served_models_are_judged_like_their_files(server, models, lined_up, tmp_path, name):
    """Each way gives the file's answers, and one by one and as a whole the file's verdict."""
    kind, running = server
    whole = Asking(sequential=False)
    by_file = api.query(lined_up, str(models / f"{name}.onnx"), whole)
    assert api.judge(lined_up, by_file).decision is EXPECTED[name]
    for way in WAYS[kind]:
        suspect = way(running, name, tmp_path)
        said = api.query(lined_up, suspect, whole)
        found, answers = said.answers, by_file.answers
        np.testing.assert_array_equal(found.labels, answers.labels, str(way))
        np.testing.assert_allclose(found.scores, answers.scores, atol=1e-4, err_msg=str(way))
        for asking in (whole, replace(whole, sequential=True)):
            [examined] = api.audit(lined_up, [suspect], asking)
            assert isinstance(examined.outcome, Verdict), (way, examined)
            assert examined.outcome.decision is EXPECTED[name]


def test_a_name_that_is_not_there_is_one_line(server, lined_up, tmp_path):
    """Another model's name ends in one line, whatever the server says."""
    kind, running = server
    for way in (way for way in WAYS[kind] if way in (rest, grpc, predict)):
        [found] = api.audit(lined_up, [way(running, "nobody", tmp_path)])
        assert isinstance(found.outcome, Refusal)
        assert "\n" not in found.outcome.reason


def test_probe_tells_what_is_there(server, tmp_path):
    """The page of each server is read, and says how to go on."""
    kind, running = server
    for way in (way for way in WAYS[kind] if way in (rest, grpc, predict)):
        url = way(running, "owner", tmp_path)
        assert probing.probe(url, Reach()).suspect == url
    if kind in ("bentoml", "litserve"):
        found = probing.probe(running.http, Reach())
        assert found.suspect is None
        assert running.http in found.description
