"""Forged bundles are refused, or convict nobody whom the report does not warn for."""

import numpy as np
import pytest

from auditkit import api
from auditkit.core.errors import AuditkitError
from auditkit.core.verdicts import Decision
from auditkit.files import bundle as bundles
from auditkit.reports.accuser import POINTS
from auditkit.reports.base import Screen
from auditkit.reports.build import report
from auditkit.reports.terminal import render_terminal
from tests.conftest import linear, linear_onnx, stranger_weights
from tests.hostile.forgeries import Forgery, forgeries, kept, write

ALL = {forgery.name: forgery for forgery in forgeries()}
INNOCENT = stranger_weights(4711)


@pytest.fixture(scope="module")
def innocent(tmp_path_factory):
    """An independent model as a file."""
    return linear_onnx(tmp_path_factory.mktemp("suspect") / "innocent.onnx", weights=INNOCENT)


def scores(points: np.ndarray) -> np.ndarray:
    """What the innocent says."""
    return linear(points, INNOCENT)


def told(opened, outcome):
    """The report for people."""
    screen = Screen(encoding="utf-8", colours=False)
    return render_terminal(report(opened, [outcome]), screen).decode()


def test_there_are_enough():
    """Each forgery is tried on a bundle with twins and on one without."""
    assert len(ALL) >= 40


@pytest.mark.parametrize("twins", [True, False], ids=["twins", "alone"])
@pytest.mark.parametrize("name", ALL)
def test_no_forgery_convicts_unnoticed(tmp_path, request, innocent, name, twins):
    """It is refused in one line, or accuses nobody, or the first lines name what is unchecked."""
    honest = request.getfixturevalue("lined_up" if twins else "bundle")
    path = tmp_path / "forged.fp"
    write(ALL[name], honest, scores, path)
    try:
        opened = bundles.read(path)
        [examination] = api.audit(opened, str(innocent))
    except AuditkitError as error:
        assert "\n" not in str(error)  # noqa: PT017
        return
    outcome = examination.outcome
    if outcome.decision is Decision.PIRATED:
        first = " ".join(told(opened, outcome).split("PIRATED")[0].split())
        assert POINTS in first
        assert "not signed: nothing shows who made it" in first


def test_the_honest_bundle_accuses_nobody(tmp_path, lined_up, innocent):
    """Otherwise the forgeries would show nothing."""
    write(Forgery("honest", kept), lined_up, scores, tmp_path / "honest.fp")
    [examination] = api.audit(bundles.read(tmp_path / "honest.fp"), str(innocent))
    assert examination.outcome.decision is not Decision.PIRATED
