"""`auditkit bench` on a folder of real models: a user's own, listed by hand."""

import csv
import json

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from auditkit.cli import app
from auditkit.core.errors import BenchmarkError
from auditkit.files.model_folder import read_model_folder
from tests.owner.conftest import save_script, trained_on_rows

ARGUMENTS = ["--method", "random", "--method", "akh", "--queries", "10,20", "--workers", "1"]


def hasty(seed):
    """A net that still makes mistakes, which AKH needs."""
    return trained_on_rows(seed, steps=60)


def noisy(net, share):
    """The same net with a little noise in its weights."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in net.parameters():
            if weight.ndim > 1:
                weight += share * weight.std() * torch.randn(weight.shape, generator=generator)
    return net


def listed(name, kind, **more):
    """A line of the manifest."""
    return {"name": name, "kind": kind, "file": f"{name}.pt", **more}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, row_samples):
    """An owner, three copies and four innocents."""
    place = tmp_path_factory.mktemp("models")
    models = [listed("owner", "owner", model="owner.pt")]
    save_script(hasty(0), place / "owner.pt")
    for number, share in enumerate((0.01, 0.02, 0.05)):
        save_script(noisy(hasty(0), share), place / f"copy{number}.pt")
        models.append(listed(f"copy{number}", "pirated", owner="owner", how="noise"))
    for number in range(4):
        save_script(hasty(number + 1), place / f"other{number}.pt")
        models.append(listed(f"other{number}", "homologous", how="other seed"))
    (place / "samples.npz").write_bytes(row_samples.read_bytes())
    write(place, models)
    return place


def write(place, models, **more):
    """The manifest of a folder."""
    manifest = {
        "format": "auditkit.models/1",
        "title": "mine",
        "samples": "samples.npz",
        "models": models,
        **more,
    }
    (place / "manifest.json").write_text(json.dumps(manifest))


@pytest.fixture(scope="module")
def results(folder, tmp_path_factory):
    """The first run's folder and what it printed."""
    output = tmp_path_factory.mktemp("results")
    found = CliRunner().invoke(app, ["bench", str(folder), "-o", str(output), *ARGUMENTS])
    assert found.exit_code == 0, found.output
    return output, found.stdout


def test_everything_asked_for_is_compared(results):
    """Each method, score, access and number of queries has its figures over all copies."""
    output, printed = results
    rows = list(csv.DictReader((output / "results.csv").read_text().splitlines()))
    setups = {
        (row["method"], row["score"], row["access"], row["queries"])
        for row in rows
        if row["group"] == "all copies"
    }
    assert len(setups) == 2 * 3 * 2
    assert all(row["pirated"] == "3" and row["homologous"] == "4" for row in rows)
    assert {row["group"] for row in rows} == {"all copies", "noise", "homologous: other seed"}
    assert "akh, labels" in printed


def test_copies_are_told_from_innocents(results):
    """Copies with little noise share the owner's mistakes far more than other seeds do."""
    contents = json.loads((results[0] / "results.json").read_text())
    cells = contents["cells"]
    assert contents["schema"] == "auditkit.benchmark/1"
    areas = {
        (c["method"], c["access"]): c["auc"]
        for c in cells
        if c["group"] == "all copies" and c["queries"] == 20 and c["score"] == "label_similarity"
    }
    assert areas["akh", "label"] > 0.9


def test_the_report_has_tables_plots_and_the_command(results):
    """What a reader needs to judge and to repeat is in one folder."""
    output, _ = results
    report = (output / "report.md").read_text()
    assert "auditkit " in report
    for name in ("attacks-label.png", "attacks-probabilities.png", "queries.png"):
        assert f"({name})" in report
        assert (output / name).read_bytes()[:4] == b"\x89PNG"


def test_a_second_run_goes_on(folder, results):
    """Nothing that is there is made or asked again, and the figures are the same."""
    output, _ = results
    kept = [*output.glob("bundles/*"), *output.glob("answers/*")]
    before = {path: path.stat().st_mtime_ns for path in kept}
    figures = (output / "results.csv").read_text()
    again = CliRunner().invoke(app, ["bench", str(folder), "-o", str(output), *ARGUMENTS])
    assert again.exit_code == 0
    assert {path: path.stat().st_mtime_ns for path in kept} == before
    assert (output / "results.csv").read_text() == figures


def test_a_spoilt_answer_file_is_asked_again(folder, results):
    """A file cut short by a crash is no answer."""
    output, _ = results
    path = sorted(output.glob("answers/*.npz"))[0]
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    figures = (output / "results.csv").read_text()
    CliRunner().invoke(app, ["bench", str(folder), "-o", str(output), *ARGUMENTS])
    assert (output / "results.csv").read_text() == figures


def test_a_replaced_file_is_no_longer_the_model_that_answered(folder, tmp_path):
    """A suspect with a new file is asked again, an owner with a new file is fingerprinted again."""
    place, output = tmp_path / "models", tmp_path / "results"
    place.mkdir()
    for path in folder.glob("*"):
        (place / path.name).write_bytes(path.read_bytes())
    arguments = ["--method", "random", "--queries", "20", "--workers", "1", "-q"]

    def run():
        found = CliRunner().invoke(app, ["bench", str(place), "-o", str(output), *arguments])
        assert found.exit_code == 0
        return (output / "results.csv").read_text()

    before = run()
    bundle = output / "bundles" / "owner--random.fp"
    made = bundle.read_bytes()
    (place / "other0.pt").write_bytes((place / "owner.pt").read_bytes())
    assert run() != before
    assert bundle.read_bytes() == made
    (place / "owner.pt").write_bytes((place / "other1.pt").read_bytes())
    run()
    assert bundle.read_bytes() != made


def test_a_suspect_that_fails_is_named(folder, tmp_path):
    """One broken file costs its own row, and the report says so."""
    models = json.loads((folder / "manifest.json").read_text())["models"]
    place = tmp_path / "models"
    place.mkdir()
    for path in folder.glob("*"):
        (place / path.name).write_bytes(path.read_bytes())
    (place / "junk.pt").write_bytes(b"junk")
    write(place, [*models, listed("junk", "homologous")])
    output = tmp_path / "results"
    arguments = ["--method", "random", "--queries", "20", "--workers", "1"]
    found = CliRunner().invoke(app, ["bench", str(place), "-o", str(output), *arguments])
    assert found.exit_code == 0
    assert "junk:" in found.stdout
    assert "junk:" in (output / "report.md").read_text()


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"models": [listed("owner", "thief", model="owner.pt")]}, "owner, pirated"),
        ({"models": [{"name": "owner"}]}, "lacks file, kind"),
        ({"models": [listed("owner", "owner")]}, "lacks 'model'"),
        ({"models": [listed("other0", "homologous")]}, "no model of kind 'owner'"),
        ({"models": [listed("nobody", "homologous")]}, "no such file"),
        ({"models": [listed("other0", "homologous", how=3)]}, "can't be 3"),
        ({"models": 3}, "a list of objects"),
        ({"samples": "nothing.npz"}, "no such file"),
        ({"format": "auditkit.models/9"}, "auditkit.models/9"),
        (
            {"models": [listed("owner", "owner", model="owner.pt"), listed("copy0", "pirated")]},
            "must name its owner",
        ),
    ],
)
def test_a_wrong_manifest_is_one_line(folder, tmp_path, change, wanted):
    """Each way to get it wrong is told from the others."""
    for name in ("owner.pt", "other0.pt", "copy0.pt", "samples.npz"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    write(tmp_path, **{"models": [listed("owner", "owner", model="owner.pt")], **change})
    with pytest.raises(BenchmarkError, match=wanted) as caught:
        read_model_folder(tmp_path)
    assert "\n" not in str(caught.value)


def test_no_manifest_and_no_method_are_one_line(tmp_path):
    """Exit code 5 or a line, never a traceback."""
    for arguments, wanted in (
        (["bench", str(tmp_path), "-o", str(tmp_path / "x")], "no manifest.json"),
        (["bench", str(tmp_path), "-o", str(tmp_path / "x"), "--method", "magic"], "no method"),
        (["bench", str(tmp_path), "-o", str(tmp_path / "x"), "--queries", "many"], "--queries"),
    ):
        found = CliRunner().invoke(app, arguments)
        assert found.exit_code == 5
        assert wanted in found.output


def test_methods_are_listed():
    """Each with its paper, its needs and its settings."""
    found = CliRunner().invoke(app, ["methods"])
    assert found.exit_code == 0
    for word in ("deepcore", "ipguard", "arXiv", "shadow models", "settings:"):
        assert word in found.stdout
    assert np.all([len(line) < 300 for line in found.stdout.splitlines()])
