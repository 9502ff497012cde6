"""A package of plug-ins is installed for real, and a fresh interpreter finds and uses it."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from auditkit.core.fingerprint import FIRST_IDENTIFICATIONS
from auditkit.files import bundle as bundles
from tests.conftest import WEIGHTS

PACKAGE = Path(__file__).parents[2] / "examples" / "plugin"
NAME = "second_best"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder that the example package was installed into."""
    folder = tmp_path_factory.mktemp("plugin")
    source = shutil.copytree(PACKAGE, folder / "source")  # building leaves files beside the source
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-build-isolation"]
    command += ["--no-index", "--disable-pip-version-check", "--target", str(folder / "site")]
    done = subprocess.run([*command, str(source)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "site"


@pytest.fixture
def work(tmp_path, bundle):
    """A folder with two bundles, one of which names the identification, and some suspects."""
    bundles.write(bundle, tmp_path / "plain.fp")
    named = replace(bundle.fingerprint, identifications=(*FIRST_IDENTIFICATIONS, NAME))
    bundles.write(replace(bundle, fingerprint=named), tmp_path / "named.fp")
    for name in ("owner.linear", "owner.matrix"):
        with (tmp_path / name).open("wb") as file:
            np.save(file, WEIGHTS)
    return tmp_path


def check(site, work, *arguments):
    """`auditkit check` in an interpreter that has just started."""
    command = [sys.executable, "-m", "auditkit", "check", *arguments]
    places = {"PYTHONPATH": os.pathsep.join((str(site), str(PACKAGE.parents[1])))}
    return subprocess.run(
        command, cwd=work, env={**os.environ, **places}, capture_output=True, text=True, check=False
    )


def opinions(site, work, bundle, suspect):
    """What each identification says of one suspect, by name, and the verdict."""
    done = check(site, work, bundle, suspect, "-f", "json", "-q")
    [found] = json.loads(done.stdout)["suspects"]
    return {one["name"]: one for one in found["identifications"]}, found


def test_the_adapter_asks_by_suffix_and_by_prefix(site, work):
    """`owner.linear` and `linear:owner.matrix` are the same suspect, and the owner."""
    done = check(site, work, "plain.fp", "owner.linear", "linear:owner.matrix", "-f", "json", "-q")
    assert done.returncode == 3, done.stderr
    found = json.loads(done.stdout)["suspects"]
    assert [one["adapter"] for one in found] == ["linear", "linear"]
    assert [one["verdict"] for one in found] == ["pirated", "pirated"]
    assert found[0]["digest"] == found[1]["digest"]


def test_what_an_installed_adapter_raises_is_one_line(site, work):
    """A file that is no matrix is refused with exit code 5, and the next suspect is asked."""
    (work / "odd.linear").write_bytes(b"no matrix")
    done = check(site, work, "plain.fp", "odd.linear", "owner.linear", "-f", "lines", "-q")
    odd, owner = done.stdout.splitlines()
    assert odd.split("\t")[:2] == ["odd.linear", "refused"]
    assert "can't be opened as linear" in odd
    assert owner.split("\t")[:2] == ["owner.linear", "pirated"]
    assert "Traceback" not in done.stderr


def test_the_report_format_is_offered(site, work):
    """It is among the formats that there are, and its lines are the report."""
    offered = check(site, work, "plain.fp", "owner.linear", "-f", "nothing")
    assert offered.returncode == 2
    assert "junit, lines, markdown" in " ".join(offered.stderr.replace("│", " ").split())
    done = check(site, work, "plain.fp", "owner.linear", "-f", "lines", "-q")
    who, what, why = done.stdout.rstrip("\n").split("\t")
    assert (done.returncode, who, what) == (3, "owner.linear", "pirated")
    assert "100%" in why


def test_without_the_package_its_words_mean_nothing(work, tmp_path):
    """Neither suspect nor format is known, and the bundle that names what is missing is refused."""
    unknown = check(tmp_path, work, "plain.fp", "owner.linear", "-q")
    assert unknown.returncode == 5
    assert check(tmp_path, work, "plain.fp", "owner.linear", "-f", "lines").returncode == 2
    named = check(tmp_path, work, "named.fp", "owner.linear", "-q")
    assert named.returncode == 5
    assert NAME in named.stdout + named.stderr


def test_an_installed_identification_speaks_only_where_the_bundle_names_it(site, work, bundle):
    """A suspect with the owner's labels and other seconds: the veto counts once it is named."""
    outputs = bundle.fingerprint.sheet.outputs
    third, second, _ = outputs.argsort(axis=1)[:, -3:].T
    scores, every = outputs.copy(), np.arange(len(outputs))
    scores[every, second], scores[every, third] = outputs[every, third], outputs[every, second]
    np.savez(work / "answers.npz", scores=scores)

    said, found = opinions(site, work, "plain.fp", "answers.npz")
    assert NAME not in said
    assert found["verdict"] == "pirated"

    said, found = opinions(site, work, "named.fp", "answers.npz")
    assert said[NAME]["says"] == "homologous"
    assert "second best class" in said[NAME]["reason"]
    assert (found["verdict"], found["reason_code"]) == ("inconclusive", "opinions-contradict")
