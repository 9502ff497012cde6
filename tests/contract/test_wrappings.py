"""The owner as people wrap it: layouts, number types and outputs, through every kind of file."""

import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from auditkit import api
from auditkit.adapters import identified, open_suspect
from auditkit.core.errors import SuspectMismatchError
from auditkit.core.points import CORE
from auditkit.core.requests import Asking, Options
from auditkit.core.verdicts import Decision, Refusal, Verdict
from auditkit.files import evidence as evidence_files
from tests.conftest import COPY, SHAPE, STRANGER, WEIGHTS, answered_by, linear

pytestmark = pytest.mark.torch
TRUSTING = Options("cpu")


class Wrapped(torch.nn.Module):
    """The linear owner behind a function on its inputs."""

    def __init__(self, before):
        super().__init__()
        self.before = before
        self.register_buffer("weights", torch.from_numpy(WEIGHTS))

    def forward(self, x):
        """Whatever `before` takes -> (n, 5)."""
        return self.before(x, self.weights)


LAYOUTS = {
    "owner's": ((2, *SHAPE), torch.float32, lambda x, w: x.flatten(1) @ w),
    "flat": ((2, 16), torch.float32, lambda x, w: x @ w),
    "channels last": (
        (2, 4, 4, 1),
        torch.float32,
        lambda x, w: torch.nn.functional.conv2d(x.permute(0, 3, 1, 2), w.T.reshape(5, 1, 4, 4))[
            ..., 0, 0
        ],
    ),
    "no channel axis": (
        (2, 4, 4),
        torch.float32,
        lambda x, w: torch.einsum("nij,ijc->nc", x, w.view(4, 4, 5)),
    ),
    "half": ((2, *SHAPE), torch.float16, lambda x, w: x.flatten(1) @ w.half()),
    "bfloat16": ((2, *SHAPE), torch.bfloat16, lambda x, w: x.flatten(1) @ w.bfloat16()),
    "double": ((2, *SHAPE), torch.float64, lambda x, w: x.flatten(1) @ w.double()),
    "bytes": ((2, *SHAPE), torch.uint8, lambda x, w: (x >> 0).flatten(1).float() / 255 @ w),
    "int64 pixels": (
        (2, *SHAPE),
        torch.int64,
        lambda x, w: (x % 2**32).flatten(1).float() / 255 @ w,
    ),
}


def traced(net, path: Path, example) -> str:
    """The net as TorchScript."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(net, example, strict=False), str(path))
    return str(path)


def exported(net, path: Path, example) -> str:
    """The net as .pt2."""
    shapes = ({0: torch.export.Dim("n", min=1)},)
    torch.export.save(torch.export.export(net, (example,), dynamic_shapes=shapes), path)
    return str(path)


@pytest.mark.parametrize(
    ("write", "layout"),
    [
        *((exported, layout) for layout in LAYOUTS),
        # TorchScript that takes whole numbers mostly takes floats as well; the controls tell then.
        *((traced, layout) for layout in LAYOUTS if layout != "int64 pixels"),
    ],
)
def test_torch_files_get_the_arrangement_that_they_take(layout, write, tmp_path, bundle):
    """Layout and number type are read from .pt2 and tried of TorchScript, as ONNX declares them."""
    shape, dtype, before = LAYOUTS[layout]
    net = Wrapped(before)
    if dtype.is_floating_point:
        net = net.to(dtype)
    suffix = "pt" if write is traced else "pt2"
    path = write(net, tmp_path / f"m.{suffix}", torch.ones(shape, dtype=dtype))
    points = bundle.fingerprint.sheet.of_family(CORE).points
    adapter = open_suspect(identified(path), TRUSTING)
    found = answered_by(adapter, points, bundle.fingerprint.spec)
    adapter.close()
    exact = dtype not in (torch.float16, torch.bfloat16)
    np.testing.assert_allclose(found, linear(points), atol=1e-3 if exact else 0.1)


class Keyword(torch.nn.Module):
    """The linear owner with named arguments."""

    def __init__(self):
        super().__init__()
        self.register_buffer("weights", torch.from_numpy(WEIGHTS))

    def forward(self, pixel_values=None, labels=None):  # noqa: ARG002 - as transformers have it
        """As transformers name them."""
        return {"out": {"logits": pixel_values.flatten(1) @ self.weights}}


class Listed(torch.nn.Module):
    """The linear owner for a list of images, with a second argument that has a default."""

    def __init__(self):
        super().__init__()
        self.register_buffer("weights", torch.from_numpy(WEIGHTS))

    def forward(self, images: list[torch.Tensor], temperature: float = 1.0):
        """As torchvision's detectors take them."""
        return torch.stack(images).flatten(1) @ self.weights / temperature


class Two(torch.nn.Module):
    """A net that needs two tensors."""

    def forward(self, x, mask):
        """Nothing tells what the mask is."""
        return x.flatten(1) * mask


def keyword(folder: Path) -> str:
    shapes = {"pixel_values": {0: torch.export.Dim("n", min=1)}}
    many = {"pixel_values": torch.zeros(4, *SHAPE)}
    torch.export.save(
        torch.export.export(Keyword(), (), many, dynamic_shapes=shapes), folder / "m.pt2"
    )
    return str(folder / "m.pt2")


def listed(folder: Path) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(Listed()), str(folder / "m.pt"))
    return str(folder / "m.pt")


@pytest.mark.parametrize("write", [keyword, listed])
def test_inputs_are_given_as_the_signature_says(write, tmp_path, bundle):
    """Keyword arguments, lists of images and defaults beside the one tensor are no obstacle."""
    points = bundle.fingerprint.sheet.of_family(CORE).points
    adapter = open_suspect(identified(write(tmp_path)), TRUSTING)
    found = answered_by(adapter, points, bundle.fingerprint.spec)
    adapter.close()
    np.testing.assert_allclose(found, linear(points), atol=1e-4)


def test_two_tensors_are_refused_by_name(tmp_path):
    """One line names both inputs and says how the model could be wrapped."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(Two()), str(tmp_path / "m.pt"))
    torch.export.save(
        torch.export.export(Two(), (torch.zeros(2, *SHAPE), torch.ones(2, 16))), tmp_path / "m.pt2"
    )
    for name in ("m.pt", "m.pt2"):
        with pytest.raises(SuspectMismatchError, match=r"2 inputs \('x', 'mask'\).*wrap it"):
            open_suspect(identified(str(tmp_path / name)), TRUSTING)


# Outputs. Each form lists names and formulas over the scores s of one model and d of another.
OUTPUTS = {
    "features first": {"pooler_output": "f", "scores_": "s"},
    "features first, no names": {"output_0": "f", "output_1": "s"},
    "features behind": {"output_0": "s", "output_1": "f"},
    "labels beside": {"label": "l", "other": "s"},
    "labels alone": {"label": "l"},
    "top-k": {"values": "v", "indices": "i"},
    "top-k turned": {"classes": "i", "confidence": "v"},
    "a decoy first": {"output_0": "d", "output_1": "s"},
    "a decoy behind": {"output_0": "s", "output_1": "d"},
    "three": {"main": "d", "aux": "f", "exit_logits": "s"},
}


def as_onnx(folder: Path, weights, decoy, form) -> str:
    """An ONNX file with these outputs."""
    make = helper.make_node
    nodes = [
        make("Flatten", ["x"], ["f_"]),
        make("MatMul", ["f_", "w"], ["s_"]),
        make("MatMul", ["f_", "d"], ["d_"]),
        make("ArgMax", ["s_"], ["l_"], axis=1, keepdims=0),
        make("Softmax", ["s_"], ["p_"], axis=1),
        make("TopK", ["p_", "k"], ["v_", "i_"], axis=1),
    ]
    outputs = []
    for name, what in form.items():
        nodes.append(make("Identity", [f"{what}_"], [name]))
        kind = TensorProto.INT64 if what in "li" else TensorProto.FLOAT
        outputs.append(helper.make_tensor_value_info(name, kind, None))
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *SHAPE])],
        outputs,
        [
            numpy_helper.from_array(weights, "w"),
            numpy_helper.from_array(decoy, "d"),
            numpy_helper.from_array(np.array([3]), "k"),
        ],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), folder / "m.onnx")
    return str(folder / "m.onnx")


class Many(torch.nn.Module):
    """A net with these outputs, as a dict or a tuple."""

    def __init__(self, weights, decoy, form, *, as_dict):
        super().__init__()
        self.form, self.as_dict = form, as_dict
        self.register_buffer("w", torch.from_numpy(weights))
        self.register_buffer("d", torch.from_numpy(decoy))

    def forward(self, x):
        """Everything that the form lists."""
        f = x.flatten(1)
        s = f @ self.w
        v, i = s.softmax(1).topk(3, 1)
        every = {"f": f, "s": s, "d": f @ self.d, "l": s.argmax(1), "v": v, "i": i}
        found = {name: every[what] for name, what in self.form.items()}
        return found if self.as_dict else tuple(found.values())


def as_script(folder: Path, weights, decoy, form) -> str:
    """TorchScript that returns a tuple."""
    net = Many(weights, decoy, form, as_dict=False)
    return traced(net, folder / "m.pt", torch.zeros(2, *SHAPE))


def as_pt2(folder: Path, weights, decoy, form) -> str:
    """A .pt2 that returns a dict."""
    net = Many(weights, decoy, form, as_dict=True)
    return exported(net, folder / "m.pt2", torch.zeros(2, *SHAPE))


def as_callable(folder: Path, weights, decoy, form) -> str:
    """A function that returns a dict of arrays."""
    np.savez(folder / "vendor_many.npz", w=weights, d=decoy)
    (folder / "vendor_many.py").write_text(
        "import numpy as np\n"
        f"with np.load({str(folder / 'vendor_many.npz')!r}) as file:\n"
        "    held = dict(file)\n"
        "def ask(x):\n"
        "    f = x.reshape(len(x), -1)\n"
        "    s = f @ held['w']\n"
        "    p = np.exp(s - s.max(1, keepdims=True)); p /= p.sum(1, keepdims=True)\n"
        "    i = np.argsort(-p, 1)[:, :3]; v = np.take_along_axis(p, i, 1)\n"
        "    every = dict(f=f, s=s, d=f @ held['d'], l=s.argmax(1), v=v, i=i)\n"
        f"    return {{name: every[what] for name, what in {form!r}.items()}}\n"
    )
    sys.modules.pop("vendor_many", None)
    return "python:vendor_many:ask"


KINDS = {"onnx": as_onnx, "script": as_script, "pt2": as_pt2, "callable": as_callable}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", OUTPUTS)
def test_the_output_that_is_the_owners_is_found(form, kind, tmp_path, bundle, monkeypatch):
    """A copy is pirated and an innocent is not, whatever stands beside or before the scores."""
    monkeypatch.chdir(tmp_path)
    for weights, expected in ((COPY, True), (STRANGER, False)):
        path = KINDS[kind](tmp_path, weights, STRANGER[:, ::-1].copy(), OUTPUTS[form])
        [found] = api.audit(bundle, [path], Asking(options=TRUSTING))
        assert isinstance(found.outcome, Verdict), found.outcome
        assert (found.outcome.decision is Decision.PIRATED) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_each_output_that_is_judged_has_its_price(kind, tmp_path, lined_up, monkeypatch):
    """Two looks double the chance of innocence; evidence says so, and the report names them."""
    monkeypatch.chdir(tmp_path)
    single = KINDS[kind](tmp_path, COPY, STRANGER, {"s": "s"})
    [alone] = api.audit(lined_up, [single], Asking(options=TRUSTING))
    pair = KINDS[kind](tmp_path, COPY, STRANGER, {"a": "d", "b": "s", "features": "f"})
    [both] = api.audit(lined_up, [pair], Asking(options=TRUSTING))
    assert (alone.evidence.looks, both.evidence.looks) == (1, 2)
    assert both.outcome.p_homologous == pytest.approx(2 * alone.outcome.p_homologous)
    [note] = [line for line in both.evidence.notes if "asked and judged" in line]
    assert "not read: " in note
    evidence_files.write(both.evidence, lined_up, tmp_path / "e")
    assert evidence_files.read(tmp_path / "e", lined_up).looks == 2


def test_labels_beside_their_own_scores_are_no_second_look(tmp_path, lined_up):
    """Outputs that say the same are one."""
    path = as_onnx(tmp_path, COPY, STRANGER, {"label": "l", "scores": "s"})
    [found] = api.audit(lined_up, [path], Asking(options=TRUSTING))
    assert found.evidence.looks == 1


@pytest.mark.parametrize("kind", ["onnx", "pt2"])
def test_the_output_can_be_named(kind, tmp_path, bundle):
    """Only that one is read then; a name that isn't there lists those that are."""
    path = KINDS[kind](tmp_path, COPY, STRANGER, {"a": "d", "b": "s"})
    for name, decision in (("a", False), ("b", True)):
        asking = Asking(options=Options("cpu", output=name))
        [found] = api.audit(bundle, [path], asking)
        assert found.evidence.looks == 1
        assert (found.outcome.decision is Decision.PIRATED) == decision
    asking = Asking(options=Options("cpu", output="c"))
    [found] = api.audit(bundle, [path], asking)
    assert isinstance(found.outcome, Refusal)
    assert "no output 'c'; there are 'a' float32" in found.outcome.reason


def test_a_class_at_minus_infinity_has_no_probability(tmp_path, bundle):
    """The other scores of the row count, and so does the label."""
    net = Wrapped(lambda x, w: (x.flatten(1) @ w).masked_fill(torch.arange(5) == 0, -torch.inf))
    path = traced(net, tmp_path / "m.pt", torch.zeros(2, *SHAPE))
    points = bundle.fingerprint.sheet.of_family(CORE).points
    adapter = open_suspect(identified(path), TRUSTING)
    found = answered_by(adapter, points, bundle.fingerprint.spec)
    adapter.close()
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[:, 1:], linear(points)[:, 1:], atol=1e-4)
    assert (found[:, 0] <= found.max(axis=1) - 30).all()
