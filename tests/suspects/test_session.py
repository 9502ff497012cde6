"""A suspect that is opened once gives the verdicts of one that is opened for each bundle."""

from pathlib import Path

import pytest

from auditkit import api
from auditkit.adapters import runtime
from auditkit.core.requests import Asking, Isolation, Limits, Options
from auditkit.files import bundle as bundles
from auditkit.suspects.session import Session
from tests.hostile.onnx_graphs import loops

FILES = Path(__file__).parents[1] / "golden" / "files"
HERE = Asking(options=Options("cpu", isolation=Isolation.OFF))


@pytest.mark.parametrize("name", ["copy", "pixels", "large", "queries"])
def test_verdicts_are_those_of_examine(monkeypatch, name):
    """For one bundle after the other, also of suspects that don't fit; the file is opened once."""
    suspect = str(FILES / f"{name}.{'npz' if name == 'queries' else 'onnx'}")
    opened, real = [], runtime.opened
    monkeypatch.setattr(runtime, "opened", lambda *how: opened.append(how) or real(*how))
    session = Session(suspect, HERE)
    made = [bundles.read(FILES / name) for name in ("plain.fp", "lined_up.fp", "tried.fp")]
    found = [session.examine(one).outcome for one in made]
    session.close()
    assert len(opened) == (name != "queries")
    assert found == [api.examine(one, suspect, HERE).outcome for one in made]


def test_who_used_up_its_time_is_refused_for_all(tmp_path, bundle):
    """A suspect that never ends costs its time once, not once for each bundle."""
    path = tmp_path / "loop.onnx"
    next(iter(loops())).write(path)
    session = Session(str(path), Asking(options=Options("cpu", limits=Limits(1.0))))
    first, second = (session.examine(bundle).outcome for _ in range(2))
    session.close()
    assert first == second
    assert first.code == "time-limit"
