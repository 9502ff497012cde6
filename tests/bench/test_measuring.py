"""The commands that measure speed still run: nobody notices otherwise until figures are wanted."""

import pytest

from auditkit.files import bundle as bundles
from experiments import speed
from experiments.fleet import Place

pytestmark = pytest.mark.torch


def test_what_is_measured_is_a_bundle(tmp_path):
    """Bundles of made-up answers are bundles all the same."""
    place = Place(tmp_path, "strided")
    place.write_suspects(1)
    place.write_bundles(1)
    assert bundles.read(tmp_path / "0.fp").fingerprint.weights is not None


def test_asking_is_measured(monkeypatch, capsys):
    """Everything but the adapter is timed, on answers that don't change."""
    monkeypatch.setattr(speed, "ROUNDS", 1)
    monkeypatch.setattr(speed, "MANY_CLASSES", 20)
    speed.asking()
    assert "CPU s" in capsys.readouterr().out
