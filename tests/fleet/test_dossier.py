"""Reports from a ledger: the verdicts of the scan, in every format, without the suspects."""

import json
import shutil
import sqlite3

import pytest
from typer.testing import CliRunner

from auditkit.cli import app
from auditkit.files import bundle as bundles
from tests.conftest import COPY, STRANGER, linear_onnx
from tests.fleet.conftest import scanned

HERE = ("--isolation", "off")


@pytest.fixture(scope="module")
def template(tmp_path_factory, lined_up):
    """A folder with the ledger of a copy, a stranger and a broken file, which are gone."""
    place = tmp_path_factory.mktemp("ledger")
    bundles.write(lined_up, place / "a.fp")
    for name, weights in (("copy", COPY), ("other", STRANGER)):
        linear_onnx(place / f"{name}.onnx", weights=weights)
    (place / "broken.onnx").write_bytes(b"no model" * 100)
    names = [str(place / f"{name}.onnx") for name in ("copy", "other", "broken")]
    before = [str(place / "a.fp"), *names, *HERE, "--ledger", str(place / "audit.db")]
    code, told, _ = scanned(*before)
    assert (code, len(told["pairs"])) == (3, 3)
    found = CliRunner().invoke(
        app, ["check", str(place / "a.fp"), *names, *HERE, "--device", "cpu", "--json"]
    )
    (place / "check.json").write_text(found.stdout)
    for name in names:
        (place / name).unlink()
    return place


@pytest.fixture
def place(template, tmp_path, monkeypatch):
    """A copy of that folder."""
    shutil.copytree(template, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def report(*arguments):
    """`auditkit report` in this process."""
    return CliRunner().invoke(app, ["report", *arguments])


def test_a_ledger_tells_what_check_told(place):
    """Each suspect's entry is the one of check, and so is the exit code; nobody is there to ask."""
    assert report("audit.db", "-o", "r.json").exit_code == 3
    told, checked = (json.loads((place / name).read_text()) for name in ("r.json", "check.json"))
    assert told["bundle"] == checked["bundle"]
    before = sorted(checked["suspects"], key=lambda one: one["suspect"])
    for one, other in zip(told["suspects"], before, strict=True):
        for key in ("p_holm", "p_benjamini_hochberg"):  # made anew from chances of six digits
            assert (one.pop(key) or 0) == pytest.approx(other.pop(key) or 0, rel=1e-5)
        assert one == other


def test_a_page_has_a_table_and_the_tree(place):
    """The accused come first; the tree has the owner, its twins and who answered."""
    assert report("audit.db", "-o", "r.html").exit_code == 3
    page = (place / "r.html").read_text()
    table = page.partition("</table>")[0]
    assert table.index("copy.onnx") < table.index("broken.onnx") < table.index("other.onnx")
    assert "not excluded" in table.lower()
    tree = page.partition('class="tree"')[2].partition("</svg>")[0]
    for name in ("the owner", "twin 19", "copy.onnx", "other.onnx"):
        assert name in tree
    assert "broken.onnx" not in tree


def test_the_bundle_is_not_needed(place, template, bundle):
    """Without it, or with another in its place, verdicts are the same and the tree is left out."""
    (template / "a.fp").rename(template / "b.fp")
    bundles.write(bundle, template / "a.fp")
    try:
        assert report("audit.db", "-o", "r.html").exit_code == 3
    finally:
        (template / "b.fp").rename(template / "a.fp")
    page = (place / "r.html").read_text()
    assert 'class="tree"' not in page
    assert page.count('<section class="verdict') == 3


def test_of_several_bundles_one_is_named(place, bundle, template):
    """One line lists them; a name, a path or the beginning of a digest chooses."""
    bundles.write(bundle, place / "other.fp")
    linear_onnx(place / "c.onnx", weights=COPY)
    scanned("other.fp", "c.onnx", *HERE)
    found = report("audit.db", "-o", "r.md")
    assert (found.exit_code, found.stderr.count("\n")) == (5, 1)
    assert "name one with --bundle" in found.stderr
    for name in ("other.fp", bundle.digest[:14], bundle.digest.removeprefix("sha256:")[:9]):
        assert report("audit.db", "-o", "r.md", "--bundle", name).exit_code == 3
        assert "c.onnx" in (place / "r.md").read_text().replace("\\", "")
    assert "0 fit 'x.fp'" in report("audit.db", "-o", "r.md", "--bundle", "x.fp").stderr


@pytest.mark.parametrize(
    ("arguments", "code", "wanted"),
    [
        (("audit.db", "a.fp"), 2, "one ledger alone"),
        (("audit.db", "--public", "k.pub"), 2, "signatures were checked"),
        (("a.fp",), 2, "is no ledger"),
        (("a.fp", "x.evidence", "--bundle", "a"), 2, "name the ledger"),
        (("journal",), 5, "another program"),
    ],
)
def test_what_is_no_source_is_told(place, arguments, code, wanted):
    """Wrong arguments end before a file is written."""
    with sqlite3.connect("journal") as file:
        file.execute("CREATE TABLE x (y)")
    file.close()
    found = report(*arguments, "-o", "r.md")
    assert found.exit_code == code
    assert wanted in found.stderr.replace("\n", " ")
    assert not (place / "r.md").exists()


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ("report = X'7b7d'", "holds no report"),
        ("report = 'text'", "holds no report"),
        ("report = replace(report, '\"pirated\"', '\"homologous\"')", "it was changed"),
        ("report = replace(report, '\"adapter\"', '\"other\"')", "can't be read"),
        ("evidence = X'00'", "answers of"),
    ],
)
def test_a_ledger_that_was_changed_is_one_line(place, change, wanted):
    """Reports and answers are checked before anything is shown of them."""
    with sqlite3.connect("audit.db") as file:
        file.execute(f"UPDATE pairs SET {change} WHERE verdict = 'pirated'")  # noqa: S608
    file.close()
    found = report("audit.db", "-o", "r.html")
    assert (found.exit_code, found.stderr.count("\n")) == (5, 1)
    assert wanted in found.stderr
