"""What arguments name, and what a suspect's content is."""

import os
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest

from auditkit.core.errors import FleetError
from auditkit.fleet.book import Book
from auditkit.fleet.finding import found, suspects_among
from auditkit.fleet.identity import identity
from tests.conftest import linear_onnx


@pytest.fixture
def book(tmp_path):
    """A ledger of nothing."""
    with Book.open(tmp_path / "audit.db", fresh=True) as opened:
        yield opened


def test_folders_are_searched(folder):
    """Below a folder all bundles and model files are found; a description of an API is not."""
    deep = folder / "models" / "deep"
    deep.mkdir()
    shutil.copy("a.fp", deep / "b.fp")
    shutil.copy("a.fp", deep / "bundle.bin")
    (deep / "api.toml").write_text("url = 'https://elsewhere.example/'")
    (deep / "read.me").write_text("no model")
    (deep / "train.npz").write_bytes(b"no recording")
    (deep / ".kept").mkdir()
    shutil.copy("models/copy0.onnx", deep / ".kept" / "m.onnx")
    os.mkfifo(deep / "pipe.onnx")
    there = found(["models", "models/copy0.onnx", "models/deep/bundle.bin"])
    assert there.bundles == ("models/deep/b.fp", "models/deep/bundle.bin")
    assert there.left_out == {"descriptions of APIs": 1, "tables and arrays": 1, "hidden files": 1}
    assert there.told().startswith("left out in folders: 1 descriptions of APIs, 1 hidden files")
    names = [Path(one).name for one in there.suspects]
    assert names[:3] == ["broken.onnx", "copy0.onnx", "copy1.onnx"]
    assert len(names) == 7


def test_lists_and_patterns_are_followed(folder):
    """A list names addresses and files, a pattern files; what is named twice counts once."""
    address = "https://host.example/v2/models/a"
    (folder / "list.txt").write_text(f"# theirs\n{address}\n\nmodels/copy0.onnx\n")
    there = found(["list.txt", "models/c*.onnx", address])
    assert there.suspects == (address, "models/copy0.onnx", "models/copy1.onnx")
    with pytest.raises(FleetError, match="names nothing"):
        found(["elsewhere"])


@pytest.mark.parametrize("look", [found, suspects_among])
def test_what_leads_elsewhere_is_named_by_its_suffix(folder, look):
    """Recordings and descriptions of APIs are taken by name or suffix, not with whatever fits."""
    for name in ("api.toml", "answers.csv", "answers.npz"):
        (folder / "models" / name).write_text("")
    assert look(["models/a*", "models/copy0.onnx"]).suspects[-1:] == ("models/copy0.onnx",)
    assert look(["models/*.csv"]).suspects == ("models/answers.csv",)
    assert look(["models/*.toml"]).suspects == ("models/api.toml",)
    assert look(["models/answers.npz"]).suspects == ("models/answers.npz",)


def test_a_changed_file_is_another_content(folder, book):
    """A file is read again only when its size, time or inode is another."""
    path = "models/copy0.onnx"
    first = identity(path, book)
    assert first.is_current
    times = Path(path).stat().st_mtime_ns
    data = bytearray(Path(path).read_bytes())
    data[-1] ^= 1
    with Path(path).open("r+b") as file:
        file.write(data)
    os.utime(path, ns=(times, times))
    assert identity(path, book).content == first.content  # known by its stamp
    os.utime(path, ns=(times + 1, times + 1))
    assert not first.is_current
    assert identity(path, book).content != first.content


def test_weights_beside_a_model_are_part_of_it(tmp_path, book):
    """Two copies of a model file are one content only if the files that they name are the same."""
    contents = []
    for number, scale in enumerate((1, 1, 2)):
        place = tmp_path / str(number)
        place.mkdir()
        linear_onnx(place / "m.onnx", weights=np.ones((16, 5), np.float32) * np.float32(scale))
        model = onnx.load(place / "m.onnx")
        onnx.save(
            model,
            place / "m.onnx",
            save_as_external_data=True,
            location="weights.bin",
            size_threshold=0,
        )
        (place / "unnamed.bin").write_bytes(bytes([number]))
        contents.append(identity(str(place / "m.onnx"), book))
    assert [one.digest for one in contents] == [None] * 3
    assert contents[0].content == contents[1].content != contents[2].content
