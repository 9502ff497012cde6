"""Workers: what becomes of one that hangs, and when another takes its place."""

import os

import pytest

from auditkit.core.commitment import Commitment
from auditkit.core.errors import FleetError
from auditkit.core.requests import Asking, Isolation, Options
from auditkit.fleet.engines.local import Local
from auditkit.fleet.tally import Tally
from auditkit.fleet.tasks import Bundled, Done, Lost, Said, Setup, Task

ASLEEP = """
import time

def ask(points):
    time.sleep(600)
"""


@pytest.fixture
def crew(folder, bundle):
    """One worker that examines one suspect before another takes its place."""
    (folder / "asleep.py").write_text(ASLEEP)
    named = Bundled("a.fp", bundle.digest, "owner", Commitment())
    asking = Asking(options=Options("cpu", isolation=Isolation.OFF))
    made = Local(1).crew(Setup((named,), asking, folder / "journals", os.getpid()), 1, 1)
    yield made
    made.close()


def heard(crew):
    """What the worker says of its task, in order."""
    events = []
    while crew.busy:
        events += crew.wait(0.1)
    return events


def test_a_worker_that_hangs_is_replaced(crew):
    """A suspect that never answers costs its own worker; the next suspect gets another."""
    crew.give(Task(1, "python:asleep:ask", (0,), seconds=5.0))
    assert heard(crew) == [Lost(1, "signal 9", hung=True)]
    crew.give(Task(2, "models/copy0.onnx", (0,)))
    said, done = heard(crew)
    assert isinstance(said, Said)
    assert (said.number, said.judged.verdict, done) == (2, "pirated", Done(2))
    assert crew.processes() == []  # it has examined as many as it may


def test_a_changed_bundle_ends_the_scan(crew, folder):
    """Verdicts by another bundle than the one that was named must not be kept."""
    (folder / "a.fp").write_bytes((folder / "a.fp").read_bytes()[:-1])
    crew.give(Task(1, "models/copy0.onnx", (0,)))
    with pytest.raises(FleetError, match=r"a\.fp"):
        heard(crew)


def test_names_of_one_content_share_a_verdict():
    """A name counts for the content that it stands for now."""
    tally = Tally()
    for name in ("one", "two"):
        tally.name(name, "content")
    tally.judge("content", 0, "pirated", "code")
    tally.judge("content", 0, "refused", "code")
    assert +tally.counts == {"pirated": 2}
    tally.name("two", "other")
    tally.judge("other", 0, "homologous", "code")
    assert +tally.counts == {"pirated": 1, "homologous": 1}
    assert [(one.suspect, one.verdict) for one in tally.lines()] == [
        ("one", "pirated"),
        ("two", "homologous"),
    ]
