"""Many suspects at once: whatever one of them is or does, the others get their verdicts."""

import io
import multiprocessing
import pickle
import sys
import warnings
import zipfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from onnx import TensorProto

from auditkit import adapters, api
from auditkit.adapters import runtime
from auditkit.core.points import Sheet
from auditkit.core.requests import Asking, Isolation, Options, Patience, Reach
from auditkit.core.verdicts import Decision, Refusal, Verdict
from auditkit.files import bundle as bundles
from auditkit.files import recordings
from auditkit.files.bundle import Bundle
from auditkit.judging import identification
from auditkit.suspects.examiner import examine
from tests.api import Api, told
from tests.conftest import CLASSES, COPY, SHAPE, STRANGER, WEIGHTS, families, linear, linear_onnx
from tests.golden.cases import FILES

# For tests that look into this process while the suspect answers.
HERE = Options("cpu", isolation=Isolation.OFF)
QUICK = Asking(options=Options("cpu", reach=Reach(timeout=0.5)), patience=Patience(longest=0))

VENDOR = """
import sys
import numpy as np

def raising(x):
    raise KeyError("no such model")

def leaving(x):
    sys.exit(0)

def greedy(x):
    raise MemoryError

def silent(x):
    return np.full((len(x), 5), np.nan)

def wordy(x):
    return ["cat"] * len(x)
"""


@pytest.fixture
def broken(tmp_path, monkeypatch, bundle):
    """Twenty suspects that can't be audited -> the code that each is refused with."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken_vendor.py").write_text(VENDOR)
    linear_onnx(tmp_path / "whole.onnx")
    (tmp_path / "cut.onnx").write_bytes((tmp_path / "whole.onnx").read_bytes()[:-40])
    (tmp_path / "text.onnx").write_text("hello")
    (tmp_path / "folder.onnx").mkdir()
    linear_onnx(tmp_path / "words.onnx", kind=TensorProto.STRING)
    large = np.ones((64, CLASSES), np.float32)
    linear_onnx(tmp_path / "large.onnx", shape=("n", 1, 8, 8), weights=large)
    np.savez(tmp_path / "named.npz", guesses=np.zeros(120))
    (tmp_path / "short.csv").write_text("label\n1\n2\n")
    (tmp_path / "api.toml").write_text("url = 3")
    (tmp_path / "pickled.pt").write_bytes(b"\x80\x04N.")
    script(tmp_path / "script.pt")
    whole = (tmp_path / "script.pt").read_bytes()
    (tmp_path / "script.pt").write_bytes(whole[: len(whole) // 2])
    yield {
        "nothere.onnx": "cannot-open",
        "text.onnx": "cannot-open",
        "cut.onnx": "cannot-open",
        "folder.onnx": "cannot-open",
        "words.onnx": "does-not-fit",
        "large.onnx": "does-not-fit",
        "model.bin": "cannot-open",
        "pickled.pt": "cannot-open",
        "script.pt": "cannot-open",
        "named.npz": "cannot-open",
        "short.csv": "cannot-answer",
        "api.toml": "cannot-open",
        "https://example.org/model": "cannot-open",
        "https://10.0.0.1/v2/models/m": "cannot-open",
        "http://127.0.0.1:9/v2/models/m": "out-of-reach",
        "python:broken_vendor:raising": "cannot-answer",
        "python:broken_vendor:leaving": "cannot-answer",
        "python:broken_vendor:greedy": "cannot-answer",
        "python:broken_vendor:silent": "cannot-answer",
        "python:broken_vendor:wordy": "cannot-answer",
    }
    sys.modules.pop("broken_vendor", None)


def script(path):
    """A TorchScript file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(torch.nn.Flatten()), str(path))


def test_three_good_and_twenty_broken_suspects(broken, tmp_path, lined_up):
    """Three verdicts and twenty refusals, each with its code, in the order of the command line."""
    good = {"copy.onnx": Decision.PIRATED, "stranger.onnx": Decision.HOMOLOGOUS}
    linear_onnx(tmp_path / "copy.onnx", weights=COPY)
    linear_onnx(tmp_path / "stranger.onnx", weights=STRANGER)
    good["again.onnx"] = Decision.PIRATED
    linear_onnx(tmp_path / "again.onnx", weights=WEIGHTS)
    bad = list(broken)
    suspects = ["copy.onnx", *bad[:10], "stranger.onnx", *bad[10:], "again.onnx"]
    found = list(api.audit(lined_up, suspects, QUICK))
    assert [one.suspect.rpartition(":")[2] for one in found] == [
        one.rpartition(":")[2] for one in suspects
    ]
    codes = {
        suspect: one.outcome.code
        for suspect, one in zip(suspects, found, strict=True)
        if isinstance(one.outcome, Refusal)
    }
    assert codes == broken
    for one in found:
        if isinstance(one.outcome, Verdict):
            assert one.outcome.decision is good[one.suspect]
            assert one.evidence is not None
        else:
            assert one.outcome.reason
            assert "\n" not in one.outcome.reason
    assert sum(isinstance(one.outcome, Verdict) for one in found) == 3
    assert len(broken) == 20


ADAPTER = """
import numpy as np
from auditkit.adapters.base import Kind, Port

__all__ = ["bomb"]


class Bomb:
    port, runtime = Port("bomb"), {{}}

    def __init__(self, source, options):
        if source == "opening":
            raise {raised}

    def answer(self, batch):
        raise {raised}

    def close(self):
        if {closing}:
            raise {raised}


bomb = Kind(Bomb, suffixes=(".bomb",))
"""


@pytest.mark.parametrize("closing", [False, True])
@pytest.mark.parametrize(
    "raised", ["RuntimeError('a\\nb')", "MemoryError", "SystemExit(0)", "OSError(5, 'x')"]
)
def test_an_adapter_that_raises_ends_nobody_elses_audit(
    tmp_path, monkeypatch, bundle, drop, raised, closing
):
    """Opened, asked or closed: its suspect is refused in one line, the next ones are judged."""
    monkeypatch.chdir(tmp_path)
    linear_onnx(tmp_path / "copy.onnx", weights=COPY)
    drop(adapters, ADAPTER.format(raised=raised, closing=closing))
    suspects = ["copy.onnx", "brand_new:opening", "brand_new:asking", "x.bomb", "copy.onnx"]
    found = [one.outcome for one in api.audit(bundle, suspects)]
    for outcome in found[1:4]:
        assert isinstance(outcome, Refusal)
        assert outcome.code in ("cannot-open", "cannot-answer", "crashed", "out-of-memory")
        assert outcome.reason
        assert "\n" not in outcome.reason
    assert [found[0].decision, found[4].decision] == [Decision.PIRATED] * 2


IDENTIFICATION = """
__all__ = ["weigh"]


def weigh(bundle, evidence):
    {does}
"""


@pytest.mark.parametrize(
    ("does", "code"),
    [
        ("return 1 / 0", "plug-in"),
        ("raise MemoryError", "plug-in"),
        ("raise SystemExit(0)", "crashed"),
        ("return 'pirated'", "plug-in"),
    ],
)
def test_an_identification_that_fails_is_a_refusal_with_the_answers(
    tmp_path, monkeypatch, bundle, drop, does, code
):
    """No verdict and no traceback; what the suspect said is kept to be judged again."""
    monkeypatch.chdir(tmp_path)
    linear_onnx(tmp_path / "copy.onnx", weights=COPY)
    drop(identification, IDENTIFICATION.format(does=does))
    named = ("brand_new", "label_similarity")
    made = replace(bundle, fingerprint=replace(bundle.fingerprint, identifications=named))
    found = list(api.audit(made, ["copy.onnx", "nothere.onnx"]))
    assert [one.outcome.code for one in found] == [code, "cannot-open"]
    assert "\n" not in found[0].outcome.reason
    assert found[0].evidence.queries == 120


def test_what_goes_in_and_out_can_be_sent_to_a_worker(tmp_path, monkeypatch, lined_up):
    """A process of its own examines the same and hands back the same verdict and refusal."""
    monkeypatch.chdir(tmp_path)
    linear_onnx(tmp_path / "copy.onnx", weights=COPY)
    path = str(tmp_path / "copy.onnx")
    asking = Asking(options=Options("cpu"))
    here = [examine(lined_up, suspect, asking) for suspect in (path, "nothere.onnx")]
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        jobs = [pool.submit(examine, lined_up, s, asking) for s in (path, "nothere.onnx")]
        there = [job.result() for job in jobs]
    for one, other in zip(here, there, strict=True):
        assert one.outcome == other.outcome
        assert pickle.loads(pickle.dumps(one)).outcome == one.outcome  # noqa: S301 - our own
    np.testing.assert_array_equal(here[0].evidence.answers.scores, there[0].evidence.answers.scores)


def test_trying_preprocessings_opens_no_second_session(monkeypatch):
    """A suspect that wants other inputs is found out in the session that was opened first."""
    opened, real = [], runtime.opened
    monkeypatch.setattr(runtime, "opened", lambda *how: opened.append(how) or real(*how))
    bundle = bundles.read(FILES / "tried.fp")
    said = api.query(bundle, str(FILES / "pixels.onnx"), Asking(options=HERE))
    assert said.disguises
    assert len(opened) == 1
    assert said.sent > said.queries + said.repeated


def test_usual_preprocessings_cost_no_more_where_a_bundle_has_many_controls(bundle, tmp_path):
    """Each is tried on 30 controls."""
    stranger, sent = linear_onnx(tmp_path / "stranger.onnx", weights=STRANGER), []
    for count in (30, 300):
        made = replace(bundle.fingerprint, sheet=Sheet.of(families(100, count)))
        said = api.query(Bundle(made), str(stranger), Asking(options=HERE))
        sent.append(said.sent - said.queries - said.repeated)
    assert sent[0] == sent[1] > 0


SENT: list[int] = []


def moody(points):
    """A copy that fails at every third question, and counts what it is asked."""
    SENT.append(len(points))
    if len(SENT) % 3 == 2:
        raise ConnectionResetError("try again")
    return linear(points, COPY)


@pytest.mark.parametrize("sequential", [False, True])
def test_every_point_that_is_sent_is_counted(tmp_path, monkeypatch, lined_up, sequential):
    """Points of failed questions and repeated ones too; what the journal has is not sent again."""
    monkeypatch.setattr("auditkit.suspects.patience.FIRST_PAUSE", 0.001)
    SENT.clear()
    name = "python:tests.suspects.test_examiner:moody"
    asking = Asking(options=HERE, sequential=sequential, journal=tmp_path / "j")
    first = api.query(lined_up, name, asking)
    assert first.sent == sum(SENT) > first.queries + first.repeated
    again = api.query(lined_up, name, asking)
    assert (again.sent, again.queries) == (0, first.queries)
    assert first.suspect.runtime["points sent"] == again.suspect.runtime["points sent"]
    assert first.suspect.runtime["points sent"] == str(sum(SENT))


def refused(bundle, suspect, asking=QUICK) -> Refusal:
    """The refusal of this suspect, in one line."""
    [found] = api.audit(bundle, [str(suspect)], asking)
    assert isinstance(found.outcome, Refusal), found
    assert "\n" not in found.outcome.reason
    return found.outcome


def test_a_file_that_wants_a_thousand_million_points_at_once_is_refused(tmp_path, bundle):
    """Nothing is set aside for a batch of 60 GB that a file claims to need."""
    path = linear_onnx(tmp_path / "m.onnx", shape=(10**9, *SHAPE))
    found = refused(bundle, path)
    assert found.code == "does-not-fit"
    assert "exactly 1000000000 points at once, 60 GiB" in found.reason


def test_a_server_that_wants_two_thousand_million_points_at_once_is_refused(bundle):
    """Neither for one that a server claims."""
    page = {"name": "m", "inputs": [{"name": "x", "datatype": "FP32", "shape": [2**31, *SHAPE]}]}
    with Api(lambda asked: told(page if asked.method == "GET" else {})) as served:
        found = refused(bundle, f"{served.url}/v2/models/m")
        assert {asked.method for asked in served.asked} == {"GET"}
    assert found.code == "does-not-fit"
    assert f"exactly {2**31} points at once" in found.reason


def test_a_recording_that_claims_terabytes_is_refused(tmp_path, bundle):
    """What an array's header claims is not set aside before it is there."""
    header = io.BytesIO()
    claims = {"descr": "<f4", "fortran_order": False, "shape": (25 * 10**10, CLASSES)}
    np.lib.format.write_array_header_1_0(header, claims)
    with zipfile.ZipFile(tmp_path / "answers.npz", "w") as archive:
        archive.writestr("scores.npy", header.getvalue() + b"\0" * 400)
    found = refused(bundle, tmp_path / "answers.npz")
    assert found.code == "cannot-open"
    assert "claims 5e+12 bytes" in found.reason


def test_a_recording_of_too_many_rows_is_refused(tmp_path, monkeypatch, bundle):
    """A file of more lines than any bundle has points is not read into memory."""
    points = bundle.fingerprint.sheet.points
    rows = "".join(f"{label}\n" for label in linear(points).argmax(1))
    (tmp_path / "answers.csv").write_text("label\n" + rows)
    [found] = api.audit(bundle, [str(tmp_path / "answers.csv")])
    assert isinstance(found.outcome, Verdict)
    monkeypatch.setattr(recordings, "MOST_ROWS", 120)
    found = refused(bundle, tmp_path / "answers.csv", Asking(options=HERE))
    assert found.code == "cannot-open"
    assert "has 121 lines" in found.reason
