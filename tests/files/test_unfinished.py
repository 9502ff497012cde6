"""Parts of an unfinished bundle are found by the run that would make the same, and no other."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from auditkit.files import unfinished
from auditkit.files.unfinished import FACTS, Part, Unfinished, finished

PART = Part({"rows": np.arange(6.0).reshape(2, 3)}, {"step": 3})


@pytest.fixture(autouse=True)
def everything_is_worth_it(monkeypatch):
    """What took no time is kept as well."""
    monkeypatch.setattr(unfinished, "WORTH", 0.0)


def refused() -> Part:
    """Nobody may make this."""
    raise AssertionError("it was made again")


@given(
    st.dictionaries(
        st.text("abc/ é", min_size=1).filter(lambda name: name != FACTS),
        arrays.arrays(st.sampled_from([np.float32, np.int64, np.bool_]), st.just((2, 3))),
        max_size=3,
    ),
    st.dictionaries(st.text(), st.one_of(st.none(), st.floats(allow_nan=False), st.text())),
)
def test_a_part_comes_back_as_it_was(tmp_path_factory, rows, facts):
    """Arrays bit by bit, and facts."""
    folder = tmp_path_factory.mktemp("parts")
    Unfinished(folder, 1).keep("one", Part(rows, facts))
    found = Unfinished(folder, 1).part("one", refused)
    assert found.facts == facts
    assert found.arrays.keys() == rows.keys()
    for name, value in rows.items():
        assert found.arrays[name].dtype == value.dtype
        np.testing.assert_array_equal(found.arrays[name], value)


def test_only_the_same_run_finds_a_part(tmp_path):
    """Another name, other facts of the run, or no folder: nothing is found."""
    Unfinished(tmp_path, {"seed": 0}).keep("one", PART)
    assert Unfinished(tmp_path, {"seed": 0}).kept("one") is not None
    assert Unfinished(tmp_path, {"seed": 1}).kept("one") is None
    assert Unfinished(tmp_path, {"seed": 0}).kept("other") is None
    assert Unfinished(None, {"seed": 0}).kept("one") is None
    assert Unfinished(tmp_path, {"seed": 0}).given("points").kept("one") is None
    Unfinished(tmp_path, {"seed": 0}).given("points").keep("two", PART)
    assert Unfinished(tmp_path, {"seed": 0}).given("points").kept("two") is not None
    assert Unfinished(tmp_path, {"seed": 0}).given("other points").kept("two") is None


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04", b"\x00" * 400, b"cut"])
def test_a_damaged_part_is_made_again(tmp_path, damage):
    """Whatever is in its file."""
    Unfinished(tmp_path, 0).keep("one", PART)
    [file] = tmp_path.glob("*.npz")
    file.write_bytes(file.read_bytes()[:-30] if damage == b"cut" else damage)
    assert Unfinished(tmp_path, 0).part("one", lambda: PART) is PART
    assert Unfinished(tmp_path, 0).part("one", refused).facts == PART.facts


def test_where_nothing_can_be_written_work_goes_on(tmp_path):
    """A file in the place of the folder: the part is made, and nothing is said."""
    (tmp_path / "file").touch()
    assert Unfinished(tmp_path / "file" / "parts", 0).part("one", lambda: PART) is PART


def test_what_was_quick_leaves_no_trace(tmp_path, monkeypatch):
    """No folder is made for it."""
    monkeypatch.setattr(unfinished, "WORTH", 10.0)
    Unfinished(tmp_path / "parts", 0).part("one", lambda: PART)
    assert not (tmp_path / "parts").exists()


def test_the_end_takes_parts_away_and_nothing_else(tmp_path):
    """A folder with somebody's file stays; one of parts alone goes; a missing one is no error."""
    for name in ("shared", "own"):
        Unfinished(tmp_path / name, 0).keep("one", PART)
    Path(tmp_path, "shared", "notes.txt").touch()
    for name in ("shared", "own", "missing"):
        finished(tmp_path / name)
    assert [path.name for path in tmp_path.rglob("*")] == ["shared", "notes.txt"]
