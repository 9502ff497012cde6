"""`auditkit bench` with points that shadow models chose."""

import csv
import json

import pytest
from typer.testing import CliRunner

from auditkit.cli import app
from tests.owner.conftest import listed, trained, write


@pytest.fixture(scope="module")
def population(tmp_path_factory, nets, folder, samples_file):
    """An owner with shadow models, its copies, and innocents; none of them a shadow model."""
    place = tmp_path_factory.mktemp("models")
    (place / "samples.npz").write_bytes(samples_file.read_bytes())
    models = [listed(place, "owner", trained(0), model="owner.pt", shadows=str(folder))]
    for number in range(2):
        models.append(listed(place, "pirated", nets[0][6 + number], number, owner="owner"))
        models.append(listed(place, "homologous", nets[1][6 + number], number))
    write(place, models)
    return place


def test_bench_compares_what_shadow_models_teach(population, tmp_path):
    """`+shadows` after a method's name: half of the queries are lineage points."""
    arguments = ["bench", str(population), "-o", str(tmp_path), "--workers", "1"]
    found = CliRunner().invoke(app, [*arguments, "--method", "deepcore+shadows", "--queries", "40"])
    assert found.exit_code == 0, found.output
    rows = list(csv.DictReader((tmp_path / "results.csv").read_text().splitlines()))
    whole = {row["access"]: row for row in rows if row["group"] == "all copies"}
    assert set(whole) == {"label", "probabilities"}
    for row in whole.values():
        assert (row["method"], row["score"]) == ("deepcore+shadows", "kinship")
        assert float(row["auc"]) == 1.0


def test_bench_says_where_shadow_models_are_missing(population, tmp_path):
    """An owner without any has no bundle of such a method, for a stated reason."""
    manifest = population / "manifest.json"
    whole = manifest.read_text()
    models = json.loads(whole)["models"]
    write(population, [{k: v for k, v in m.items() if k != "shadows"} for m in models])
    try:
        arguments = ["bench", str(population), "-o", str(tmp_path), "--workers", "1"]
        found = CliRunner().invoke(app, [*arguments, "--method", "random+shadows"])
    finally:
        manifest.write_text(whole)
    assert found.exit_code == 5
    assert "names no shadow models of this owner" in found.output
