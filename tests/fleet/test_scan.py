"""Scans as users start them: verdicts, ledgers, interrupts, several at once."""

import json
import random
import shutil
import signal
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from auditkit.cli import app
from auditkit.fleet.identity import identity
from auditkit.fleet.ledger import Ledger
from tests.conftest import linear_onnx, stranger_weights
from tests.fleet.conftest import fill, scanned, started
from tests.hostile.families import FAMILIES

HERE = ("--isolation", "off")
"""Starts quicker; the other tests keep the walls."""
GOLDEN = Path(__file__).parents[1] / "golden" / "files"


def checked(bundle: str, suspect: str) -> dict:
    """What `check -f json` prints for a pair."""
    arguments = ["check", bundle, suspect, "-f", "json", "--device", "cpu"]
    return json.loads(CliRunner().invoke(app, arguments).stdout)


def test_a_ledger_holds_what_check_prints(tmp_path, monkeypatch):
    """Each pair of two bundles and four suspects has the report that check prints for it."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")
    monkeypatch.chdir(tmp_path)
    suspects = ("copy.onnx", "pixels.onnx", "large.onnx", "seven.onnx")
    for name in ("plain.fp", "lined_up.fp", *suspects):
        shutil.copy(GOLDEN / name, name)
    code, told, said = scanned(".")
    assert (code, said) == (3, "")
    with Ledger.open("audit.db") as ledger:
        paths = ledger.bundles()
        pairs = list(ledger.pairs())
        assert len(pairs) == len(told["pairs"]) == 8
        for pair in pairs:
            assert ledger.verdict(pair) == checked(paths[pair.bundle], pair.suspect)
            assert (ledger.evidence(pair) is None) == (pair.verdict == "refused")


def test_nobody_is_asked_twice(folder, kept):
    """Files of one content are asked once, and a second scan asks nobody until --again."""
    shutil.copy("models/copy0.onnx", "models/same.onnx")
    shutil.copy("models/broken.onnx", "models/other.onnx")
    code, told, said = scanned("a.fp", "models")
    assert (code, said, told["counts"]["refused"], told["counts"]["pirated"]) == (3, "", 2, 3)
    assert [one["verdict"] for one in told["pairs"][2:5]] == ["pirated", "refused", "refused"]
    first = kept()
    with Ledger.open("audit.db") as ledger:
        assert len(ledger.rows("SELECT 1 FROM pairs")) == len(first) - 2
        assert first["same.onnx"].at == first["copy0.onnx"].at
        for name in ("same.onnx", "other.onnx", "broken.onnx"):
            [suspect] = ledger.verdict(first[name])["suspects"]
            assert suspect["suspect"] == f"models/{name}"
            assert "models/" not in suspect["reason"].replace(f"models/{name}", "")
    assert scanned("a.fp", "models")[1]["pairs"] == told["pairs"]
    assert kept() == first
    scanned("a.fp", "models", "--again")
    changed = {name for name, one in kept().items() if one != first[name]}
    assert changed == {"broken.onnx", "other.onnx"}


def test_a_killed_scan_goes_on(folder, kept):
    """Killed at any moment and started again, a scan repeats no verdict and loses none."""
    fill(folder / "models", 12)
    moments, before = random.Random(0), {}  # noqa: S311 - no secret
    for _ in range(3):
        process = started("a.fp", "models")
        deadline = time.monotonic() + 60
        wanted = len(before) + moments.randrange(1, 3)
        while len(before) < wanted and process.poll() is None and time.monotonic() < deadline:
            time.sleep(moments.uniform(0, 0.05))
            with suppress(Exception):  # there is no ledger yet
                before = kept()
        process.send_signal(signal.SIGKILL)
        process.communicate()
        after = kept()
        assert {name: after[name] for name in before} == before
        before = after
    code, told, said = scanned("a.fp", "models")
    assert (code, said, len(told["pairs"])) == (3, "", 15)
    after = kept()
    assert {name: after[name] for name in before} == before
    with Ledger.open("audit.db") as ledger:
        assert ledger.rows("SELECT * FROM claims") == []


def test_two_scans_share_a_ledger(folder, kept):
    """Two scans at once judge each pair once, and both report all."""
    fill(folder / "models", 8)
    both = [started("a.fp", "models", *HERE) for _ in range(2)]
    ended = [one.communicate(timeout=120) for one in both]
    assert [one.returncode for one in both] == [3, 3], ended
    told = [json.loads(out) for out, _ in ended]
    assert told[0]["pairs"] == told[1]["pairs"]
    assert len(kept()) == len(told[0]["pairs"]) == 11


def test_hostile_files_change_nobodys_verdict(folder, kept):
    """Beside files that crash or lie each honest suspect gets the verdict that check gives it."""
    for family in ("cut ONNX", "outputs", "names", "structures", "tables"):
        for one in list(FAMILIES[family]())[:2]:
            one.write(folder / "models" / f"hostile-{one.name}")
    suspects = sorted(str(one) for one in Path("models").iterdir())
    code, told, said = scanned("a.fp", *suspects)
    assert (code, said, len(told["pairs"])) == (3, "", 17)
    for name, one in kept().items():
        if name in ("copy0.onnx", "stranger0.onnx", "broken.onnx"):
            [alone] = checked("a.fp", f"models/{name}")["suspects"]
            assert (one.verdict, one.code) == (alone["verdict"], alone["reason_code"])


SUICIDE = """
import os, pathlib

def ask(points):
    with pathlib.Path("asked").open("a") as file:
        file.write("x")
    os._exit(0)
"""


def test_who_ends_its_worker_is_refused(folder, kept):
    """A suspect that ends the worker itself is tried once more and refused; others are judged."""
    (folder / "deadly.py").write_text(SUICIDE)
    (folder / "list.txt").write_text("# functions\npython:deadly:ask\nmodels/copy0.onnx\n")
    process = started("a.fp", "list.txt", "models/s*0.onnx", *HERE)
    told, said = process.communicate(timeout=120)
    assert (process.returncode, said) == (3, "")
    assert json.loads(told)["counts"] == {
        "pirated": 1,
        "refused": 1,
        "inconclusive": 1,
        "homologous": 0,
    }
    pair = kept()["python:deadly:ask"]
    assert (pair.verdict, pair.code) == ("refused", "crashed")
    assert (folder / "asked").read_text() == "xx"


def test_who_changes_again_and_again_is_refused(folder, kept, monkeypatch):
    """What a worker examined counts only if it is what the scan has claimed."""

    def other(name, book):
        return replace(identity(name, book), digest="sha256:0")

    monkeypatch.setattr("auditkit.fleet.scan.identity", other)
    code, told, said = scanned("a.fp", "models/copy0.onnx")
    assert (code, said, told["counts"]["refused"]) == (5, "", 1)
    assert kept()["copy0.onnx"].code == "cannot-open"


def test_watching_takes_what_comes(folder, kept):
    """With --watch files that come later are judged; an interrupt ends it with the summary."""
    process = started("a.fp", "models", "--watch", "--every", "0.1", *HERE)
    late = False
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        time.sleep(0.1)
        with suppress(Exception):
            found = kept()
            if len(found) == 7 and not late:
                late = True
                linear_onnx(folder / "models" / "late.onnx", weights=stranger_weights(7))
            if "late.onnx" in found:
                break
    process.send_signal(signal.SIGINT)
    try:
        told, said = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert (process.returncode, said) == (3, "")
    assert len(json.loads(told)["pairs"]) == 8


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["models"], "no bundle"),
        (["a.fp"], "no suspect"),
        (["a.fp", "nothing/*.onnx"], "no file fits"),
        (["a.fp", "nothing"], "names nothing"),
        (["a.fp", "odd.txt"], "is no bundle, no model file and no list"),
        (["a.fp", "models", "--ledger", "odd.txt"], "is no ledger"),
        (["a.fp", "models", "--ledger", "no/audit.db"], "can't be used as a ledger"),
    ],
)
def test_what_cannot_be_scanned_is_one_line(folder, arguments, wanted):
    """Wrong arguments cost one line and exit code 5."""
    (folder / "odd.txt").write_text("what is this?\n" * 100)
    found = CliRunner().invoke(app, ["scan", *arguments])
    assert (found.exit_code, found.stderr.count("\n")) == (5, 1)
    assert wanted in found.stderr
