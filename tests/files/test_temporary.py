"""What a killed process left is taken away, and nothing of anybody else."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from auditkit.core.errors import SignatureError, TimeStampError, TrainedModelsError
from auditkit.files import temporary
from auditkit.files.container import write_whole
from auditkit.files.signing import keys, signed, stamps
from auditkit.files.temporary import Folder
from auditkit.owner.training import shelf

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no locks there")

KILLED = """
import os, sys, tempfile
from pathlib import Path
from auditkit.files.temporary import Folder, new_file
tempfile.tempdir = sys.argv[1]
new_file(Path(sys.argv[1], "model.fp"))
Folder(), Folder("weights")
print(flush=True)
if sys.argv[2:]:
    sys.stdin.read()
os._exit(9)
"""


def aged(folder: Path) -> list[Path]:
    """Everything in a folder, made older than what is spared."""
    found = sorted(folder.iterdir())
    for one in found:
        os.utime(one, (0, time.time() - 2 * temporary.SECONDS))
    return found


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder that is the system's for temporary files, too."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    temporary._clean_beside.cache_clear()
    return tmp_path


def test_what_a_killed_process_left_is_removed(place):
    """A file beside an output, an empty folder, and one with an empty file."""
    subprocess.run([sys.executable, "-c", KILLED, place], check=False)
    assert len(aged(place)) == 3
    write_whole(place / "other.fp", b"new")
    for kept in (Folder(), Folder("weights")):
        kept.cleanup()
    assert [path.name for path in place.iterdir()] == ["other.fp"]


def test_what_a_living_process_uses_stays(place):
    """However old it is."""
    command = [sys.executable, "-c", KILLED, place, "wait"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        before = aged(place)
        write_whole(place / "other.fp", b"new")
        for kept in (Folder(), Folder("weights")):
            kept.cleanup()
        assert sorted(place.iterdir()) == sorted([*before, place / "other.fp"])
        process.stdin.close()


def test_what_is_young_or_somebody_else_s_stays(place):
    """A folder with something in it, other names, and what was made a moment ago."""
    mine = place / "auditkit-abcdefgh"
    (mine / "inner").mkdir(parents=True)
    full = place / "auditkit-12345678"
    full.mkdir()
    (full / "weights").write_text("not empty")
    (place / ".model.fp.original").write_text("a copy of somebody's")
    before = aged(place)
    young = place / ".model.fp.auditkit-abcdefgh"
    young.write_text("")
    write_whole(place / "model.fp", b"new")
    for kept in (Folder(), Folder("weights")):
        kept.cleanup()
    assert sorted(place.iterdir()) == sorted([*before, young, place / "model.fp"])


def test_two_signers_at_once_lose_nothing(place, monkeypatch):
    """Whoever comes second is refused or takes the next place; no signature is replaced."""
    bundle = place / "model.fp"
    bundle.write_bytes(b"any")
    for name in ("one", "other"):
        keys.make(place / name)
    monkeypatch.setattr(signed.statement, "of", lambda _path: b"{}")
    first = signed.sign(bundle, keys.private(place / "one"))
    # As if the other had looked before the first one wrote.
    monkeypatch.setattr(Path, "exists", lambda _path: False)
    with pytest.raises(SignatureError, match="is there already"):
        signed.sign(bundle, keys.private(place / "other"))
    assert signed.envelope_path(bundle).read_bytes() == first
    monkeypatch.setattr(stamps, "check_fits", lambda *_: None)
    places = [signed.attach(bundle, b"stamp %d" % n) for n in (1, 2, 1)]
    assert [path.name[-5:] for path in places] == ["1.tsr", "2.tsr", "1.tsr"]
    for number in range(3, 10):
        signed.attach(bundle, b"stamp %d" % number)
    with pytest.raises(TimeStampError, match="9 time stamps already"):
        signed.attach(bundle, b"one more")


def test_a_folder_of_models_is_for_one_run_at_a_time(place):
    """Each of two runs would write a manifest without the other's models."""
    mine = shelf.opened(place / "models", {"model": "sha256:00"})
    with pytest.raises(TrainedModelsError, match="in use by another run"):
        shelf.opened(place / "models", {"model": "sha256:00"})
    del mine
    shelf.opened(place / "models", {"model": "sha256:00"})
