"""A bundle's claims are checked with the owner's model, and with models of the judge's own."""

from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from auditkit import api
from auditkit.cli import app
from auditkit.core.points import CORE, Family, Sheet
from auditkit.core.requests import Order
from auditkit.files import bundle as bundles
from auditkit.judging.screening import Screening
from tests.conftest import STRANGER, WEIGHTS, linear_onnx
from tests.owner.conftest import save_script, trained_on_rows

RUNNER = CliRunner()


@pytest.fixture(scope="module")
def made(rows_file, row_samples):
    """The owner's bundle."""
    return api.fingerprint(Order(rows_file, samples=row_samples, points=20, siblings=0, seed=3))


def held(checks):
    """Claims and whether they hold."""
    return {check.claim: check.holds for check in checks}


def test_an_honest_bundle_comes_out_again(made, rows_file, row_samples):
    """Points, outputs, stand-ins and what is said of them are the same."""
    found = held(api.regenerate(made, Order(rows_file, samples=row_samples)))
    assert set(found.values()) == {True}
    assert {"owner", "outputs", "recipe", "core points", "stand-in models"} <= set(found)


def test_without_samples_only_outputs_are_checked(made, rows_file):
    """What could not be checked is said to be so."""
    found = held(api.regenerate(made, Order(rows_file)))
    assert found == {"owner": True, "outputs": True, "points": None}


def test_another_model_is_noticed(made, tmp_path):
    """Neither its digest nor its outputs are the owner's."""
    other = save_script(trained_on_rows(5), tmp_path / "other.pt")
    found = held(api.regenerate(made, Order(other)))
    assert (found["owner"], found["outputs"]) == (False, False)


def test_chosen_points_are_noticed(made, rows_file, row_samples):
    """Natural images in place of core points have the owner's outputs, and do not come out."""
    sheet = made.fingerprint.sheet
    families = {name: sheet.of_family(name) for name in sheet.names}
    count, controls = len(families[CORE]), families["control"]
    families[CORE] = Family(controls.points[:count], controls.outputs[:count])
    forged = replace(made, fingerprint=replace(made.fingerprint, sheet=Sheet.of(families)))
    found = held(api.regenerate(forged, Order(rows_file, samples=row_samples)))
    assert found["outputs"]
    assert found["core points"] is False


def test_the_command_tells_by_its_exit_code(made, rows_file, tmp_path):
    """4: not everything was checked; 5: something does not hold."""
    bundles.write(made, tmp_path / "a.fp")
    other = save_script(trained_on_rows(5), tmp_path / "other.pt")
    for model, code in ((rows_file, 4), (other, 5)):
        result = RUNNER.invoke(app, ["regenerate", str(tmp_path / "a.fp"), str(model), "-q"])
        assert result.exit_code == code
        assert ("DOES NOT HOLD" in result.output) == (code == 5)


def test_a_bundle_that_accuses_innocents_is_unusable(bundle, tmp_path):
    """Models of the judge's own show it; a folder is asked file by file."""
    folder = tmp_path / "models"
    folder.mkdir()
    linear_onnx(folder / "stranger.onnx", weights=STRANGER)
    (folder / "notes.txt").write_text("no model")
    bundles.write(bundle, tmp_path / "a.fp")
    command = ["screen", str(tmp_path / "a.fp"), "--models", str(folder), "-q"]
    found = RUNNER.invoke(app, command)
    assert found.exit_code == 0
    assert "none of 1 independent models is accused" in found.output
    assert "refused" in found.output
    noise = np.random.default_rng(0).normal(size=WEIGHTS.shape)
    linear_onnx(folder / "like.onnx", weights=(WEIGHTS + 0.01 * noise).astype(np.float32))
    found = RUNNER.invoke(app, command)
    assert found.exit_code == 5
    assert "1 of 2 independent models are accused" in found.output


def test_how_much_a_screening_shows():
    """59 models that are not accused show that at most 5 % would be, with 95 % confidence."""
    assert Screening(59, ()).bound == pytest.approx(0.0495, abs=1e-4)
    assert Screening(59, ("x",)).bound == Screening(0, ()).bound == 1
    assert "nothing was shown" in Screening(0, ()).told()
