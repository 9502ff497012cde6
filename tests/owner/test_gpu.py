"""What only a CUDA device can show; skipped with its reason elsewhere."""

from pathlib import Path

import numpy as np
import pytest
import torch

from auditkit import api
from auditkit.adapters import runtime
from auditkit.commands.diagnosis import State, examine, fit_for
from auditkit.core.points import CORE
from auditkit.core.requests import Asking, Options, Order
from auditkit.core.verdicts import Decision, Verdict
from experiments.zoo.export import save_fp16, save_onnx
from tests.owner.conftest import save_script

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
]
ONNX = pytest.mark.skipif(
    runtime.why_no_cuda() is not None, reason=f"onnxruntime: {runtime.why_no_cuda()}"
)


def scores(made, suspect, device):
    """What it says to the core points, on a device."""
    asking = Asking(options=Options(device))
    answers = api.query(made, str(suspect), asking).answers
    return answers.at(made.fingerprint.sheet.rows(CORE)).scores


@pytest.fixture(scope="module")
def made(tmp_path_factory, net, samples_file):
    """The owner's fingerprint, made on the card, and the owner as ONNX and in half precision."""
    folder = tmp_path_factory.mktemp("gpu")
    model = save_script(net, folder / "model.pt")
    bundle = api.fingerprint(
        Order(model, samples=samples_file, points=20, device="cuda", siblings=1)
    )
    path = save_onnx(net, bundle.fingerprint.spec.shape, folder / "model.onnx")
    return bundle, Path(model), path, save_fp16(path, folder / "half.onnx")


def test_torch_answers_the_same_on_cuda_and_cpu(made):
    """A TorchScript suspect on the card answers within 1e-3 of the same one on the CPU."""
    bundle, model, _, _ = made
    found = [scores(bundle, model, device) for device in ("cuda", "cpu")]
    np.testing.assert_allclose(*found, atol=1e-3)


@ONNX
def test_onnx_answers_the_same_on_cuda_and_cpu(made):
    """An ONNX suspect too, and one in half precision within 0.05."""
    bundle, _, path, half = made
    full = scores(bundle, path, "cpu")
    np.testing.assert_allclose(scores(bundle, path, "cuda"), full, atol=1e-3)
    np.testing.assert_allclose(scores(bundle, half, "cuda"), full, atol=0.05)


@ONNX
def test_verdicts_do_not_depend_on_the_device(made):
    """The owner's own file is pirated everywhere, in any precision."""
    bundle, _, path, half = made
    for suspect in (path, half):
        for device in ("cuda", "cpu"):
            [found] = api.audit(bundle, [str(suspect)], Asking(options=Options(device)))
            assert isinstance(found.outcome, Verdict)
            assert found.outcome.decision is Decision.PIRATED


@ONNX
def test_nodes_really_run_on_the_card(made):
    """Most nodes of a convolutional net are placed there, and the report says so."""
    session = runtime.opened(made[2].read_bytes(), "cuda")
    placed = runtime.placed(session)
    assert placed[runtime.CUDA] > placed.get(runtime.CPU, 0)
    assert runtime.described(session, "cuda")["provider"] == runtime.CUDA


def test_points_do_not_depend_on_the_device(made, samples_file):
    """Made on the CPU, nearly all points are the same to within two of 255 levels."""
    bundle, model, _, _ = made
    order = Order(str(model), samples=samples_file, points=20, device="cpu", siblings=0)
    other = api.fingerprint(order)
    first, second = (one.fingerprint.sheet.of_family(CORE).points for one in (bundle, other))
    assert first.shape == second.shape
    assert (np.abs(first - second) <= 2 / 255).mean() > 0.9


@ONNX
def test_doctor_sees_the_card():
    """The small model ran on it, with its name, and behind walls too."""
    findings = examine()
    [cuda] = [finding for finding in findings if finding.subject == "CUDA provider"]
    assert cuda.state is State.WORKS
    assert torch.cuda.get_device_name(0) in cuda.told
    [shut_in] = [finding for finding in findings if finding.subject == "CUDA behind walls"]
    assert (shut_in.state, shut_in.told) == (State.WORKS, "a small model ran, " + runtime.CUDA)
    assert fit_for(findings, "cuda")
