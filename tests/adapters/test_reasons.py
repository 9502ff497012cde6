"""Errors of runtimes and wrong files say what is the matter, in one line, with the cure."""

import gzip
import warnings

import onnx
import pytest
import torch
from onnx import helper

from auditkit import api
from auditkit.core.requests import Asking, Options
from auditkit.core.verdicts import Refusal
from tests.conftest import linear_onnx

pytestmark = pytest.mark.torch
TRUSTING = Asking(options=Options("cpu"))


def refused(bundle, path) -> str:
    """The one line that an audit of the file ends in."""
    [found] = api.audit(bundle, [str(path)], TRUSTING)
    assert isinstance(found.outcome, Refusal), found
    assert "\n" not in found.outcome.reason
    assert len(found.outcome.reason) < 700
    return found.outcome.reason


@pytest.mark.parametrize("name", ["m.onnx", "m.pt", "m.pt2", "m.pth", "m.torchscript", "m.npz"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"\n <!DOCTYPE html><html>Sign in</html>", "is a web page"),
        (b"<HTML>", "is a web page"),
        (gzip.compress(b"model", mtime=0), "gunzip"),
        (b"\xfd7zXZ\x00model", "is a packed archive"),
    ],
)
def test_files_that_are_something_else_say_what(name, content, message, tmp_path, bundle):
    """Whatever name it has, the reader learns what he got and how to get the model."""
    (tmp_path / name).write_bytes(content)
    assert message in refused(bundle, tmp_path / name)


def changed(change):
    """A writer of the linear owner with something changed."""

    def write(folder):
        model = onnx.load(linear_onnx(folder / "whole.onnx"))
        change(model)
        (folder / "m.onnx").write_bytes(model.SerializeToString())
        return folder / "m.onnx"

    return write


def newer_ir(model):
    """IR of the future."""
    model.ir_version = 99


def newer_opset(model):
    """Operators of the future."""
    model.opset_import[0].version = 99


def custom(model):
    """An operator of a vendor's own."""
    node = model.graph.node[-1]
    [out], node.output[:] = list(node.output), ["raw"]
    model.graph.node.append(helper.make_node("Decrypt", ["raw"], [out], domain="com.acme"))
    model.opset_import.append(helper.make_opsetid("com.acme", 1))


def cut(folder):
    """Half a file."""
    data = linear_onnx(folder / "m.onnx").read_bytes()
    (folder / "m.onnx").write_bytes(data[: len(data) // 2])
    return folder / "m.onnx"


class OnCuda(torch.nn.Module):
    """A net that was traced with a card."""

    def __init__(self, where: str):
        super().__init__()
        self.where = where

    def forward(self, x):
        """Moves its input, or makes a constant there."""
        if self.where == "input":
            return x.to("cuda:0").flatten(1)
        return x.flatten(1) + torch.zeros(1, 16, device="cuda:0")


def on_cuda(where):
    """A writer of such a file."""

    def write(folder):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.jit.save(torch.jit.script(OnCuda(where)), str(folder / "m.pt"))
        return folder / "m.pt"

    return write


def optimised(folder):
    """A file for one machine only."""
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 5, 4), torch.nn.ReLU(), torch.nn.Flatten())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(net.eval(), torch.zeros(2, 1, 4, 4))
        torch.jit.save(torch.jit.optimize_for_inference(traced), str(folder / "m.pt"))
    return folder / "m.pt"


def shapeless(folder):
    """Weights that fit no input."""
    return linear_onnx(folder / "m.onnx", shape=None, weights=torch.ones(7, 5).numpy())


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (changed(newer_ir), "it has IR version 99, this onnxruntime reads up to"),
        (changed(newer_opset), "it has opset 99 of ai.onnx, this onnxruntime knows up to"),
        (changed(custom), "uses the operator com.acme:Decrypt, which onnxruntime does not have"),
        (cut, "no ONNX model, or is cut off"),
        (shapeless, "its node"),
        (
            on_cuda("input"),
            "a CUDA device written into it",
        ),
        (on_cuda("constant"), "a CUDA device written into it"),
        (optimised, "optimised for inference"),
    ],
)
def test_errors_of_runtimes_say_what_cures_them(write, message, tmp_path, bundle):
    """What was wanted, what was got and what to do; no path or signature of the runtime's own."""
    if torch.cuda.is_available() and "CUDA" in message:
        pytest.skip("there is a card")
    told = refused(bundle, write(tmp_path))
    assert message in told
    assert "onnxruntime_src" not in told
