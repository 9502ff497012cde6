"""Frozen files give frozen outputs, byte for byte."""

import re
from pathlib import Path

import numpy as np
import pytest

from auditkit.files import bundle as bundles
from auditkit.files import container
from tests.golden.cases import CASES, EVIDENCE_OF, EXPECTED, FILES, printed, workplace


@pytest.fixture(scope="module")
def place():
    with workplace() as folder:
        yield folder


@pytest.mark.parametrize("name", CASES)
def test_a_frozen_command_prints_what_it_printed(name, place):
    """Reports, plans and descriptions of frozen bundles, suspects, evidence and journals stay."""
    assert printed(CASES[name]) == (EXPECTED / name).read_text()


def test_every_expected_output_has_its_command():
    """No output lies about that nothing compares."""
    assert sorted(file.name for file in EXPECTED.iterdir()) == sorted(CASES)


def test_evidence_is_written_as_it_was(place):
    """The same bundle and suspects give the same evidence files, the tools' versions apart."""
    printed(EVIDENCE_OF)
    for frozen in (FILES / "evidence").iterdir():
        old, new = (
            container.read(path, "evidence", 1) for path in (frozen, place / "kept" / frozen.name)
        )
        manifests = [{k: v for k, v in one.manifest.items() if k != "seal"} for one in (old, new)]
        for one in manifests:
            one["suspect"].pop("runtime")
        assert manifests[0] == manifests[1], frozen.name
        for name, tensor in old.tensors.items():
            assert tensor.tobytes() == new.tensors[name].tobytes(), (frozen.name, name)


@pytest.mark.parametrize("name", ["plain", "tried", "lined_up", "benign"])
def test_a_bundle_that_is_read_and_written_keeps_its_bytes(name, tmp_path):
    """So do its digest, and evidence that was made with it."""
    bundles.write(bundles.read(FILES / f"{name}.fp"), tmp_path / "again.fp")
    assert (tmp_path / "again.fp").read_bytes() == (FILES / f"{name}.fp").read_bytes()


def test_queries_are_written_as_they_were(place):
    """A vendor who has an older file of queries answers the same rows."""
    printed(["queries", "plain.fp", "-o", "again.npz"])
    with np.load(place / "again.npz") as again, np.load(FILES / "queries.npz") as frozen:
        assert sorted(again) == sorted(frozen)
        for name in frozen:
            np.testing.assert_array_equal(again[name], frozen[name])


def test_nothing_frozen_names_the_machine_that_made_it():
    """No absolute path of a home or a temporary folder is in what is compared."""
    for file in EXPECTED.iterdir():
        assert not re.search(r"/(home|tmp|root|work|Users)/", Path(file).read_text()), file.name
