"""Owners come as .pt2, TorchScript and factories; what can't be fingerprinted is one line."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from auditkit.core.access import Access
from auditkit.core.errors import InputSpecError, OwnerLoadError, SamplesError
from auditkit.core.requests import InputFacts
from auditkit.owner.classifier import place
from auditkit.owner.opening import load_model
from auditkit.owner.samples import read_samples
from tests.owner.conftest import SHAPE, Net, digits, save_script, trained

CPU = torch.device("cpu")
FACTS = InputFacts(SHAPE, (0.0, 1.0))


def opened(source, weights=None, facts=FACTS, raw=None):
    """The owner behind a source."""
    owner, _ = place(load_model(str(source), weights, CPU), facts, raw, CPU)
    return owner


@pytest.fixture
def points():
    """A few inputs."""
    return torch.from_numpy(digits()[0][:5])


def test_torchscript_is_opened(tmp_path, net, points):
    """A scripted archive gives the module's own scores."""
    owner = opened(save_script(net, tmp_path / "m.pt"))
    torch.testing.assert_close(owner.answers(points), net(points))
    assert (owner.record.output, owner.record.classes) == (Access.LOGITS, 10)


def test_facts_in_the_archive_are_used(tmp_path, net):
    """`auditkit.json` among the extra files tells shape and range."""
    facts = {"shape": list(SHAPE), "lower": 0, "upper": 1, "mean": 0.5, "std": 0.5}
    path = save_script(net, tmp_path / "m.pt", {"auditkit.json": json.dumps(facts)})
    spec = opened(path, facts=InputFacts()).spec
    assert (spec.shape, spec.upper, spec.mean) == (SHAPE, (1.0,), (0.5,))


@pytest.mark.parametrize("batch", ["any", 3])
def test_an_exported_program_is_opened(tmp_path, net, points, batch):
    """A .pt2 tells its shape, and is asked in its own batch size."""
    example = torch.zeros(3, *SHAPE)
    shapes = {"x": {0: torch.export.Dim("n", min=1)}} if batch == "any" else None
    torch.export.save(
        torch.export.export(net, (example,), dynamic_shapes=shapes), tmp_path / "m.pt2"
    )
    owner = opened(tmp_path / "m.pt2", facts=InputFacts(range=(0.0, 1.0)))
    torch.testing.assert_close(owner.answers(points), net(points), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_a_factory_takes_its_weights(tmp_path, net, points, suffix):
    """A dotted name with safetensors or a state dict is an owner."""
    path = tmp_path / f"weights{suffix}"
    state = {name: value.contiguous() for name, value in net.state_dict().items()}
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    owner = opened("tests.owner.conftest:Net", path)
    torch.testing.assert_close(owner.answers(points), net(points))


def test_softmax_at_the_end_is_told_from_logits(tmp_path, points):
    """Probabilities are noticed, and their logarithm is what is climbed."""
    logits, rows = trained(1), trained(1, softmax=True)
    owner = opened(save_script(rows, tmp_path / "m.pt"))
    assert owner.record.output is Access.PROBABILITIES
    torch.testing.assert_close(
        owner.answers(points), logits(points).log_softmax(1), atol=1e-3, rtol=1e-3
    )


def test_sigmoids_are_turned_back_into_logits(tmp_path, points):
    """What is climbed has slopes where sigmoids are flat."""
    logits = trained(1)
    owner = opened(save_script(nn.Sequential(trained(1), nn.Sigmoid()).eval(), tmp_path / "m.pt"))
    assert owner.record.output is Access.LOGITS
    expected = logits(points).clamp(-13, 13)
    torch.testing.assert_close(owner.answers(points).clamp(-13, 13), expected, atol=0.2, rtol=0)


def refused(source, match, weights=None, facts=FACTS, error=OwnerLoadError):
    """Opening fails with one line."""
    with pytest.raises(error, match=match) as caught:
        opened(source, weights, facts)
    assert "\n" not in str(caught.value)


def test_a_pickle_is_refused_with_three_ways_out(tmp_path, net):
    """A pickled module is never opened."""
    torch.save(net, tmp_path / "m.pt")
    refused(tmp_path / "m.pt", r"is a pickle.*\.pt2.*TorchScript|is a pickle.*torch\.export")
    (tmp_path / "old.pt").write_bytes(b"\x80\x02c")
    refused(tmp_path / "old.pt", "is a pickle")


def test_pickled_weights_with_code_are_refused(tmp_path, net):
    """A factory's weights are read without running what they hold."""
    torch.save({"net": net}, tmp_path / "w.pt")
    refused("tests.owner.conftest:Net", "can't be opened", tmp_path / "w.pt")


@pytest.mark.parametrize(
    ("content", "match"), [(b"", "is empty"), (b"hello", "no .pt2 and no TorchScript")]
)
def test_what_is_no_model_is_one_line(tmp_path, content, match):
    """Empty and foreign files are refused."""
    (tmp_path / "m.pt").write_bytes(content)
    refused(tmp_path / "m.pt", match)


def test_unknown_shape_or_range_says_what_to_add(tmp_path, net):
    """One line names the missing option."""
    path = save_script(net, tmp_path / "m.pt")
    refused(path, "--input-shape", facts=InputFacts(), error=InputSpecError)
    refused(path, "--input-range", facts=InputFacts(SHAPE), error=InputSpecError)


def test_a_shape_the_model_does_not_take_is_one_line(tmp_path, net):
    """The model's own complaint is shown."""
    path = save_script(net, tmp_path / "m.pt")
    refused(path, "inputs of shape", facts=InputFacts((3, 5, 5), (0.0, 1.0)))


class Tokens(nn.Module):
    """Takes token ids."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(10, 4)

    def forward(self, x):
        """(n, length) ids -> (n, 4)."""
        return self.table(x.long()).mean(1)


class OneScore(nn.Module):
    """A single sigmoid."""

    def forward(self, x):
        """(n, …) -> (n, 1)."""
        return x.flatten(1).mean(1, keepdim=True).sigmoid()


@pytest.mark.parametrize(
    ("module", "match"),
    [(Tokens(), "no gradients|can't be fingerprinted"), (OneScore(), "2 or more")],
)
def test_what_it_cannot_do_yet_is_refused(tmp_path, module, match):
    """Token ids and single scores are one clear line."""
    refused(save_script(module, tmp_path / "m.pt"), match, facts=InputFacts((12,), (0.0, 1.0)))


def test_samples_that_do_not_fit_are_one_line(tmp_path, net):
    """Shape, classes, count and kind of file are checked."""
    path = save_script(net, tmp_path / "m.pt")
    x, y = (part[:60] for part in digits())
    cases = {
        "arrays": ({"a": x}, "wanted 'x'"),
        "few": ({"x": x[:5]}, "at least 50"),
        "shape": ({"x": np.zeros((60, 3, 9, 9), np.float32)}, "no arrangement"),
        "classes": ({"x": x, "y": y + 3}, "10 classes"),
        "labels": ({"x": x, "y": y[:9]}, "'y' in"),
        "nan": ({"x": x * np.nan}, "NaN"),
    }
    for name, (arrays, match) in cases.items():
        np.savez(tmp_path / f"{name}.npz", **arrays)
        with pytest.raises(SamplesError, match=match):
            opened(path, facts=InputFacts(), raw=read_samples(tmp_path / f"{name}.npz"))
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(SamplesError, match="no npz"):
        read_samples(tmp_path / "text.npz")
    with pytest.raises(SamplesError, match="no such file"):
        read_samples(tmp_path / "nothere")


def test_a_folder_of_images_is_samples(tmp_path):
    """Subfolders are classes; grey and colour are kept."""
    from PIL import Image

    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        for number in range(30):
            Image.new("RGB", (8, 6), (number, 0, 0)).save(tmp_path / label / f"{number}.png")
    raw = read_samples(tmp_path)
    assert raw.x.shape == (60, 6, 8, 3)
    assert raw.y.tolist() == [0] * 30 + [1] * 30


def test_normalised_models_keep_points_in_pixel_space(tmp_path, net, points):
    """With mean and std given, points stay in 0..1 and the model gets what it wants."""
    facts = InputFacts(SHAPE, (0.0, 1.0), (0.5,), (0.25,))
    owner = opened(save_script(net, tmp_path / "m.pt"), facts=facts)
    torch.testing.assert_close(owner.answers(points), net((points - 0.5) / 0.25))


def test_the_module_can_be_run_as_a_command():
    """`python -m auditkit` is the command."""
    result = subprocess.run(
        [sys.executable, "-m", "auditkit", "inspect", "nothere"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout) == (5, "")


def test_nets_of_the_fixture_differ():
    """The fixture's premise: other seeds are other weights."""
    assert isinstance(trained(0), Net)
    assert not torch.equal(trained(0).head.weight, trained(1).head.weight)
