"""One file in a folder is all it takes: each sort of plug-in is dropped in, and works."""

import importlib
import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from auditkit import adapters, fingerprints, reports
from auditkit.cli import app
from auditkit.core import plugins
from auditkit.files import bundle as bundles
from auditkit.judging import identification
from tests.conftest import WEIGHTS, linear_onnx

FOLDERS = (adapters, fingerprints, identification, reports)


@pytest.fixture
def here(tmp_path, monkeypatch, bundle):
    """A folder with a bundle and a copy."""
    monkeypatch.chdir(tmp_path)
    bundles.write(bundle, tmp_path / "model.fp")
    linear_onnx(tmp_path / "copy.onnx", weights=WEIGHTS * np.float32(1.01))
    return tmp_path


def run(*arguments):
    """The command's result; never a traceback."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def suspect(*arguments) -> dict:
    """The only suspect of a JSON report, and the exit code."""
    result = run(*arguments, "-f", "json")
    [found] = json.loads(result.stdout)["suspects"]
    return found | {"exit code": result.exit_code}


ADAPTER = '''
"""Weights of a linear model, as numpy writes them."""

import numpy as np

from auditkit.adapters.base import Kind, Port

__all__ = ["weights"]


class WeightsAdapter:
    def __init__(self, source, options):
        self._weights = np.load(source)
        self.port = Port(f"weights:{source}")
        self.runtime = {"numpy": np.__version__}

    def answer(self, batch):
        return batch.reshape(len(batch), -1) @ self._weights

    def close(self):
        self._weights = None


weights = Kind(WeightsAdapter, suffixes=(".weights",))
'''


def test_an_adapter_is_one_file(here, drop):
    """Suspects of its suffix, or with its name before them, are opened, asked and judged."""
    with (here / "copy.weights").open("wb") as file:
        np.save(file, WEIGHTS * np.float32(1.01))
    refused = suspect("check", "model.fp", "copy.weights")
    assert (refused["exit code"], refused["reason_code"]) == (5, "cannot-open")
    drop(adapters, ADAPTER)
    for name in ("copy.weights", "brand_new:copy.weights"):
        # In this process, which alone has the folder that the file was dropped into.
        found = suspect("check", "model.fp", name, "--isolation", "off")
        assert (found["exit code"], found["adapter"]) == (3, "brand_new")
        assert found["runtime"] == {"numpy": np.__version__, "isolation": "none"}
    assert ".weights" in suspect("check", "model.fp", "copy.unknown")["reason"]


IDENTIFICATION = """
from auditkit.core.verdicts import Decision, Identification, Reason

__all__ = ["weigh_first"]


def weigh_first(bundle, evidence):
    says = Decision.{says}
    facts = {{"text": "the first answer says so", "label": int(evidence.answers.labels[0])}}
    return Identification("brand_new", says, Reason("first-answer", facts), 0.25, 0.5)
"""


def speaking(bundle, path, **changes):
    """The bundle with these identifications, as a file."""
    made = replace(bundle.fingerprint, **changes)
    bundles.write(replace(bundle, fingerprint=made), path)


def test_an_identification_is_one_file(here, drop, bundle):
    """It speaks of bundles that name it, contradicts others, leads, and brings its own words."""
    speaking(bundle, here / "named.fp", identifications=("brand_new", "label_similarity"))
    speaking(bundle, here / "led.fp", identifications=("brand_new",), lead="brand_new")
    missing = run("check", "led.fp", "copy.onnx")
    assert missing.exit_code == 5
    assert "no 'brand_new' in identification" in missing.stderr
    drop(identification, IDENTIFICATION.format(says="HOMOLOGOUS"))
    found = suspect("check", "named.fp", "copy.onnx")
    opinions = {one["name"]: one for one in found["identifications"]}
    assert (found["verdict"], found["reason_code"]) == ("inconclusive", "opinions-contradict")
    assert opinions["brand_new"]["reason"] == "the first answer says so"
    assert opinions["brand_new"]["reason_code"] == "first-answer"
    assert (opinions["brand_new"]["value"], opinions["brand_new"]["threshold"]) == (0.25, 0.5)
    unnamed = suspect("check", "model.fp", "copy.onnx")
    assert unnamed["verdict"] == "pirated"
    assert "brand_new" not in {one["name"] for one in unnamed["identifications"]}


def test_an_identification_can_lead(here, drop, bundle):
    """The verdict of a bundle that it leads is what it says, in its words."""
    speaking(bundle, here / "led.fp", identifications=("brand_new",), lead="brand_new")
    drop(identification, IDENTIFICATION.format(says="PIRATED"))
    found = suspect("check", "led.fp", "copy.onnx")
    assert (found["verdict"], found["reason"]) == ("pirated", "the first answer says so")


REPORT = """
__all__ = ["render_lines"]


def render_lines(report, screen):
    lines = [f"{type(outcome).__name__} of {report.bundle.method}" for outcome in report.outcomes]
    return ("\\n".join(lines) + "\\n").encode(screen.encoding)
"""


def test_a_report_is_one_file(here, drop):
    """Its name is a format, on the screen and in a file."""
    assert run("check", "model.fp", "copy.onnx", "-f", "brand_new").exit_code == 2
    drop(reports, REPORT)
    told = "Verdict of deepcore\nRefusal of deepcore\n"
    shown = run("check", "model.fp", "copy.onnx", "nothere.onnx", "-f", "brand_new")
    assert (shown.exit_code, shown.stdout) == (3, told)
    run("check", "model.fp", "copy.onnx", "nothere.onnx", "-f", "brand_new", "-o", "report.txt")
    assert (here / "report.txt").read_text() == told


METHOD = """
from dataclasses import dataclass

from auditkit.fingerprints.base import Method, Need

__all__ = ["every"]


@dataclass(frozen=True, slots=True)
class Settings:
    step: int = 3


def find_every(request, settings):
    points, _ = request.naturals()
    return request.weighed_by_labels(points[:: settings.step][: request.count], {"drawn": 1})


every = Method(find_every, Settings, "nobody's paper", needs=(Need.SAMPLES,))
"""


@pytest.mark.torch
def test_a_method_is_one_file(here, drop):
    """It is listed with its settings, finds points, and the bundle carries what was set."""
    from tests.owner.conftest import digits, save_script, trained

    save_script(trained(0), here / "owner.pt")
    x, y = (part[1250:1450] for part in digits())
    np.savez(here / "samples.npz", x=np.rint(x[:, 0] * 255).astype(np.uint8), y=y)
    drop(fingerprints, METHOD)
    listed = run("methods").stdout
    assert "brand_new" in listed
    assert "settings: step=3" in listed
    options = ("--points", "20", "--siblings", "0", "--method", "brand_new:step=7", "-q")
    made = run("fingerprint", "owner.pt", "--samples", "samples.npz", *options)
    assert made.exit_code == 0, made.output
    found = bundles.read(here / "owner.fp").fingerprint
    assert found.method == "brand_new"
    assert found.parameters["settings"] == {"step": 7}
    assert found.parameters["drawn"] == 1
    assert found.sheet.counts()["core"] == 20


def test_every_plug_in_has_one_public_object():
    """The registry's rule holds for all that is built in."""
    for package in FOLDERS:
        for name in plugins.names(package):
            module = importlib.import_module(f"{package.__name__}.{name}")
            assert len(module.__all__) == 1


def test_shared_files_are_there():
    """What a folder lists as no plug-in is a file of it, so that no name hides a plug-in."""
    for package in FOLDERS:
        for name in package.SHARED:
            assert importlib.util.find_spec(f"{package.__name__}.{name}")
