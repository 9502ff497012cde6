"""Suspects that look unlike the owner because of how they are asked or read: right, and named."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from auditkit.core.access import Access
from auditkit.core.answers import Answers
from auditkit.core.points import InputSpec
from auditkit.core.verdicts import Decision
from auditkit.suspects.preprocessing import class_order, preprocessings
from experiments.zoo import export
from tests.owner.conftest import CLASSES, outcomes, trained

ORDER = np.random.default_rng(4).permutation(CLASSES)


class Disguised(nn.Module):
    """A net behind another preprocessing, layout or class order."""

    def __init__(self, net: nn.Module, how: str) -> None:
        super().__init__()
        self.net, self.how = net, how
        self.register_buffer("order", torch.from_numpy(ORDER))

    def forward(self, x):
        """What the suspect takes -> what it returns."""
        if "255" in self.how:
            x = x / 255
        if "-1 to 1" in self.how:
            x = (x + 1) / 2
        if "MNIST" in self.how:
            x = x * 0.3081 + 0.1307
        if "NHWC" in self.how:
            x = x.permute(0, 3, 1, 2)
        scores = self.net(x)
        return scores[:, self.order] if "classes" in self.how else scores


def save_onnx(net: nn.Module, path: Path, shape=(1, 8, 8)) -> str:
    """ONNX of any batch size."""
    return str(export.save_onnx(net.eval(), shape, path))


@pytest.fixture(scope="module")
def models(net):
    """A copy with its verdict, and an innocent with its own."""
    return {"copy": net, "innocent": trained(9)}


DISGUISES = {
    "255": "pixels from 0 to 255",
    "-1 to 1": "pixels from -1 to 1",
    "MNIST": "MNIST's mean and deviation",
    "classes": "class order is another",
    "255 classes": "pixels from 0 to 255",
}


@pytest.mark.parametrize("access", [Access.LABEL, Access.LOGITS])
@pytest.mark.parametrize("how", DISGUISES)
@pytest.mark.parametrize("who", ["copy", "innocent"])
def test_a_disguise_changes_nothing_but_the_report(made, models, tmp_path, how, who, access):
    """The verdict is that of the bare model, and the report names the disguise."""
    bare = save_onnx(models[who], tmp_path / "bare.onnx")
    worn = save_onnx(Disguised(models[who], how), tmp_path / "worn.onnx")
    plain, found = outcomes(made, [bare, worn], access)
    assert found.decision is plain.decision
    assert DISGUISES[how] in " ".join(found.disguises)
    assert plain.disguises == ()
    if who == "copy":
        assert found.decision is Decision.PIRATED


def test_two_disguises_at_once_are_both_named(made, models, tmp_path):
    """Preprocessing and class order are found together."""
    worn = save_onnx(Disguised(models["copy"], "255 classes"), tmp_path / "worn.onnx")
    [found] = outcomes(made, [worn], Access.LABEL)
    assert len(found.disguises) == 2
    assert "class order is another" in found.disguises[1]


def test_channels_last_need_no_guess(made, models, tmp_path):
    """The file's own shape tells; the verdict is right."""
    worn = save_onnx(Disguised(models["copy"], "NHWC"), tmp_path / "worn.onnx", (8, 8, 1))
    [found] = outcomes(made, [worn], Access.LABEL)
    assert found.decision is Decision.PIRATED


def test_another_task_is_no_disguise(made, tmp_path):
    """No guess makes an untrained net recognise the controls; nothing is claimed to be undone."""
    torch.manual_seed(3)
    odd = save_onnx(Disguised(type(trained(1))().eval(), ""), tmp_path / "odd.onnx")
    [found] = outcomes(made, [odd], Access.LABEL)
    assert found.disguises == ()
    assert found.decision is Decision.INCONCLUSIVE


CONTROLS = 30
"""Natural controls, of every class in turn."""


@pytest.mark.parametrize("classes", [5, 10])
def test_random_answers_are_no_class_order(classes):
    """However the classes are matched, who answers at random does not look like the task."""
    rng, labels = np.random.default_rng(6), np.arange(CONTROLS) % classes
    for _ in range(200):
        answers = Answers(rng.integers(0, classes, CONTROLS))
        assert class_order(np.eye(classes, dtype=np.float32)[labels], answers) is None


@pytest.mark.parametrize("scores", [False, True])
def test_a_class_order_is_undone_exactly(scores):
    """Labels and scores come back in the owner's order; missing answers stay missing."""
    owners, inverse = np.arange(CONTROLS) % CLASSES, np.argsort(ORDER)
    labels = np.append(inverse[owners][:-1], -1)
    rows = np.log(np.eye(CLASSES)[inverse[owners]] * 0.9 + 0.01).astype(np.float32)
    access = Access.LOGITS if scores else Access.LABEL
    answers = Answers(labels, rows if scores else None, access)
    again = answers.relabelled(class_order(np.eye(CLASSES, dtype=np.float32)[owners], answers))
    assert (again.labels[:-1] == owners[:-1]).all()
    assert again.labels[-1] == -1
    if scores:
        assert (again.scores.argmax(1) == owners).all()


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_scores_tell_a_class_order_where_most_classes_have_no_control(noise):
    """60 controls of a few of 300 classes are enough; labels alone are not."""
    rng, classes = np.random.default_rng(4), 300
    outputs = rng.normal(size=(60, classes)).astype(np.float32)
    outputs[np.arange(60), np.arange(60) % 20] += 8
    order = rng.permutation(classes)
    said = (outputs + noise * rng.normal(size=outputs.shape))[:, order].astype(np.float32)
    answers = Answers(said.argmax(1), said, Access.LOGITS)
    found = class_order(outputs, answers)
    assert (found == order).mean() > 0.98
    assert (answers.relabelled(found).labels == outputs.argmax(1)).all()
    assert class_order(outputs, Answers(answers.labels)) is None


def test_only_images_have_usual_preprocessings():
    """Each way differs from the others, and points stay inside the input's domain."""
    spec = InputSpec((3, 8, 8), (0.0,), (1.0,))
    ways = list(preprocessings(spec))
    points = np.random.default_rng(0).random((2, 3, 8, 8)).astype(np.float32)
    given = [(way.spec.mean, way.spec.std, way(points).tobytes()) for way in ways]
    assert len({*given, (spec.mean, spec.std, points.tobytes())}) == len(ways) + 1
    for way in ways:
        assert way(points).shape == points.shape
        assert (way(points) >= 0).all()
        assert (way(points) <= 1).all()
    turned = [way for way in ways if "width" in way.name]
    oblong = preprocessings(InputSpec((3, 8, 4), (0.0,), (1.0,)))
    assert turned
    assert all("width" not in way.name for way in oblong)
    assert not list(preprocessings(InputSpec((6,), (0.0,), (1.0,))))
